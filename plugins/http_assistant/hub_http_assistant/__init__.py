"""Any HTTP service that speaks the message contract as an assistant of the hub."""

from hub import AssistantType, hookimpl
from hub_http_assistant.assistant import HttpAssistant
from hub_http_assistant.settings import HttpAssistantSettings


@hookimpl
def register_assistants() -> list[AssistantType]:
    """One assistant type, ``http_assistant``."""
    return [
        AssistantType(
            name="http_assistant",
            title="HTTP assistant",
            assistant=HttpAssistant,
            settings=HttpAssistantSettings,
        )
    ]
