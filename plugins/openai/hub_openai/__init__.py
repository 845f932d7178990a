"""Any OpenAI-compatible chat-completions endpoint as an assistant of the hub."""

from hub import AssistantType, hookimpl
from hub_openai.assistant import ChatAssistant
from hub_openai.settings import ChatSettings


@hookimpl
def register_assistants() -> list[AssistantType]:
    """One assistant type, ``openai``."""
    return [
        AssistantType(
            name="openai", title="OpenAI-compatible chat completions", assistant=ChatAssistant, settings=ChatSettings
        )
    ]
