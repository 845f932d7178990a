"""One turn: attachments ▶ premessage hooks ▶ assistant ▶ postmessage hooks ▶ render ▶ outbox.

Each stage that produced something is committed before the next begins, so a restart goes on after the last one that
finished; a stage without effect (no hook is installed, no file came) costs no commit.
"""

from __future__ import annotations

import copy
import threading
import time
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from hub import clock, commands
from hub.assistants import Answer, Refusal
from hub.attachments import Attachment, Attachments
from hub.channels import TextChannel
from hub.characters import encodable
from hub.contract import check_response, checked
from hub.directory import BoundIntegration
from hub.errors import AssistantFailed, HubError, MediaFailed, TurnFailed
from hub.hooks import Hooks, Stage, Stores
from hub.http import HttpClient
from hub.ids import uuid7
from hub.links import Facts, Lookup, deliverable
from hub.log import get_logger
from hub.logs import Logged, Logs
from hub.media import MediaStore, fetch, sniff
from hub.memory import Memory
from hub.metrics import MEDIA, STAGE_SECONDS, TURNS
from hub.numbers import mask
from hub.progress import FORCED, Progress, Result, Work
from hub.rendering.choices import choose
from hub.rendering.segments import split
from hub.rendering.text import Part, Style, messages
from hub.request import Asked, bounded, difference, merged, text_request
from hub.turns import Turn

RESUMES = 5
"""A turn that took its worker down this many times is answered with the failure message instead."""
ASK_AGAIN_SECONDS = 0.5
MOST_FAREWELLS = 16
MOST_CHOICES = 1000
"""Entries of lists that are remembered."""


@dataclass(slots=True)
class _Run:
    """One turn while its stages run."""

    bound: BoundIntegration
    work: Work
    stage: Stage
    result: Result
    began: float

    @property
    def turn(self) -> Turn:
        return self.stage.turn

    def lap(self, name: str) -> None:
        """Note how long the stage `name` took, which ends here."""
        now = time.perf_counter()
        self.result.timings[name] = round((now - self.began) * 1000, 3)
        STAGE_SECONDS.labels(name).observe(now - self.began)
        self.began = now

    def notes(self) -> dict[str, Any]:
        """What a restart in the middle of the turn must not forget."""
        notes: dict[str, Any] = {
            "turn_stores": _filled(self.stage.turn_stores), "session_stores": self.stage.session_stores,
            "answered_by": self.result.answered_by,
        }  # fmt: skip
        return {name: value for name, value in notes.items() if value}


