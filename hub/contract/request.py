"""A message request: what an assistant is asked. (IBM watsonx Assistant v2 message contract.)"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hub.contract.context import Context
from hub.contract.fields import Maybe, Model, Object, UserId


class Attachment(Model):
    """A file the person sent; webhooks see it, the assistant passes over it."""

    url: str = Field(description="Where the file can be fetched.")
    media_type: Maybe[str] = Field(None, description="MIME type of the file.")


class Spelling(Model):
    """What is done about misspelt words."""

    suggestions: Maybe[bool] = Field(None, description="Whether corrections are suggested.")
    auto_correct: Maybe[bool] = Field(None, description="Whether the text is corrected before it is understood.")


class InputOptions(Model):
    """How the assistant treats the input."""

    restart: Maybe[bool] = Field(None, description="Begin the dialog anew; stateful only.")
    alternate_intents: Maybe[bool] = Field(None, description="Return more than the best intent.")
    async_callout: Maybe[bool] = Field(None, description="Whether callouts of the assistant may run asynchronously.")
    spelling: Maybe[Spelling] = Field(None, description="What is done about misspelt words.")
    debug: Maybe[bool] = Field(None, description="Return debugging data.")
    return_context: Maybe[bool] = Field(None, description="Return the context; stateful only.")
    export: Maybe[bool] = Field(None, description="Return the context with the service's own state; stateful only.")
    suggestion_only: Maybe[bool] = Field(None, description="Sent by channels as false.")


class Source(Model):
    """Who the input comes from."""

    type: Maybe[str] = Field(None, description="Always user.")
    id: Maybe[str] = Field(None, description="Id of the person.")


class MessageInput(Model):
    """One input of the person, or of the channel."""

    message_type: Maybe[Literal["text", "search"]] = Field(None, description="search passes the text to search only.")
    text: Maybe[str] = Field(
        None, description="What the person said: at most 2,048 characters, no line breaks, no tabs."
    )
    intents: Maybe[list[Object]] = Field(None, description="Intents to use instead of understanding the text.")
    entities: Maybe[list[Object]] = Field(None, description="Entities to use instead of understanding the text.")
    suggestion_id: Maybe[str] = Field(None, description="Comes with a suggestion and is sent back as it came.")
    attachments: Maybe[list[Attachment]] = Field(None, max_length=5, description="Files the person sent.")
    analytics: Maybe[Object] = Field(None, description="browser, device and pageUrl.")
    options: Maybe[InputOptions] = Field(None, description="How the assistant treats the input.")
    source: Maybe[Source] = Field(None, description="Who the input comes from.")
    integrations: Maybe[Object] = Field(None, description="Data of this turn by channel, for example voice_telephony.")


class MessageRequest(Model):
    """What an assistant is asked in one turn. An empty object begins a conversation."""

    input: Maybe[MessageInput] = Field(None, description="The input.")
    context: Maybe[Context] = Field(None, description="Context to set or change; a stateless session sends all of it.")
    user_id: Maybe[UserId] = Field(None, description="Who is talking; no line breaks, no tabs.")
