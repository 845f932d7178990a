"""Calling the hooks of a turn: each plugin on its own copies, watched, timed, and contained.

A hook works on copies of the message, the attachments and its values; they become the turn's when it returns something
usable, so one that raises, hangs or returns nonsense leaves no trace but a log line and a count.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from hub.assistants import Answer, Refusal
from hub.attachments import Attachments
from hub.contract import checked, storable
from hub.directory import BoundAssistant, Directory
from hub.errors import LogFailed, TurnFailed
from hub.log import get_logger
from hub.metrics import HOOK_FAILURES, HOOK_SECONDS
from hub.plugins import Implementation, Registry
from hub.request import with_attachments
from hub.services import Services
from hub.turns import LogEvent, Turn
from hub.watched import Overtime, Watched

MOST_STORED_BYTES = 100_000
Stores = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Stage:
    """What the hooks of a stage share: the turn, everybody's values, and where the times are noted.

    :param turn_stores: values by plugin that live as long as the turn. :param session_stores: as the session.
    :param timings: milliseconds by ``<hook>:<plugin>``.
    """

    turn: Turn
    assistant: BoundAssistant
    turn_stores: Stores
    session_stores: Stores
    timings: dict[str, float]


class Hooks:
    """Calls the broadcast hooks.

    :param seconds: how long one call may take (``HUB_HOOK_SECONDS``).
    """

    def __init__(self, registry: Registry, directory: Directory, seconds: float) -> None:
        self.seconds = seconds
        self._registry = registry
        self._directory = directory
        self._watched = Watched(seconds)

    def of(self, hook: str, assistant: BoundAssistant) -> list[Implementation]:
        """The implementations of `hook` that are to be called for `assistant`, in calling order."""
        return [
            each
            for each in self._registry.implementations(hook)
            if not each.sections or not each.sections.isdisjoint(assistant.sections)
        ]

    def premessage(self, stage: Stage, request: dict[str, Any]) -> tuple[dict[str, Any] | Answer | Refusal, str | None]:
        """The request after every ``premessage`` hook; or what a hook returned instead, and that plugin's name.

        :raises TurnFailed: a hook wants the turn to fail.
        """

        def settle(result: Any, attachments: Attachments, changed: bool) -> Any:
            if isinstance(result, Answer):
                return replace(result, response=checked(result.response))
            if isinstance(result, Refusal):
                if not isinstance(result.message, str):
                    raise TypeError("a Refusal's message is a text")
                return result
            if not isinstance(result, dict):
                raise TypeError(f"returned {type(result).__name__} instead of a dict, an Answer, a Refusal or None")
            if not isinstance(result.get("input"), dict) or not isinstance(result.get("context", {}), dict):
                raise TypeError("a request needs an input object, and context, if any, is an object")
            if not storable(result):
                raise TypeError("a request is plain JSON, not nested too deep")
            return with_attachments(result, attachments) if changed else result

        for each in self.of("premessage", stage.assistant):
            result = self._call(each, "premessage", "request", stage, request, settle)
            if isinstance(result, Answer | Refusal):
                return result, each.plugin
            request = result
        return request, None

    def postmessage(self, stage: Stage, response: dict[str, Any]) -> dict[str, Any]:
        """The response after every ``postmessage`` hook.

        :raises TurnFailed: a hook wants the turn to fail.
        """

        def settle(result: Any, _attachments: Attachments, _changed: bool) -> Any:
            if not isinstance(result, dict):
                raise TypeError(f"returned {type(result).__name__} instead of a dict or None")
            return checked(result)

        for each in self.of("postmessage", stage.assistant):
            response = self._call(each, "postmessage", "response", stage, response, settle)
        return response

    def services(self, assistant: BoundAssistant) -> Services:
        """What the plugin of `assistant` gets of the host."""
        return self._directory.services(self._owner(assistant))

    @contextmanager
    def lent(self, stage: Stage) -> Iterator[Turn]:
        """The turn as the assistant's plugin sees it; its files and values are kept when the block ends well.

        :raises TypeError: it put something into a store that cannot be kept.
        """
        plugin = self._owner(stage.assistant)
        turn = self._own_view(plugin, stage)
        yield turn
        stores = _kept(turn.store), _kept(turn.session.store)
        stage.turn.attachments.adopt(turn.attachments)
        stage.turn_stores[plugin], stage.session_stores[plugin] = stores

    def logged(self, implementation: Implementation, event: LogEvent) -> None:
        """Offer `event` to one plugin.

        :raises LogFailed: it could not pass it on, raised something else, or took too long.
        """
        offered = {"event": event}
        call = _bound(implementation, offered)
        began = time.perf_counter()
        try:
            self._watched.call(f"{implementation.plugin}:logged", call)
        except LogFailed:
            raise
        except (Exception, SystemExit) as error:
            self._failed(implementation.plugin, "logged", error)
            raise LogFailed(f"the hook raised {type(error).__name__}", retryable=False) from error
        finally:
            HOOK_SECONDS.labels(implementation.plugin, "logged").observe(time.perf_counter() - began)

    def _call(
        self,
        each: Implementation,
        hook: str,
        argument: str,
        stage: Stage,
        value: dict[str, Any],
        settle: Callable[[Any, Attachments, bool], Any],
    ) -> Any:
        """What one plugin makes of `value`; `value` itself when it fails or returns None."""
        turn = self._own_view(each.plugin, stage)
        before = turn.attachments.changes
        began = time.perf_counter()
        try:
            call = _bound(each, {"turn": turn, argument: copy.deepcopy(value)})
            result = self._watched.call(f"{each.plugin}:{hook}", call)
            settled = settle(value if result is None else result, turn.attachments, turn.attachments.changes != before)
            stores = _kept(turn.store), _kept(turn.session.store)
        except TurnFailed as error:
            get_logger().warning("hook_refused_turn", plugin=each.plugin, hook=hook, code=error.code)
            raise
        except (Exception, SystemExit) as error:
            if isinstance(error, Overtime):
                turn.attachments.close()
            self._failed(each.plugin, hook, error)
            return value
        finally:
            seconds = time.perf_counter() - began
            stage.timings[f"{hook}:{each.plugin}"] = round(seconds * 1000, 3)
            HOOK_SECONDS.labels(each.plugin, hook).observe(seconds)
        stage.turn.attachments.adopt(turn.attachments)
        stage.turn_stores[each.plugin], stage.session_stores[each.plugin] = stores
        return settled

    def _owner(self, assistant: BoundAssistant) -> str:
        return self._registry.owner("assistant", assistant.plugin) or assistant.plugin

    def _own_view(self, plugin: str, stage: Stage) -> Turn:
        turn = stage.turn
        return replace(
            turn,
            attachments=turn.attachments.copy(),
            store=copy.deepcopy(stage.turn_stores.get(plugin, {})),
            session=replace(turn.session, store=copy.deepcopy(stage.session_stores.get(plugin, {}))),
            services=self._directory.services(plugin),
            sections=self._directory.sections_of(plugin, stage.assistant),
        )

    def _failed(self, plugin: str, hook: str, error: BaseException) -> None:
        get_logger().error("hook_failed", plugin=plugin, hook=hook, error=type(error).__name__, exc_info=error)
        HOOK_FAILURES.labels(plugin, hook).inc()


def _bound(implementation: Implementation, offered: dict[str, Any]) -> Callable[[], Any]:
    function, arguments = implementation.function, [offered[name] for name in implementation.arguments]
    return lambda: function(*arguments)


def _kept(values: Any) -> dict[str, Any]:
    """A plugin's values, if the store can keep them.

    :raises TypeError: not a dict of plain JSON, or more than 100,000 bytes of it.
    """
    if not values:
        return {}
    if not isinstance(values, dict) or not storable(values):
        raise TypeError("what a plugin keeps in a store is plain JSON")
    if len(json.dumps(values)) > MOST_STORED_BYTES:
        raise TypeError(f"what a plugin keeps in a store has at most {MOST_STORED_BYTES} bytes")
    return values