class Turns:
    """Runs the stages of turns."""

    def __init__(
        self, hooks: Hooks, http: HttpClient, media: MediaStore, progress: Progress, logs: Logs, lookup: Lookup
    ) -> None:
        self._hooks = hooks
        self._http = http
        self._media = media
        self._progress = progress
        self._logs = logs
        self._lookup = lookup
        self._farewells = threading.Semaphore(MOST_FAREWELLS)

    def run(self, bound: BoundIntegration, work: Work) -> Result:
        """Run the stages that are still to do; nothing of a provider is called here but its media.

        :raises LeaseLost: another worker has the lane.
        """
        run = self._begin(bound, work)
        result = run.result
        try:
            if work.resumed > RESUMES:
                raise AssistantFailed("gave_up", f"the turn was interrupted {work.resumed} times", retryable=False)
            request = self._request(run)
            if result.response is None and result.refused_by is None:
                self._answer(run, request)
            if result.response is not None:
                given = result.response
                result.response = self._postmessage(run, given)
                self._render(run, result.response)
                self._note_changes(run, given)
                if self._logs.wanted(bound.assistant):
                    result.logged = Logged(
                        work.id, work.session.id, result.session_id, request, result.response, work.since, clock.now()
                    )
        except (AssistantFailed, TurnFailed) as error:
            result.error = error
            # A farewell nobody asked for is not worth an apology.
            result.parts = [] if work.kind == "timeout" else _pieces(bound, bound.options.failure_message)
            run.lap("assistant")
        stores = _filled(run.stage.session_stores)
        result.memory = replace(result.memory, stores=stores)
        return result

    def count(self, bound: BoundIntegration, work: Work, result: Result) -> None:
        """Log and count a turn once it is committed."""
        outcome = "failed" if result.error else "refused" if result.refused_by else "answered"
        TURNS.labels(bound.assistant.name, outcome).inc()
        if result.logged is not None:
            self._logs.wake()
        log = get_logger().bind(
            turn=str(work.id),
            integration=bound.name,
            assistant=bound.assistant.name,
            person=mask(work.lane.person),
            correlation=work.correlation,
        )
        if result.refused_by is not None:
            log.info("turn_refused", plugin=result.refused_by, ms=result.timings)
        elif result.error is None:
            log.info("turn_answered", messages=len(result.parts), ms=result.timings)
        else:
            log.error(
                "turn_failed",
                plugin=bound.assistant.plugin,
                code=result.error.code,
                reason=str(result.error)[:500],
                ms=result.timings,
            )

    def farewell(self, bound: BoundIntegration, session_id: str) -> None:
        """Tell the assistant that a session of its own is over, beside the conversation; returns at once.

        The session ends by itself if that does not work.
        """
        if not self._farewells.acquire(blocking=False):
            get_logger().warning("session_not_ended", assistant=bound.assistant.name, reason="too many at once")
            return
        threading.Thread(target=self._end_session, args=(bound, session_id), name="farewell", daemon=True).start()

    def _end_session(self, bound: BoundIntegration, session_id: str) -> None:
        instance = bound.assistant.instance
        try:
            if instance is not None:
                instance.end_session(session_id)
        except HubError as error:
            get_logger().warning("session_not_ended", assistant=bound.assistant.name, reason=str(error)[:300])
        except BaseException:
            get_logger().error("assistant_raised", plugin=bound.assistant.plugin, exc_info=True)
        finally:
            self._farewells.release()

    def _begin(self, bound: BoundIntegration, work: Work) -> _Run:
        waited = max(0.0, (clock.now() - work.since).total_seconds())
        STAGE_SECONDS.labels("wait").observe(waited)
        timings = {"wait": round(waited * 1000, 3)}
        turn = self._turn(bound, work)
        session_stores: Stores = {**work.memory.stores, **work.notes.get("session_stores", {})}
        stage = Stage(turn, bound.assistant, dict(work.notes.get("turn_stores", {})), session_stores, timings)
        memory = replace(work.memory, forced=0) if work.kind == "text" else work.memory
        result = Result(
            work.response, turn.session.assistant_session_id, [], None, turn.attachments, memory, timings,
            answered_by=turn.answered_by,
        )  # fmt: skip
        return _Run(bound, work, stage, result, time.perf_counter())

    def _turn(self, bound: BoundIntegration, work: Work) -> Turn:
        def attachment(row: dict[str, Any]) -> Attachment:
            return Attachment(
                row["id"],
                row["media_type"],
                row["size"],
                row["name"],
                self._media.url(row["id"]),
                row["key"],
                self._media.open,
            )

        items = [attachment(row) for row in work.files if row["state"] == "stored"]
        return Turn(
            id=work.id,
            assistant=bound.assistant.name,
            integration=bound.name,
            channel=bound.channel_name,
            kind=work.kind,
            person=work.lane.person,
            line=work.lane.line,
            number=work.number,
            correlation=work.correlation,
            session=work.session,
            attachments=Attachments(items, self._media, sniff, uuid7),
            services=self._hooks.services(bound.assistant),
            timeout=commands.response_timeout(work.session.context),
            answered_by=work.notes.get("answered_by"),
        )

    def _request(self, run: _Run) -> dict[str, Any]:
        """The request the assistant gets, after attachments and premessage hooks; committed if hooks ran.

        A hook that answers in the assistant's place, or refuses the turn, leaves that in the result.
        """
        bound, work, turn, result = run.bound, run.work, run.turn, run.result
        if work.state != "begun" and work.request is not None:
            return work.request
        self._fetch(bound, work, turn.attachments)
        instance = bound.assistant.instance
        asked = Asked(
            work.text,
            chosen=choose(work.memory.choices, work.text) if work.kind == "text" else None,
            changes=merged(work.memory.context, commands.cleared(work.memory.ran)),
            error=work.send_error,
            with_context=bool(instance and instance.stateless),
        )
        request = text_request(turn, asked)
        if result.response is not None or not self._hooks.of("premessage", bound.assistant):
            return request
        outcome, plugin = self._hooks.premessage(run.stage, request)
        if isinstance(outcome, Refusal):
            result.refused_by = plugin
            # A refusal of a farewell nobody asked for is not sent.
            result.parts = [] if work.kind == "timeout" else _pieces(bound, outcome.message)
            run.lap("premessage")
            return request
        if isinstance(outcome, Answer):
            result.response, result.answered_by = outcome.response, plugin
            run.stage = replace(run.stage, turn=replace(turn, answered_by=plugin))
            self._progress.commit(
                work, "answered", turn.attachments, run.notes(), request=request, response=outcome.response,
                session_id=result.session_id,
            )  # fmt: skip
            run.lap("premessage")
            return request
        outcome = bounded(outcome, work.correlation)
        self._progress.commit(work, "prepared", turn.attachments, run.notes(), request=outcome)
        run.lap("premessage")
        return outcome

    def _fetch(self, bound: BoundIntegration, work: Work, attachments: Attachments) -> None:
        """Fetch the files that are still at the provider; one that cannot be had is left out, with a log line."""
        expected = [file for file in work.files if file["state"] == "expected"]
        if not expected:
            return
        channel = bound.channel
        assert isinstance(channel, TextChannel)
        states: dict[UUID, dict[str, Any]] = {}
        for file in expected:
            try:
                data = fetch(self._http, file["source_url"], channel.media_credentials(file["source_url"]))
                kind, key = sniff(data, file["media_type"]), self._media.keep(data)
                states[file["id"]] = {"state": "stored", "media_type": kind, "size": len(data), "key": key}
                url = self._media.url(file["id"])
                attachments.take(Attachment(file["id"], kind, len(data), "", url, key, self._media.open))
                MEDIA.labels("stored").inc()
            except MediaFailed as error:
                states[file["id"]] = {"state": "failed"}
                MEDIA.labels("failed").inc()
                get_logger().error(
                    "attachment_not_fetched", integration=bound.name, correlation=work.correlation, reason=str(error)
                )

        self._progress.commit_files(work, states)

    def _answer(self, run: _Run, request: dict[str, Any]) -> None:
        """Ask the assistant; what it answered is committed if something can still go wrong before it is rendered."""
        answer = self._ask(run, request)
        run.lap("assistant")
        result = run.result
        for problem in check_response(answer.response):
            get_logger().warning(
                "response_problem", path=problem.path, reason=problem.reason, correlation=run.work.correlation
            )
        result.response, result.session_id = answer.response, answer.session_id
        if self._hooks.of("postmessage", run.bound.assistant):
            self._progress.commit(
                run.work, "answered", run.turn.attachments, run.notes(), request=request, response=answer.response,
                session_id=answer.session_id,
            )  # fmt: skip

    def _ask(self, run: _Run, request: dict[str, Any]) -> Answer:
        """The assistant's answer; asked once more after a failure that may pass.

        :raises AssistantFailed: no usable answer.
        """
        assistant, correlation = run.bound.assistant, run.work.correlation
        instance = assistant.instance
        if instance is None:
            raise AssistantFailed("not_loaded", assistant.error or "the assistant is not loaded", retryable=False)
        for again in (True, False):
            try:
                with self._hooks.lent(run.stage) as turn:
                    answer = instance.answer(copy.deepcopy(request), turn)
                    if not isinstance(answer, Answer) or not isinstance(answer.session_id, str | None):
                        raise AssistantFailed("invalid_answer", "the plugin did not return an Answer", retryable=False)
                    session_id = answer.session_id and encodable(answer.session_id)
                    return replace(answer, response=checked(answer.response), session_id=session_id)
            except AssistantFailed as error:
                failure = error
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # also asyncio.CancelledError and the like
                get_logger().error("assistant_raised", plugin=assistant.plugin, correlation=correlation, exc_info=True)
                failure = AssistantFailed("raised", f"the plugin raised {type(error).__name__}", retryable=True)
            if not again or not failure.retryable:
                raise failure
            get_logger().warning(
                "assistant_asked_again", assistant=assistant.name, code=failure.code, correlation=correlation
            )
            time.sleep(ASK_AGAIN_SECONDS)
        raise AssertionError("unreachable")

    def _postmessage(self, run: _Run, response: dict[str, Any]) -> dict[str, Any]:
        if not self._hooks.of("postmessage", run.bound.assistant):
            return response
        changed = self._hooks.postmessage(run.stage, response)
        run.lap("postmessage")
        return changed

    def _note_changes(self, run: _Run, given: dict[str, Any]) -> None:
        """Remember what hooks have changed in the context, for an assistant that does not get it from the hub.

        :param given: the answer before the ``postmessage`` hooks: the assistant's, or that of a hook in its place,
            whose context the assistant has never seen.
        """
        instance, result = run.bound.assistant.instance, run.result
        if instance is None or instance.stateless or result.response is None:
            return
        final = result.response.get("context")
        own = given.get("context") if result.answered_by is None else None
        if not isinstance(own, dict):
            own = run.work.session.context
        changes = difference(own, final) if isinstance(final, dict) else {}
        if result.answered_by is not None:  # the assistant was not asked: it still has to be told what was noted before
            changes = merged(run.work.memory.context, changes)
        result.memory = replace(result.memory, context=changes)

    def _render(self, run: _Run, response: dict[str, Any]) -> None:
        """The messages of the answer, what its commands come to, and what the session remembers of both."""
        bound, work, result = run.bound, run.work, run.result
        instance = bound.assistant.instance
        effects = commands.effects(response, work.memory, keeps_context=instance is not None and not instance.stateless)
        # An answer of a hook says nothing about what still stands in the assistant's context.
        speaks = isinstance(response.get("context"), dict) and result.answered_by is None
        memory = remembered(result.memory, effects, has_context=speaks)
        channel = bound.channel
        assert isinstance(channel, TextChannel)
        rendered = messages(response, _style(bound, channel, memory), effects.media)
        log = get_logger().bind(integration=bound.name, correlation=work.correlation)
        here = {each.url: Facts(each.media_type, each.size) for each in run.turn.attachments}
        result.parts = deliverable(rendered.parts, channel, work.number, work.lane.person, self._lookup, log, here)
        result.ends = effects.end
        asks = "no_input" if effects.force_turn else "skip" if commands.asks_for_turn(response) else None
        if asks and not effects.end and work.kind != "timeout":
            if memory.forced < commands.MOST_FORCED:
                result.asks = asks
                memory = replace(memory, forced=memory.forced + 1)
            else:
                get_logger().warning("turn_not_forced", most=commands.MOST_FORCED, correlation=work.correlation)
        # A turn the assistant asked for itself does not take the list away that the person still looks at.
        kept = work.memory.choices if work.kind in FORCED else []
        result.memory = replace(memory, choices=rendered.choices[:MOST_CHOICES] or kept)
        run.lap("render")


