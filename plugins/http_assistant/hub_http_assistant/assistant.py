"""One assistant behind a URL that takes a message request and answers with a message response."""

from __future__ import annotations

from typing import Any

from hub import Answer, Assistant, Services, Turn
from hub_http_assistant.calls import Calls
from hub_http_assistant.messages import session_of, with_session
from hub_http_assistant.settings import HttpAssistantSettings


class HttpAssistant(Assistant):
    """Posts every turn to one URL (IBM watsonx Assistant v2 message contract, stateless message).

    :param settings: an instance of ``HttpAssistantSettings``.
    """

    settings: HttpAssistantSettings

    def __init__(self, settings: HttpAssistantSettings, services: Services) -> None:
        super().__init__(settings, services)
        self.stateless = settings.stateless
        self._calls = Calls(settings, services)

    def answer(self, request: dict[str, Any], turn: Turn) -> Answer:
        """Answer one turn. The id the assistant gave the session goes back to it in ``context.global.session_id``; an
        answer without an id does not take it back.

        :returns: what the assistant sent, as it sent it.
        :raises AssistantFailed: no usable answer within ``settings.timeout``, or within the time the assistant has
            asked for itself.
        """
        known = turn.session.assistant_session_id
        seconds = self.settings.timeout if turn.timeout is None else turn.timeout
        response = self._calls.ask(with_session(request, known), turn.assistant, seconds)
        return Answer(response, session_of(response) or known)

    def check(self) -> str:
        """Ask with OPTIONS: any answer shows that somebody is there, unless the credentials are refused (401, 403) or
        a proxy answers in the assistant's place (502, 503, 504). A message would run a conversation. A grant that was
        given in a browser is not tried.

        :raises AssistantFailed: it cannot be reached, or refuses the credentials.
        """
        status = self._calls.reach(self.settings.timeout)
        untried = " without its grant" if self._calls.granted_in_browser else ""
        return (
            f"{self._calls.who} can be reached ({status} to OPTIONS{untried}); only a text shows whether it converses"
        )
