"""The offline assistant: shows that everything around an assistant works."""

from hub import AssistantType, Settings, hookimpl
from hub_demo.assistant import Demo


@hookimpl
def register_assistants() -> list[AssistantType]:
    """Add the assistant ``demo``."""
    return [AssistantType(name="demo", title="Demo (offline)", assistant=Demo, settings=Settings)]