def remembered(memory: Memory, effects: commands.Effects, *, has_context: bool) -> Memory:
    """`memory` after the commands of an answer."""
    return replace(
        memory,
        option_prefix=memory.option_prefix if effects.option_prefix is None else effects.option_prefix,
        suggestion_prefix=memory.suggestion_prefix if effects.suggestion_prefix is None else effects.suggestion_prefix,
        session_timeout=effects.session_timeout or memory.session_timeout,
        ran=effects.ran if has_context else memory.ran,
        heeds=effects.heeds if has_context else memory.heeds,
    )


def _style(bound: BoundIntegration, channel: TextChannel, memory: Memory) -> Style:
    style = Style(channel.max_length, channel.prepare, combine=bound.options.combine_messages)
    if memory.option_prefix is not None:
        style = replace(style, option_prefix=memory.option_prefix)
    if memory.suggestion_prefix is not None:
        style = replace(style, suggestion_prefix=memory.suggestion_prefix)
    return style


def _pieces(bound: BoundIntegration, text: str) -> list[Part]:
    """A text that is no answer, in messages; none when it is blank."""
    channel = bound.channel
    assert isinstance(channel, TextChannel)
    text = encodable(text)
    return [Part(piece) for piece in split(text, channel.max_length)] if text.strip() else []


def _filled(stores: Stores) -> Stores:
    return {plugin: values for plugin, values in stores.items() if values}
