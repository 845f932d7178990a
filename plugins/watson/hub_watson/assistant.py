"""One assistant of IBM watsonx Assistant, behind the v2 message API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hub import Answer, Assistant, AssistantFailed, Services, Turn
from hub_watson import messages
from hub_watson.deadline import Deadline
from hub_watson.settings import WatsonSettings

if TYPE_CHECKING:
    from hub_watson.client import Client


class WatsonAssistant(Assistant):
    """Asks the service, statefully (the service keeps a session) or statelessly (the hub keeps the context).

    :param settings: an instance of ``WatsonSettings``.
    """

    settings: WatsonSettings

    def __init__(self, settings: WatsonSettings, services: Services) -> None:
        from hub_watson.client import Client  # not at the top: a hub without such an assistant does not pay for the SDK

        super().__init__(settings, services)
        self.stateless = settings.stateless
        self._client: Client = Client(settings, services.http)
        self._path = _path(settings)

    def answer(self, request: dict[str, Any], turn: Turn) -> Answer:
        """Answer one turn. A first stateful turn creates a session; one that the service no longer knows (404) is
        replaced once, and the same input is asked again with the context the hub has kept.

        :returns: ``output``, ``context`` and what else the service sent, as it sent it.
        :raises AssistantFailed: no usable answer within ``settings.timeout``, or within the time the dialog has asked
            for itself.
        """
        deadline = Deadline.after(self.settings.timeout if turn.timeout is None else turn.timeout)
        if self.stateless:
            body = messages.stateless(request, turn.session.context)
            response = messages.whole_context(self._message(f"{self._path}/message", body, deadline), body)
            return Answer(response, messages.session_of(response["context"]))
        body = messages.stateful(request)
        session_id = turn.session.assistant_session_id
        if session_id:
            try:
                return self._in_session(session_id, body, deadline)
            except AssistantFailed as failure:
                if failure.code != "404":
                    raise
            self.services.log.info("session_renewed", turn=str(turn.id), correlation=turn.correlation)
            body = messages.replayed(body, turn.session.context)
        return self._in_session(self._create_session(deadline), body, deadline)

    def end_session(self, session_id: str) -> None:
        """Delete the service's session; one that it does not know any more is deleted already.

        :raises AssistantFailed: the service cannot be reached, or refuses.
        """
        if self.stateless:  # the id only stands in the context; the service keeps nothing
            return
        try:
            self._client.call("DELETE", self._session_path(session_id), None, Deadline.after(self.settings.timeout))
        except AssistantFailed as failure:
            if failure.code != "404":
                raise

    def check(self) -> str:
        """Create a session and delete it again, for a stateless assistant too: it proves the URL, the sign-in and the
        ids, while an empty message would run the assistant with its webhooks and be counted as a user.

        :raises AssistantFailed: the service cannot be reached, or does not know the assistant.
        """
        deadline = Deadline.after(self.settings.timeout)
        session_id = self._create_session(deadline)
        self._client.call("DELETE", self._session_path(session_id), None, deadline)
        return f"{self._client.who} knows the assistant; a session could be opened and closed"

    def _create_session(self, deadline: Deadline) -> str:
        answer = self._client.call("POST", f"{self._path}/sessions", {}, deadline, _lacks_id)
        return str(answer["session_id"])

    def _in_session(self, session_id: str, body: dict[str, Any], deadline: Deadline) -> Answer:
        return Answer(self._message(f"{self._session_path(session_id)}/message", body, deadline), session_id)

    def _session_path(self, session_id: str) -> str:
        return f"{self._path}/sessions/{quote(session_id, safe='')}"

    def _message(self, path: str, body: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
        return self._client.call("POST", path, body, deadline, _lacks_output)


def _lacks_id(answer: Mapping[str, Any]) -> str | None:
    session_id = answer.get("session_id")
    return None if isinstance(session_id, str) and session_id else "but created a session without an id"


def _lacks_output(answer: Mapping[str, Any]) -> str | None:
    return None if isinstance(answer.get("output"), dict) else "without an output object"


def _path(settings: WatsonSettings) -> str:
    """Below the service URL: with an environment the URLs of today (SDK 11, ``AssistantV2``), without one the older
    ones of the documentation (watson-assistant, ``api-migration``)."""
    path = f"/v2/assistants/{quote(settings.assistant_id, safe='')}"
    if settings.environment_id:
        path += f"/environments/{quote(settings.environment_id, safe='')}"
    return path
