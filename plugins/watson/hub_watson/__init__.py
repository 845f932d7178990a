"""IBM watsonx Assistant as an assistant of the hub."""

from hub import AssistantType, hookimpl
from hub_watson.assistant import WatsonAssistant
from hub_watson.settings import WatsonSettings


@hookimpl
def register_assistants() -> list[AssistantType]:
    """One assistant type, ``watson``."""
    return [
        AssistantType(name="watson", title="IBM watsonx Assistant", assistant=WatsonAssistant, settings=WatsonSettings)
    ]
