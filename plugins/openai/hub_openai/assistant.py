"""One assistant behind a chat-completions endpoint."""

from __future__ import annotations

from typing import Any

from hub import Answer, Assistant, AssistantFailed, Services, Turn
from hub_openai.client import Client
from hub_openai.deadline import Deadline
from hub_openai.errors import CONTEXT_TOO_LONG, unusable
from hub_openai.history import Exchange, keep, newer_half, newest, recall, tokens
from hub_openai.messages import EMPTY, Said, clean, said
from hub_openai.settings import ChatSettings


class ChatAssistant(Assistant):
    """Asks a model, with the conversation so far, which the session keeps.

    :param settings: an instance of ``ChatSettings``.
    """

    settings: ChatSettings

    def __init__(self, settings: ChatSettings, services: Services) -> None:
        super().__init__(settings, services)
        self._client = Client(settings, services.http)

    def answer(self, request: dict[str, Any], turn: Turn) -> Answer:
        """Answer one turn. The endpoint keeps nothing: the history goes along with every request.

        A turn the dialog has asked for itself (``no_input``, ``skip``) sends a note in the place of the person's
        message; a session that has timed out gets the farewell without a call.

        :returns: ``output`` only, so that the stored context stays.
        :raises AssistantFailed: no usable answer within ``settings.timeout``, or within the time the dialog has asked
            for itself.
        """
        if turn.kind == "timeout":
            return _answer(self.settings.farewell)
        deadline = Deadline.after(self.settings.timeout if turn.timeout is None else turn.timeout)
        asked = said(request, turn, self.settings)
        before = recall(turn.session.store, turn.id)
        if asked.empty:
            asked = Said(EMPTY)
            if turn.session.turn_count == 0 and self.settings.greeting.strip():
                return self._kept(turn, before, asked, self.settings.greeting)
        history = newest(before, self.settings.history_tokens - tokens(asked.text))
        try:
            text = self._ask(history, asked, deadline)
        except AssistantFailed as failure:
            if failure.code != CONTEXT_TOO_LONG or not history:
                raise
            history = newer_half(history)
            self.services.log.info("history_halved", exchanges=len(history), correlation=turn.correlation)
            text = self._ask(history, asked, deadline)
        return self._kept(turn, history, asked, text)

    def check(self) -> str:
        """Ask the endpoint for its models: it proves the URL and the key and costs nothing.

        :raises AssistantFailed: the endpoint cannot be reached, or refuses the key.
        """
        models = self._client.models(Deadline.after(self.settings.timeout))
        if models is None:
            return f"{self._client.who} can be reached; it does not list its models"
        if self.settings.model not in models:
            return f"{self._client.who} can be reached; it does not list the model {self.settings.model}"
        return f"{self._client.who} knows the model {self.settings.model}"

    def _ask(self, history: list[Exchange], asked: Said, deadline: Deadline) -> str:
        """The model's answer, after `history`.

        :raises AssistantFailed: none came, or one without a character that can be shown.
        """
        prompt = clean(self.settings.system_prompt).strip()
        messages: list[dict[str, Any]] = [{"role": "system", "content": prompt}] if prompt else []
        for exchange in history:
            messages += exchange.messages
        text = clean(self._client.complete([*messages, asked.message], deadline))
        if not text:
            raise unusable(self._client.who, "without a text")
        return text

    def _kept(self, turn: Turn, history: list[Exchange], asked: Said, text: str) -> Answer:
        """The answer `text`, once the session remembers it."""
        exchanges = [*history, Exchange(asked.kept, text)]
        keep(turn.session.store, turn.id, exchanges, self.settings.history_tokens)
        return _answer(text)


def _answer(text: str) -> Answer:
    generic = [{"response_type": "text", "text": text}] if text.strip() else []
    return Answer({"output": {"generic": generic}})
