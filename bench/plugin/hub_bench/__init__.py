"""An assistant that passes the request on over HTTP and takes the answer as it comes."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from hub import Answer, Assistant, AssistantType, Settings, Turn, hookimpl


class BenchSettings(Settings):
    """Where the assistant double listens."""

    url: str = Field(title="URL", description="Gets the message request as JSON and answers a message response.")


class BenchAssistant(Assistant):
    """Asks the double."""

    settings: BenchSettings

    def answer(self, request: dict[str, Any], turn: Turn) -> Answer:
        reply = self.services.http.request("POST", self.settings.url, json=request, timeout=60)
        return Answer(response=reply.json())


@hookimpl
def register_assistants() -> list[AssistantType]:
    return [AssistantType(name="bench", title="Benchmark double", assistant=BenchAssistant, settings=BenchSettings)]
