"""What an answer asks of the hub (lists, commands, further turns, the end), and what the next turn is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from hooking import Install
from inprocess import PERSON, LocalHub, Time, answer
from structlog.testing import capture_logs

from hub import Answer, AssistantFailed, DeliveryReport, SendFailed, Turn
from hub.commands import MOST_FORCED
from hub.store import models

OPTIONS = {
    "response_type": "option",
    "title": "Which cover?",
    "description": "Kinds",
    "options": [
        {"label": label, "value": {"input": {"text": f"{label.lower()} cover"}}} for label in ("Boat", "Car", "House")
    ],
}
MakeLocal = Callable[..., LocalHub]


@pytest.fixture
def make_local(tmp_path: Path, database_url: str) -> Iterator[MakeLocal]:
    hubs: list[LocalHub] = []

    def make(plugins: list[EntryPoint] | None = None, **settings: Any) -> LocalHub:
        hubs.append(LocalHub(database_url, tmp_path, plugins=plugins or [], settings=settings))
        return hubs[-1]

    yield make
    for hub in hubs:
        hub.__exit__(None, None, None)


@pytest.fixture
def local(make_local: MakeLocal) -> LocalHub:
    return make_local()


def said(*generic: Any, **user_defined: Any) -> Answer:
    """An answer of texts and elements, with these variables in the dialog's context."""
    elements = [{"response_type": "text", "text": each} if isinstance(each, str) else each for each in generic]
    context = {"skills": {"main skill": {"user_defined": user_defined}}}
    return Answer({"output": {"generic": elements}, "context": context}, "their-session")


def command(name: str, **parameters: Any) -> dict[str, Any]:
    return {"command": name, "parameters": parameters}


def script(local: LocalHub, **answers: Answer) -> None:
    """Answer a text by its first word; anything else is echoed."""
    local.script.reply = lambda text, _turn: answers.get(text.split(" ")[0] or "nothing", f"echo {text}")


