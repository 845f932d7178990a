"""One turn: attachments ▶ premessage hooks ▶ assistant ▶ postmessage hooks ▶ render ▶ outbox.

Each stage that produced something is committed before the next begins, so a restart goes on after the last one that
finished; a stage without effect (no hook is installed, no file came) costs no commit.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from uuid import UUID

from hub import clock
from hub.assistants import Answer
from hub.attachments import Attachment, Attachments
from hub.channels import TextChannel
from hub.directory import BoundIntegration
from hub.errors import AssistantFailed, MediaFailed
from hub.http import HttpClient
from hub.ids import uuid7
from hub.log import get_logger
from hub.media import MediaStore, fetch, sniff
from hub.metrics import HOOK_FAILURES, MEDIA, STAGE_SECONDS, TURNS
from hub.numbers import mask
from hub.plugins import Registry
from hub.progress import Progress, Result, Work
from hub.rendering.text import Part, checked, render, storable
from hub.request import text_request, with_attachments
from hub.turns import Turn

RESUMES = 5
"""A turn that took its worker down this many times is answered with the failure message instead."""
ASK_AGAIN_SECONDS = 0.5


class Turns:
    """Runs the stages of turns."""

    def __init__(self, registry: Registry, http: HttpClient, media: MediaStore, progress: Progress) -> None:
        self._registry = registry
        self._http = http
        self._media = media
        self._progress = progress

    def run(self, bound: BoundIntegration, work: Work) -> Result:
        """Run the stages that are still to do; nothing of a provider is called here but its media.

        :raises LeaseLost: another worker has the lane.
        """
        timings: dict[str, float] = {}
        began = time.perf_counter()

        def lap(stage: str) -> None:
            nonlocal began
            now = time.perf_counter()
            timings[stage] = round((now - began) * 1000, 3)
            STAGE_SECONDS.labels(stage).observe(now - began)
            began = now

        waited = max(0.0, (clock.now() - work.since).total_seconds())
        timings["wait"] = round(waited * 1000, 3)
        STAGE_SECONDS.labels("wait").observe(waited)
        turn = self._turn(bound, work)
        result = Result(work.response, turn.session.assistant_session_id, [], None, turn.attachments, timings)
        try:
            if work.resumed > RESUMES:
                raise AssistantFailed("gave_up", f"the turn was interrupted {work.resumed} times", retryable=False)
            if result.response is None:
                request = self._prepare(bound, work, turn)
                lap("premessage")
                answer = self._ask(bound, request, turn)
                lap("assistant")
                result.response, result.session_id = answer.response, answer.session_id
                if self._registry.listens("postmessage"):
                    self._progress.commit(
                        work, "answered", turn.attachments, response=answer.response, session_id=answer.session_id
                    )
            response = result.response
            if self._registry.listens("postmessage"):
                response = self._registry.broadcast("postmessage", turn, response, _count_hook, checked)
                result.response = response
                lap("postmessage")
            channel = bound.channel
            assert isinstance(channel, TextChannel)
            result.parts = render(response, channel.max_length, channel.prepare)
            lap("render")
        except AssistantFailed as error:
            result.error = error
            # A farewell nobody asked for is not worth an apology.
            result.parts = [Part(bound.options.failure_message)] if work.kind != "timeout" else []
            lap("assistant")
        return result

    def count(self, bound: BoundIntegration, work: Work, result: Result) -> None:
        """Log and count a turn once it is committed."""
        TURNS.labels(bound.assistant.name, "failed" if result.error else "answered").inc()
        log = get_logger().bind(
            turn=str(work.id),
            integration=bound.name,
            assistant=bound.assistant.name,
            person=mask(work.lane.person),
            correlation=work.correlation,
        )
        if result.error is None:
            log.info("turn_answered", messages=len(result.parts), ms=result.timings)
        else:
            log.error(
                "turn_failed",
                plugin=bound.assistant.plugin,
                code=result.error.code,
                reason=str(result.error)[:500],
                ms=result.timings,
            )

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
            person=work.lane.person,
            line=work.lane.line,
            number=work.number,
            correlation=work.correlation,
            session=work.session,
            attachments=Attachments(items, self._media, sniff, uuid7),
        )

    def _prepare(self, bound: BoundIntegration, work: Work, turn: Turn) -> dict[str, Any]:
        """The request the assistant gets, after attachments and premessage hooks; committed if hooks ran."""
        if work.state != "begun" and work.request is not None:
            return work.request
        self._fetch(bound, work, turn.attachments)
        assistant = bound.assistant.instance
        stateless = bool(assistant and assistant.stateless)
        request = text_request(turn, work.text, with_context=stateless)
        if not self._registry.listens("premessage"):
            return request
        seen = turn.attachments.changes

        def settled(value: dict[str, Any]) -> dict[str, Any]:
            nonlocal seen
            if not isinstance(value.get("input"), dict) or not isinstance(value.get("context", {}), dict):
                raise TypeError("a request needs an input object, and context, if any, is an object")
            if not storable(value):
                raise TypeError("a request is plain JSON, not nested too deep")
            if turn.attachments.changes != seen:
                seen = turn.attachments.changes
                return with_attachments(value, turn.attachments)
            return value

        request = self._registry.broadcast("premessage", turn, request, _count_hook, settled)
        self._progress.commit(work, "prepared", turn.attachments, request=request)
        return request

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

    def _ask(self, bound: BoundIntegration, request: dict[str, Any], turn: Turn) -> Answer:
        """The assistant's answer; asked once more after a failure that may pass.

        :raises AssistantFailed: no usable answer.
        """
        instance = bound.assistant.instance
        if instance is None:
            raise AssistantFailed("not_loaded", bound.assistant.error or "the assistant is not loaded", retryable=False)
        for again in (True, False):
            try:
                answer = instance.answer(request, turn)
                if not isinstance(answer, Answer) or not isinstance(answer.session_id, str | None):
                    raise AssistantFailed("invalid_answer", "the plugin did not return an Answer", retryable=False)
                session_id = answer.session_id and answer.session_id.encode("utf-8", "replace").decode()
                return replace(answer, response=checked(answer.response), session_id=session_id)
            except AssistantFailed as error:
                failure = error
            except (Exception, SystemExit) as error:
                get_logger().error(
                    "assistant_raised", plugin=bound.assistant.plugin, correlation=turn.correlation, exc_info=True
                )
                failure = AssistantFailed("raised", f"the plugin raised {type(error).__name__}", retryable=True)
            if not again or not failure.retryable:
                raise failure
            get_logger().warning(
                "assistant_asked_again", assistant=bound.assistant.name, code=failure.code, correlation=turn.correlation
            )
            time.sleep(ASK_AGAIN_SECONDS)
        raise AssertionError("unreachable")


def _count_hook(plugin: str, hook: str, _error: str) -> None:
    HOOK_FAILURES.labels(plugin, hook).inc()
