"""An assistant for tests: notes each request in a file, and answers with a picture when a text is an address."""

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from hub import Answer, Assistant, AssistantType, Settings, Turn, hookimpl


class NotingSettings(Settings):
    file: str = Field(title="File", description="Where requests are noted, one a line.")


class Noting(Assistant):
    def answer(self, request: dict[str, Any], turn: Turn) -> Answer:
        with Path(self.settings.file).open("a") as file:
            file.write(json.dumps(request) + "\n")
        text = request["input"]["text"]
        picture = {"response_type": "image", "source": text}
        element = picture if text.startswith("http") else {"response_type": "text", "text": f"noted {text}"}
        return Answer({"output": {"generic": [element]}})


@hookimpl
def register_assistants() -> list[AssistantType]:
    return [AssistantType(name="noting", title="Noting", assistant=Noting, settings=NotingSettings)]