def variables(request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = request["context"]["skills"]["main skill"]["user_defined"]
    return found


class TestLists:
    def test_a_number_sends_the_entry_and_the_list_is_gone_after_the_next_answer(self, local: LocalHub) -> None:
        script(local, list=said(OPTIONS))
        local.converse("list", "2", "2")
        assert local.script.inputs == ["list", "car cover", "2"]
        assert local.provider.texts[0].split() == ["Which", "cover?", "1.", "Boat", "2.", "Car", "3.", "House"]

    def test_the_entry_goes_out_as_it_was_given_with_source_and_options(self, local: LocalHub) -> None:
        chosen = {"text": "drinks", "suggestion_id": "s-1", "intents": [{"intent": "order", "confidence": 0.7}]}
        suggestion = {
            "response_type": "suggestion",
            "title": "Did you mean:",
            "suggestions": [{"label": "Order a drink", "value": {"input": chosen}}],
        }
        script(local, hm=said(suggestion))
        local.converse("hm", "1")
        sent = dict(local.script.requests[1]["input"])
        assert {name: sent.pop(name) for name in ("source", "options")} == {
            name: local.script.requests[0]["input"][name] for name in ("source", "options")
        }
        assert sent == chosen

    def test_a_failed_turn_keeps_the_list(self, local: LocalHub) -> None:
        script(local, list=said(OPTIONS), oops=AssistantFailed("500", "no", retryable=False))  # type: ignore[arg-type]
        local.converse("list", "oops", "3")
        assert local.script.inputs[-1] == "house cover"

    def test_prefixes_last_for_the_session_and_apply_to_the_same_answer(self, local: LocalHub) -> None:
        prefix = command("smsActSetOptionsConfig", prefixText="Enter %s for ")
        script(local, set=said(OPTIONS, smsAction=prefix), again=said(OPTIONS))
        local.converse("set", "hello", "again")
        lists = [text.split() for text in local.provider.texts if "cover" in text]
        shown = "Which cover? Enter 1 for Boat Enter 2 for Car Enter 3 for House"
        assert lists[0] == lists[1] == shown.split()


class TestEnd:
    def test_terminate_ends_the_session_after_the_texts_and_tells_the_assistant(self, local: LocalHub) -> None:
        script(local, bye=said("Bye", OPTIONS, smsAction=command("terminateSession"), kept="secret"))
        local.converse("hello", "bye", "hi", "1")
        assert local.script.ended == ["their-session"]
        first, second = local.script.sessions[1], local.script.sessions[2]
        assert first != second
        assert local.script.turns[2].session.context == {}
        assert local.script.turns[2].session.assistant_session_id is None
        assert "kept" not in variables(local.script.requests[2])
        assert local.script.inputs == ["hello", "bye", "hi", "1"]
        assert [row.state for row in local.rows(models.Session)] == ["ended", "bot"]

    def test_an_assistant_that_cannot_end_it_costs_nothing_but_a_line(
        self, local: LocalHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script(local, bye=said("Bye", smsAction=command("terminateSession")))
        for error in (AssistantFailed("500", "no", retryable=False), RuntimeError("oops")):

            def fail(_session: str, error: Exception = error) -> None:
                raise error

            monkeypatch.setattr(local.bound().assistant.instance, "end_session", fail)
            with capture_logs() as logs:
                local.converse("bye")
            assert {"session_not_ended", "assistant_raised"} & {line["event"] for line in logs}
        assert local.provider.texts == ["Bye", "Bye"]

    def test_a_command_that_stays_in_the_context_does_not_end_the_next_session_turn_after_turn(
        self, local: LocalHub
    ) -> None:
        media = command("smsActSendMedia", mediaURL="https://e.example/p.png")
        local.script.reply = lambda text, _turn: said(text, smsAction=media)
        local.converse("one", "two", "three")
        assert [message.media for message in local.provider.accepted if message.media] == [("https://e.example/p.png",)]
        assert variables(local.script.requests[1])["smsAction"] is None
        assert "smsAction" not in variables(local.script.requests[0])

    def test_the_time_out_of_a_session_can_be_changed(self, local: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
        time = Time(monkeypatch)
        script(local, set=said("ok", smsAction=command("setSessionTimeoutCount", count="10")))
        local.converse("set")
        time.passes(9)
        local.converse("still")
        time.passes(11)
        local.converse("again")
        assert local.script.sessions[0] == local.script.sessions[1] != local.script.sessions[2]


class TestFurtherTurns:
    def test_a_turn_without_input_follows_the_texts(self, local: LocalHub) -> None:
        script(
            local,
            wait=said("One moment", smsAction=command("smsActForceNoInputTurn")),
            smsNoInputTurn=said("Here it is"),
        )
        local.converse("wait", "next")
        assert local.script.inputs == ["wait", "smsNoInputTurn", "next"]
        assert local.provider.texts == ["One moment", "Here it is", "echo next"]
        assert [row.kind for row in local.rows(models.Turn)] == ["text", "no_input", "text"]
        assert local.script.turns[1].kind == "no_input"

    def test_the_texts_are_sent_before_the_turn_without_input_begins(self, local: LocalHub) -> None:
        sent: list[list[str]] = []

        def reply(text: str, _turn: Turn) -> Any:
            sent.append(list(local.provider.texts))
            return said("One moment", smsAction=command("smsActForceNoInputTurn")) if text == "wait" else "done"

        local.script.reply = reply
        local.converse("wait")
        assert sent == [[], ["One moment"]]

    def test_it_comes_before_a_text_that_arrived_meanwhile(self, local: LocalHub) -> None:
        script(local, wait=said("One moment", smsAction=command("smsActForceNoInputTurn")))
        local.text("wait")
        local.text("impatient")
        local.drain()
        assert local.script.inputs == ["wait", "smsNoInputTurn", "impatient"]

    def test_skip_user_input_asks_for_an_empty_turn(self, local: LocalHub) -> None:
        skipping = said("Part one")
        skipping.response["context"]["global"] = {"system": {"skip_user_input": True}}
        script(local, go=skipping, nothing=said("Part two"))
        local.converse("go")
        assert local.script.inputs == ["go", ""]
        assert local.provider.texts == ["Part one", "Part two"]

    def test_an_assistant_that_never_stops_asking_is_stopped(self, local: LocalHub) -> None:
        local.script.reply = lambda text, _turn: said(
            f"again {len(local.script.inputs)}", smsActionSequence=[command("smsActForceNoInputTurn")], n=text
        )
        local.script.reply = lambda _text, _turn: Answer(
            {
                "output": {
                    "generic": [{"response_type": "text", "text": f"n {len(local.script.inputs)}"}],
                    "user_defined": {"smsAction": command("smsActForceNoInputTurn")},
                }
            }
        )
        with capture_logs() as logs:
            local.converse("go")
        assert local.script.inputs == ["go", *["smsNoInputTurn"] * MOST_FORCED]
        assert "turn_not_forced" in [line["event"] for line in logs]
        local.converse("go on")
        assert len(local.script.inputs) == 2 * (MOST_FORCED + 1)

    def test_after_a_crash_it_is_run_all_the_same(self, local: LocalHub) -> None:
        """The worker dies between the answer's commit and the turn the assistant asked for."""
        script(local, wait=said("One moment", smsAction=command("smsActForceNoInputTurn")))
        local.text("wait")
        calls = 0
        begin = local.hub.drain._turns.run

        def die(bound: Any, work: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise RuntimeError("killed")
            return begin(bound, work)

        local.hub.drain._turns.run = die  # type: ignore[method-assign]
        local.drain()
        assert local.provider.texts == ["One moment"]
        local.hub.drain._turns.run = begin  # type: ignore[method-assign]
        lane = local.rows(models.Lane)[0].id
        with local.hub.store.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE lane SET due_at = '2000-01-01 00:00:00.000000'")
        assert local.due() == [lane]
        local.drain()
        assert local.provider.texts == ["One moment", "echo smsNoInputTurn"]


class TestTold:
    def test_a_failure_to_send_is_told_once(self, local: LocalHub) -> None:
        local.provider.plan.append(SendFailed("30006", "landline", retryable=False))
        local.converse("one", "two", "three")
        told = [variables(request).get("smsError", "nothing") for request in local.script.requests]
        assert told == ["nothing", {"code": "30006", "message": "landline"}, "nothing"]

    def test_so_is_a_delivery_that_the_provider_reports_as_failed(self, local: LocalHub) -> None:
        local.converse("one")
        (row,) = local.sent()
        local.report(DeliveryReport(row.provider_id, "undelivered", {}, error_code="30005"))
        local.converse("two")
        assert variables(local.script.requests[1])["smsError"]["code"] == "30005"

    def test_a_turn_that_failed_has_not_told_it(self, local: LocalHub) -> None:
        local.converse("one")
        (row,) = local.sent()
        local.report(DeliveryReport(row.provider_id, "failed", {}, error_code="30005"))
        script(local, oops=AssistantFailed("500", "no", retryable=False))  # type: ignore[arg-type]
        local.converse("oops", "three", "four")
        told = ["smsError" in variables(request) for request in local.script.requests]
        assert told == [False, True, True, False]

    def test_an_old_error_in_a_kept_context_is_taken_back(self, make_local: MakeLocal) -> None:
        local = make_local(stateless=True)
        local.script.reply = lambda _text, _turn: Answer(
            {"output": {"generic": []}, "context": local.script.requests[-1]["context"]}
        )
        local.converse("one")
        lane = local.rows(models.Lane)[0].id
        from hub.inbox import note_failure

        local.hub.store.write(lambda connection: note_failure(connection, lane, "1", "x"))
        local.converse("two", "three", "four")
        told = [variables(request).get("smsError", "absent") for request in local.script.requests]
        assert told[1]["code"] == "1"
        assert told[2:] == [None, None]

    def test_the_assistant_sets_its_own_time_out(self, local: LocalHub) -> None:
        script(local, set=said("ok", smsConversationResponseTimeout="1500"))
        local.converse("set", "next")
        assert [turn.timeout for turn in local.script.turns] == [None, 1.5]

    def test_an_input_longer_than_the_contract_allows_is_cut_with_a_warning(self, local: LocalHub) -> None:
        with capture_logs() as logs:
            local.converse("x" * 3000)
        assert len(local.script.inputs[0]) == 2048
        assert len(local.rows(models.Message)[0].text) == 3000
        assert [line["characters"] for line in logs if line["event"] == "input_cut"] == [3000]


ANSWERING = """
@hookimpl
def premessage(turn, request):
    text = request["input"]["text"]
    turn.session.store["seen"] = turn.session.store.get("seen", 0) + 1
    turn.store["text"] = text
    if text.startswith("place"):
        context = {"context": {"mine": 1}} if text == "place context" else {}
        return Answer({"output": {"generic": [{"response_type": "text", "text": "from the hook"}]}, **context})
    if text == "refuse":
        return Refusal("not now")
    if text == "silence":
        return Refusal("")
    if text == "fail":
        raise TurnFailed("422", "Webhook responded with [500] status code")

@hookimpl
def postmessage(turn, response):
    said = {"response_type": "text", "text": f"{turn.store['text']} {turn.session.store['seen']} {turn.answered_by}"}
    response["output"]["generic"].append(said)
    return response
"""


class TestHooks:
    @pytest.fixture
    def local(self, make_local: MakeLocal, install: Install) -> LocalHub:
        return make_local([install("answering", ANSWERING)], combine_messages=False)

    def test_an_answer_in_the_assistants_place(self, local: LocalHub) -> None:
        local.script.reply = lambda text, _turn: answer(f"echo {text}", context={"kept": text})
        local.converse("hello", "place", "again")
        assert local.script.inputs == ["hello", "again"]
        assert local.provider.texts == [
            "echo hello", "hello 1 None", "from the hook", "place 2 answering", "echo again", "again 3 None",
        ]  # fmt: skip
        assert local.script.turns[1].session.context == {"kept": "hello"}
        assert local.script.turns[1].session.turn_count == 1

    def test_its_context_if_it_has_one_is_kept(self, local: LocalHub) -> None:
        local.converse("place context", "next")
        assert local.script.turns[0].session.context == {"mine": 1}

    def test_a_refusal_is_sent_and_the_assistant_not_asked(self, local: LocalHub) -> None:
        with capture_logs() as logs:
            local.converse("refuse", "silence")
        assert local.provider.texts == ["not now"]
        assert local.script.inputs == []
        assert [row.state for row in local.rows(models.Turn)] == ["refused", "refused"]
        assert [line["plugin"] for line in logs if line["event"] == "turn_refused"] == ["answering"] * 2

    def test_a_turn_a_hook_lets_fail_gets_the_failure_message(self, local: LocalHub) -> None:
        local.configure(failure_message="F!", combine_messages=False)
        local.converse("fail")
        assert local.provider.texts == ["F!"]
        assert local.rows(models.Turn)[0].error == "422: Webhook responded with [500] status code"

    @pytest.mark.parametrize("text", ["place", "hello"])
    def test_values_survive_a_restart_in_the_middle_of_a_turn(self, local: LocalHub, text: str) -> None:
        local.text(text)
        calls: list[int] = []
        post = local.hub.drain._turns._hooks.postmessage

        def die(stage: Any, response: Any) -> Any:
            calls.append(1)
            if len(calls) == 1:
                raise RuntimeError("killed")
            return post(stage, response)

        local.hub.drain._turns._hooks.postmessage = die  # type: ignore[method-assign]
        local.drain()
        assert local.provider.texts == []
        with local.hub.store.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE lane SET due_at = '2000-01-01 00:00:00.000000'")
        local.drain()
        by = "answering" if text == "place" else "None"
        assert local.provider.texts[-1] == f"{text} 1 {by}"
        assert len(local.script.inputs) == (0 if text == "place" else 1)

    def test_the_values_of_a_session_end_with_it(self, local: LocalHub) -> None:
        script(local, bye=said("Bye", smsAction=command("terminateSession")))
        local.converse("hello", "bye", "hi")
        assert [text for text in local.provider.texts if text.endswith("None")] == [
            "hello 1 None", "bye 2 None", "hi 1 None",
        ]  # fmt: skip


CHANGING = """
@hookimpl
def premessage(turn, request):
    if request["input"]["text"] == "long":
        request["input"]["text"] = "two\\nlines " + "x" * 3000
        return request
    if request["input"]["text"] == "place":
        context = {"skills": {"main skill": {"user_defined": {"by": "hook"}}}}
        return Answer({"output": {"generic": []}, "context": context})

@hookimpl
def postmessage(turn, response):
    if turn.answered_by is None and response["output"]["generic"][0]["text"] == "echo change":
        response["context"] = {"skills": {"main skill": {"user_defined": {"lang": "fr"}}}}
    return response
"""


class TestChangedContext:
    """What hooks change in a context reaches an assistant that keeps its own (contract: webhooks)."""

    @pytest.fixture
    def local(self, make_local: MakeLocal, install: Install) -> LocalHub:
        local = make_local([install("changing", CHANGING)])
        own = {"skills": {"main skill": {"user_defined": {"mine": 1, "old": 2}}}}
        local.script.reply = lambda text, _turn: answer(f"echo {text}", context=own)
        return local

    def test_with_the_next_request_once(self, local: LocalHub) -> None:
        local.converse("change", "next", "after")
        _, following, later = (variables(request) for request in local.script.requests)
        assert (following["lang"], following["mine"], following["old"]) == ("fr", None, None)
        assert "lang" not in later

    def test_after_a_failure_too(self, local: LocalHub) -> None:
        echo = local.script.reply
        local.converse("change")
        local.script.reply = lambda _text, _turn: AssistantFailed("500", "no", retryable=False)
        local.converse("fails")
        local.script.reply = echo
        local.converse("next")
        assert variables(local.script.requests[-1])["lang"] == "fr"

    def test_what_a_hook_said_in_the_assistants_place(self, local: LocalHub) -> None:
        local.converse("change", "place", "next")
        told = variables(local.script.requests[-1])
        assert (told["lang"], told["by"]) == (None, "hook")

    def test_a_text_a_hook_makes_is_bounded_like_a_persons(self, local: LocalHub) -> None:
        local.converse("long")
        assert local.script.inputs[0].startswith("two lines x")
        assert len(local.script.inputs[0]) == 2048


class TestLeftBehind:
    """What went wrong in a turn leaves nothing that later turns would trip over."""

    def test_an_answer_of_a_hook_shows_nothing_of_the_assistants_context(
        self, make_local: MakeLocal, install: Install
    ) -> None:
        source = """
            @hookimpl
            def premessage(turn, request):
                if request["input"]["text"] == "place":
                    return Answer({"output": {"generic": []}, "context": {}})
        """
        local = make_local([install("placing", source)])
        media = command("smsActSendMedia", mediaURL="https://e.example/p.png")
        local.script.reply = lambda text, _turn: said(text, smsAction=media)
        local.converse("one", "place", "two", "three")
        assert len([message for message in local.provider.accepted if message.media]) == 1

    def test_an_answer_of_a_hook_has_not_told_the_assistant_of_a_failure(
        self, make_local: MakeLocal, install: Install
    ) -> None:
        source = """
            @hookimpl
            def premessage(turn, request):
                if request["input"]["text"] == "place":
                    return Answer({"output": {"generic": []}})
        """
        local = make_local([install("placing", source)])
        local.provider.plan.append(SendFailed("30006", "landline", retryable=False))
        local.converse("one", "place", "two")
        assert variables(local.script.requests[-1])["smsError"]["code"] == "30006"

    def test_a_report_that_changes_nothing_tells_nothing(self, local: LocalHub) -> None:
        local.converse("one")
        (row,) = local.sent()
        local.report(DeliveryReport(row.provider_id, "delivered", {}))
        local.report(DeliveryReport(row.provider_id, "failed", {}, error_code="30005"))
        local.converse("two")
        assert "smsError" not in variables(local.script.requests[1])

    def test_an_empty_prefix_stays(self, local: LocalHub) -> None:
        empty = command("smsActSetOptionsConfig", prefixText="")
        script(local, set=said(OPTIONS, smsAction=empty), again=said(OPTIONS))
        local.converse("set", "again")
        assert [text.split("\n")[1] for text in local.provider.texts] == ["Boat", "Boat"]

    def test_a_turn_the_assistant_asked_for_leaves_the_list_that_is_shown(self, local: LocalHub) -> None:
        script(
            local,
            list=said(OPTIONS, smsAction=command("smsActForceNoInputTurn")),
            smsNoInputTurn=said("Take your time"),
        )
        local.converse("list", "2")
        assert local.script.inputs[-1] == "car cover"

    def test_characters_no_database_takes_do_not_hold_up_a_lane(self, make_local: MakeLocal, install: Install) -> None:
        source = """
            @hookimpl
            def premessage(turn, request):
                if request["input"]["text"] == "refuse":
                    return Refusal("not\\0 now\\ud800")
                if request["input"]["text"] == "fail":
                    raise TurnFailed("4\\0", "bad\\ud800")
        """
        local = make_local([install("odd", source)])
        local.provider.plan.append(SendFailed("x\0", "landline\0 \ud800", retryable=False))
        local.script.reply = lambda text, turn: Answer(answer(text).response, f"s\0{turn.id}")
        local.converse("one", "refuse", "fail", "two")
        assert local.provider.texts[-1] == "two"
        assert "not now\ufffd" in local.provider.texts
        assert local.due() == []

    def test_files_that_are_given_up_again_are_noted_for_a_purge(
        self, make_local: MakeLocal, install: Install
    ) -> None:
        source = """
            @hookimpl
            def premessage(turn, request):
                first = turn.attachments.add(b"first", "text/plain")
                second = turn.attachments.replace(first, b"second", "text/plain")
                turn.attachments.drop(second)
                if request["input"]["text"] == "raise":
                    raise RuntimeError("after adding")
        """
        local = make_local([install("adding", source)])
        local.converse("keep", "raise")
        rows = local.rows(models.Attachment)
        assert {row.state for row in rows} == {"dropped"}
        assert len({row.key for row in rows}) == len(rows) == 4

    def test_values_a_hook_has_taken_away_stay_away_after_a_restart(
        self, make_local: MakeLocal, install: Install
    ) -> None:
        source = """
            @hookimpl
            def premessage(turn, request):
                if request["input"]["text"] == "clear":
                    turn.session.store.clear()
                else:
                    turn.session.store["seen"] = True

            @hookimpl
            def postmessage(turn, response):
                said = {"response_type": "text", "text": str(turn.session.store.get("seen"))}
                return {**response, "output": {"generic": [said]}}
        """
        local = make_local([install("clearing", source)])
        local.converse("one")
        local.text("clear")
        post = local.hub.drain._turns._hooks.postmessage
        calls: list[int] = []

        def die(stage: Any, response: Any) -> Any:
            calls.append(1)
            if len(calls) == 1:
                raise RuntimeError("killed")
            return post(stage, response)

        local.hub.drain._turns._hooks.postmessage = die  # type: ignore[method-assign]
        local.drain()
        with local.hub.store.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE lane SET due_at = '2000-01-01 00:00:00.000000'")
        local.drain()
        assert local.provider.texts == ["True", "None"]

    def test_texts_wait_for_a_channel_that_is_not_loaded(
        self, local: LocalHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        local.text("hello")
        kept = local.hub.registry.channels.pop("sms_double")
        local.hub.directory._stamp = None
        local.hub.directory.refresh()
        for _ in range(8):
            local.drain()
            with local.hub.store.engine.begin() as connection:
                connection.exec_driver_sql("UPDATE lane SET due_at = '2000-01-01 00:00:00.000000'")
        local.hub.registry.channels["sms_double"] = kept
        local.hub.directory._stamp = None
        local.hub.directory.refresh()
        local.drain()
        assert local.provider.texts == ["echo hello"]


class TestAssistantsOwnValues:
    def test_an_assistant_keeps_values_with_the_session(self, local: LocalHub) -> None:
        def reply(text: str, turn: Turn) -> str:
            turn.session.store["said"] = [*turn.session.store.get("said", []), text]
            return " ".join(turn.session.store["said"])

        local.script.reply = reply
        local.converse("a", "b", "c")
        assert local.provider.texts == ["a", "a b", "a b c"]

    def test_a_failed_attempt_keeps_none(self, local: LocalHub) -> None:
        attempts = threading.Semaphore(1)

        def reply(_text: str, turn: Turn) -> Any:
            turn.session.store["n"] = turn.session.store.get("n", 0) + 1
            if attempts.acquire(blocking=False):
                return AssistantFailed("503", "later", retryable=True)
            return f"n {turn.session.store['n']}"

        local.script.reply = reply
        local.converse("a")
        assert local.provider.texts == ["n 1"]


def test_the_same_person_on_two_lists_is_never_mixed_up(local: LocalHub) -> None:
    script(local, list=said(OPTIONS))
    local.converse("list")
    local.converse("2", person="+15550000077")
    local.converse("2", person=PERSON)
    assert local.script.inputs == ["list", "2", "car cover"]


class Refusing:
    """A channel's rule: no audio."""

    def __call__(self, media_type: str, _size: int | None, _sender: str, _recipient: str) -> str | None:
        return f"nobody takes {media_type}" if media_type.startswith("audio/") else None


def test_a_file_the_assistant_adds_is_judged_by_what_it_is(local: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inprocess.DoubleChannel.media_refused", staticmethod(Refusing()))
    monkeypatch.setattr("inprocess.DoubleChannel.max_length", 1600)
    sound = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(64)

    def reply(_text: str, turn: Turn) -> Answer:
        file = turn.attachments.add(sound, "audio/wav", "notes.wav")
        return said({"response_type": "audio", "source": file.url, "title": "Notes"})

    local.script.reply = reply
    with capture_logs() as logs:
        local.converse("play")
    (message,) = local.provider.accepted
    assert message.media == ()
    title, address = message.text.split("\n")
    assert title == "Notes"
    assert "/media/" in address
    assert [line["event"] for line in logs if line["event"].startswith("media")] == ["media_sent_as_link"]
    assert [row.state for row in local.rows(models.Attachment)] == ["stored"]
