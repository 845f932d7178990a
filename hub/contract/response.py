"""A message response: what an assistant answers. (IBM watsonx Assistant v2 message contract.)"""

from __future__ import annotations

from pydantic import Field

from hub.contract.context import Context
from hub.contract.elements import AnyElement
from hub.contract.fields import Maybe, Model, Object, UserId


class OutputSpelling(Model):
    """What was done about misspelt words."""

    text: str | None = Field(None, description="The text that was understood.")
    original_text: str | None = Field(None, description="The text as it was, if it was corrected.")
    suggested_text: str | None = Field(None, description="A correction that was not made.")


class MessageOutput(Model):
    """What the assistant says, and how it came to it."""

    generic: Maybe[list[AnyElement]] = Field(None, description="What the person is shown or told, in order.")
    intents: list[Object] | None = Field(None, description="What the person may have wanted, the surest first.")
    entities: list[Object] | None = Field(None, description="Things the person named.")
    actions: list[Object] | None = Field(None, description="Calls the client should make.")
    debug: Object | None = Field(None, description="Nodes visited, messages of the dialog, events of the turn.")
    user_defined: Object | None = Field(None, description="Free output of a dialog; older commands stand here.")
    spelling: OutputSpelling | None = Field(None, description="What was done about misspelt words.")
    llm_metadata: list[Object] | None = Field(None, description="task and model_id of each language model used.")


class MessageResponse(Model):
    """What an assistant answers in one turn."""

    output: MessageOutput = Field(description="What the assistant says.")
    context: Maybe[Context] = Field(None, description="The context after the turn.")
    user_id: Maybe[UserId] = Field(None, description="Who was talking.")
    masked_output: Object | None = Field(None, description="The output with private data masked.")
    masked_input: Object | None = Field(None, description="The input with private data masked.")
