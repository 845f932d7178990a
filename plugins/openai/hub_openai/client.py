"""The calls of one assistant's endpoint."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from hub import AssistantFailed, HttpClient, HttpFailed, HttpResponse
from hub_openai.deadline import Deadline
from hub_openai.errors import CONTENT_FILTER, broken, refused, unusable
from hub_openai.settings import COMPLETIONS_PATH, ChatSettings

_ELLIPSIS = " …"
_THOUGHTS = re.compile(r"\s*<think>.*?(?:</think>|\Z)", re.DOTALL)
_WITHOUT_MODELS = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)


class Client:
    """Makes the calls of one assistant; one object serves all threads.

    :param http: the hub's client, whose pools, limits and address filter hold for every call.
    """

    def __init__(self, settings: ChatSettings, http: HttpClient) -> None:
        parts = urlsplit(settings.base_url)
        self.who = f"the endpoint at {parts.scheme}://{parts.netloc}"
        self._settings = settings
        self._http = http

    def complete(self, messages: list[dict[str, Any]], deadline: Deadline) -> str:
        """The model's answer to `messages`, ready to be shown.

        :raises AssistantFailed: no answer in time, a status that is not 2xx, no text in the answer.
        """
        settings = self._settings
        body: dict[str, Any] = {"model": settings.model, "messages": messages}
        if settings.temperature is not None:
            body["temperature"] = settings.temperature
        if settings.max_tokens is not None:
            body[settings.token_parameter] = settings.max_tokens
        response = self._call("POST", COMPLETIONS_PATH, body, deadline)
        if not _good(response):
            raise refused(self.who, response, settings.secrets)
        return self._text(self._json(response))

    def models(self, deadline: Deadline) -> list[str] | None:
        """The ids of the endpoint's models, or None where it has no list of them.

        :raises AssistantFailed: it cannot be reached, or refuses.
        """
        response = self._call("GET", "/models", None, deadline)
        if response.status in _WITHOUT_MODELS:
            return None
        if not _good(response):
            raise refused(self.who, response, self._settings.secrets)
        body = self._json(response)
        listed = body.get("data") if isinstance(body, dict) else None
        if not isinstance(listed, list):
            return None
        return [str(model["id"]) for model in listed if isinstance(model, dict) and "id" in model]

    def _call(self, method: str, path: str, body: dict[str, Any] | None, deadline: Deadline) -> HttpResponse:
        settings = self._settings
        headers = {"Accept": "application/json"}
        if settings.api_key is not None and not any(name.lower() == "authorization" for name in settings.headers):
            headers["Authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
        headers |= {name: value.get_secret_value() for name, value in settings.headers.items()}
        try:
            return self._http.request(
                method, f"{settings.base_url}{path}", headers=headers, json=body, timeout=deadline.left()
            )
        except HttpFailed as error:
            raise broken(self.who, error, deadline.passed, settings.secrets) from None

    def _json(self, response: HttpResponse) -> Any:
        try:
            return response.json()
        except (HttpFailed, RecursionError):
            raise unusable(self.who, "with something that is not JSON") from None

    def _text(self, body: Any) -> str:
        """The text of the first choice; a refusal of the model is an answer like any other.

        Some servers of reasoning models put the thoughts in front of the text; nobody is to read them.
        """
        secrets = self._settings.secrets
        choices = body.get("choices") if isinstance(body, dict) else None
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(message, dict):
            raise unusable(self.who, "without a choice", body, secrets)
        refusal, content, reason = message.get("refusal"), message.get("content"), choice.get("finish_reason")
        if isinstance(refusal, str) and refusal.strip():
            return refusal.strip()
        text = _THOUGHTS.sub("", content, count=1).strip() if isinstance(content, str) else ""
        if text:
            return text + _ELLIPSIS if reason == "length" else text
        if reason == CONTENT_FILTER:
            raise AssistantFailed(CONTENT_FILTER, f"{self.who} has filtered the whole answer out", retryable=False)
        if reason == "length":
            raise unusable(self.who, "nothing: max_tokens, or the model's own limit, was reached before any text")
        raise unusable(self.who, "without a text", body, secrets)


def _good(response: HttpResponse) -> bool:
    return 200 <= response.status <= 299
