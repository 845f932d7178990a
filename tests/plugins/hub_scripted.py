"""An assistant behind one URL, for tests: posts the request there and takes what comes back as the answer."""

from typing import Any

from pydantic import Field

from hub import Answer, Assistant, AssistantFailed, AssistantType, HttpFailed, Settings, Turn, hookimpl


class ScriptedSettings(Settings):
    url: str = Field(title="URL", description="Where the script answers.")
    timeout: float = Field(30, title="Time-out", description="Seconds.")


class Scripted(Assistant):
    def answer(self, request: dict[str, Any], turn: Turn) -> Answer:
        if "raise!" in request["input"]["text"]:
            raise RuntimeError("raised on purpose")
        try:
            reply = self.services.http.request("POST", self.settings.url, json=request, timeout=self.settings.timeout)
            if reply.status != 200:
                raise AssistantFailed(str(reply.status), f"answered {reply.status}", retryable=reply.status >= 500)
            return Answer(reply.json(), session_id=f"theirs-{turn.session.id}")
        except HttpFailed as error:
            raise AssistantFailed("unreachable", str(error), retryable=True) from error


@hookimpl
def register_assistants() -> list[AssistantType]:
    return [AssistantType(name="scripted", title="Scripted", assistant=Scripted, settings=ScriptedSettings)]
