"""Hooks at run time: answers, refusals, values that last, sections, and everything that must be contained."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from importlib.metadata import EntryPoint
from typing import Any

import hooking
import pytest
from hooking import Install
from hooking import appending as premessage
from structlog.testing import capture_logs

from hub import Answer, Attachments, Refusal, TurnFailed
from hub.directory import BoundAssistant
from hub.media import sniff
from hub.plugins import Registry
from hub.watched import MOST_LEFT_BEHIND, Overtime, Watched

SECTION = """
class Glossary(Settings):
    word: str
@hookimpl
def register_sections():
    return [AssistantSection("glossary", "Glossary", Glossary, hooks=("premessage",))]
"""


def plugin(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return f"import time, threading\n@hookimpl\ndef premessage(turn, request):\n{lines}\n"


def registry_of(*points: EntryPoint) -> Registry:
    return Registry(found=list(points))


class TestResults:
    def test_an_answer_ends_the_stage_and_names_its_plugin(self, install: Install) -> None:
        found = [
            install("a", premessage("a")),
            install("b", plugin("return Answer({'output': {'generic': []}})")),
            install("c", plugin("raise RuntimeError('not to be called')")),
        ]
        stage = hooking.a_stage()
        result, by = hooking.hooks(registry_of(*found)).premessage(stage, {"input": {"text": ""}})
        assert (result, by) == (Answer({"output": {"generic": []}}), "b")
        assert set(stage.timings) == {"premessage:a", "premessage:b"}

    def test_an_answer_that_is_no_message_response_is_a_failed_hook(self, install: Install) -> None:
        found = install("a", plugin("return Answer({'output': 7})"))
        assert hooking.premessage(registry_of(found), "hello") == {"input": {"text": "hello"}, "context": {}}

    def test_a_refusal_carries_its_message(self, install: Install) -> None:
        found = install("a", plugin("return Refusal('not today')"))
        assert hooking.premessage(registry_of(found)) == Refusal("not today")

    def test_a_hook_may_fail_the_turn(self, install: Install) -> None:
        found = install("a", plugin("raise TurnFailed('422', 'Webhook responded with [500] status code')"))
        with pytest.raises(TurnFailed) as caught:
            hooking.premessage(registry_of(found))
        assert caught.value.code == "422"

    @pytest.mark.parametrize(
        "value", ["Refusal(7)", "{'input': 7}", "{}", "{'input': {}, 'context': []}", "{'input': {'x': object()}}"]
    )
    def test_what_cannot_be_used_is_passed_over(self, install: Install, value: str) -> None:
        with capture_logs() as logs:
            kept = hooking.premessage(registry_of(install("a", plugin(f"return {value}"))), "hello")
        assert kept == {"input": {"text": "hello"}, "context": {}}
        assert [line["event"] for line in logs] == ["hook_failed"]


class TestStores:
    def test_each_plugin_keeps_values_of_its_own(self, install: Install) -> None:
        counting = "turn.store['n'] = turn.store.get('n', 0) + 1\nturn.session.store['m'] = 'x'"
        stage = hooking.a_stage()
        kept = hooking.hooks(registry_of(install("a", plugin(counting)), install("b", plugin(counting))))
        for _ in range(2):
            kept.premessage(stage, {"input": {"text": ""}})
        assert stage.turn_stores == {"a": {"n": 2}, "b": {"n": 2}}
        assert stage.session_stores == {"a": {"m": "x"}, "b": {"m": "x"}}

    @pytest.mark.parametrize(
        "value", ["object()", "'x' * 200_000", "float('nan')", "{1: 2}"], ids=["type", "size", "nan", "key"]
    )
    def test_values_that_cannot_be_kept_fail_the_hook(self, install: Install, value: str) -> None:
        stage = hooking.a_stage()
        stage.turn_stores["a"] = {"old": 1}
        body = f"turn.store['v'] = {value}\nrequest['input']['text'] = 'changed'\nreturn request"
        result = hooking.premessage(registry_of(install("a", plugin(body))), "kept", stage)
        assert result == {"input": {"text": "kept"}, "context": {}}
        assert stage.turn_stores == {"a": {"old": 1}}

    def test_a_hook_that_raises_leaves_no_attachment_and_no_value(self, install: Install) -> None:
        kept: list[bytes] = []

        class Keeper:
            def keep(self, data: bytes) -> str:
                kept.append(data)
                return "key"

            def url(self, identifier: uuid.UUID) -> str:
                return "https://hub.example/media/x"

            def open(self, key: str) -> Any: ...

        attachments = Attachments([], Keeper(), sniff, uuid.uuid4)
        stage = hooking.a_stage(attachments=attachments)
        body = "turn.attachments.add(b'x', 'text/plain')\nturn.store['a'] = 1\nraise RuntimeError"
        hooking.premessage(registry_of(install("a", plugin(body))), "", stage)
        assert (len(attachments), attachments.changes, stage.turn_stores) == (0, 0, {})
        body = body.replace("raise RuntimeError", "")
        hooking.premessage(registry_of(install("b", plugin(body))), "", stage)
        assert (len(attachments), attachments.changes, stage.turn_stores) == (1, 1, {"b": {"a": 1}})


class TestSections:
    def test_a_hook_is_called_only_where_its_section_is_configured(self, install: Install) -> None:
        source = SECTION + plugin("return {'input': {'text': turn.sections['glossary'].word}}")
        registry = registry_of(install("a", source))
        model = registry.sections["glossary"].settings
        settings = model(word="hub")
        without = BoundAssistant(uuid.uuid4(), "bot", "double", None, None)
        with_it = BoundAssistant(uuid.uuid4(), "bot", "double", None, None, {"glossary": settings})
        directory = hooking.OneDirectory({"a": {"glossary": settings}})
        hooks = hooking.hooks(registry, directory=directory)
        assert hooks.of("premessage", without) == []
        request, _ = hooks.premessage(hooking.a_stage(with_it), {"input": {"text": ""}})
        assert request == {"input": {"text": "hub"}}

    def test_a_section_whose_name_is_taken_fails_the_later_plugin(self, install: Install) -> None:
        registry = registry_of(install("a", SECTION), install("b", SECTION))
        assert "section glossary is registered by hub-a" in str(registry.plugins[1].error)


class TestTime:
    def test_calls_of_one_hook_that_hang_do_not_stop_the_plugins_other_hooks(self) -> None:
        watched, gate = Watched(0.02), threading.Event()
        for _ in range(MOST_LEFT_BEHIND):
            with pytest.raises(Overtime):
                watched.call("plugin:logged", lambda: gate.wait(30))
        assert watched.call("plugin:premessage", lambda: 1) == 1
        gate.set()

    def test_what_ends_threads_and_tasks_is_an_error_like_any_other(self) -> None:
        def cancelled() -> None:
            raise asyncio.CancelledError

        with pytest.raises(RuntimeError, match="CancelledError"):
            Watched(5).call("x", cancelled)

    def test_files_of_a_hook_that_was_left_behind_are_refused(self) -> None:
        attachments = hooking.a_turn().attachments
        attachments.close()
        with pytest.raises(RuntimeError):
            attachments.add(b"late")

    def test_a_hook_that_hangs_is_left_behind_and_the_turn_goes_on(self, install: Install) -> None:
        hanging = "turn.attachments\nthreading.Event().wait(30)"
        found = [install("a", premessage("a")), install("b", plugin(hanging)), install("c", premessage("c"))]
        with capture_logs() as logs:
            result = hooking.premessage(registry_of(*found), "", seconds=0.2)
        assert result == {"input": {"text": "ac"}, "context": {}}
        assert [(line["event"], line["plugin"], line["error"]) for line in logs] == [("hook_failed", "b", "Overtime")]

    def test_an_owner_with_too_many_calls_behind_is_not_called_until_one_ends(self) -> None:
        watched, gate, calls = Watched(0.02), threading.Event(), []

        def hang() -> None:
            calls.append(1)
            gate.wait(30)

        for _ in range(MOST_LEFT_BEHIND + 3):
            with pytest.raises(Overtime):
                watched.call("bad", hang)
        assert len(calls) == MOST_LEFT_BEHIND
        assert watched.call("good", lambda: 1) == 1
        gate.set()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                assert watched.call("bad", lambda: 2) == 2
                break
            except Overtime:
                continue
        else:
            pytest.fail("the owner was never called again")

    def test_what_a_call_raises_is_raised_here(self) -> None:
        watched = Watched(5)
        for error in (KeyError("k"), SystemExit(3)):

            def fail(error: BaseException = error) -> None:
                raise error

            with pytest.raises(type(error)):
                watched.call("x", fail)

    def test_threads_are_used_again(self) -> None:
        watched = Watched(5)
        assert len({watched.call("x", threading.get_ident) for _ in range(20)}) == 1
