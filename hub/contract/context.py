"""The context that travels with every message. (IBM watsonx Assistant v2 message contract.)"""

from __future__ import annotations

from pydantic import Field

from hub.contract.fields import Maybe, Model, Object


class SystemContext(Model):
    """What the assistant service keeps about the session."""

    timezone: str | None = Field(None, description="Name of the person's time zone, for example America/New_York.")
    user_id: str | None = Field(None, description="Who is talking; the user_id beside the context wins.")
    turn_count: int | None = Field(None, description="Counted by the service; 1 in the first turn.")
    locale: str | None = Field(None, description="Language and country, for example en-us.")
    reference_time: str | None = Field(None, description="ISO 8601 time that relative dates are understood by.")
    session_start_time: str | None = Field(None, description="ISO 8601 time at which the session began.")
    state: str | None = Field(None, description="State of the service; sent back as it came.")
    skip_user_input: bool | None = Field(
        None, description="In a response: send the next, empty turn at once instead of waiting for the person."
    )


class GlobalContext(Model):
    """Context shared by every skill."""

    session_id: str | None = Field(None, description="Id of the session; a stateless client sends it back.")
    system: Maybe[SystemContext] = Field(None, description="What the service keeps about the session.")


class SkillContext(Model):
    """Variables of one skill."""

    user_defined: Maybe[Object] = Field(
        None, description="Free variables of a dialog; channel data and commands stand here."
    )
    system: Maybe[Object] = Field(None, description="State of the skill; sent back as it came.")
    action_variables: Maybe[Object] = Field(None, description="Variables of the action in progress.")
    skill_variables: Maybe[Object] = Field(None, description="Variables shared by all actions.")
    private_action_variables: Maybe[Object] = Field(None, description="As action_variables, private; stateless only.")
    private_skill_variables: Maybe[Object] = Field(None, description="As skill_variables, private; stateless only.")


class ChannelContext(Model):
    """Which channel the person uses."""

    name: str | None = Field(None, description="Name of the channel, for example SMS or Phone.")
    private: Maybe[Object] = Field(None, description="user: id, phone_number, name of the person.")


class TextMessagingContext(Model):
    """Numbers of a text message."""

    assistant_phone_number: str | None = Field(None, description="The number that was texted.")
    private: Maybe[Object] = Field(None, description="user_phone_number, request_id and ip_address.")


class WhatsappContext(Model):
    """Numbers of a WhatsApp message."""

    assistant_phone_number: str | None = Field(None, description="The number that was written to.")
    private: Maybe[Object] = Field(None, description="user_phone_number.")


class IntegrationsContext(Model):
    """Data of the channels, an object for each."""

    channel: Maybe[ChannelContext] = Field(None, description="Which channel the person uses.")
    text_messaging: Maybe[TextMessagingContext] = Field(None, description="Numbers of a text message.")
    whatsapp: Maybe[WhatsappContext] = Field(None, description="Numbers of a WhatsApp message.")
    voice_telephony: Maybe[Object] = Field(None, description="Numbers and settings of a call.")
    chat: Maybe[Object] = Field(None, description="Browser and private data of a web chat.")
    slack: Maybe[Object] = Field(None, description="team_id and channel_id.")
    facebook: Maybe[Object] = Field(None, description="Data of Facebook Messenger.")
    teams: Maybe[Object] = Field(None, description="conversation_id.")


class Context(Model):
    """Everything that is remembered between two turns."""

    global_: Maybe[GlobalContext] = Field(None, alias="global", description="Context shared by every skill.")
    skills: Maybe[dict[str, SkillContext]] = Field(
        None, description="Variables of each skill by its name: main skill (dialog), actions skill."
    )
    integrations: Maybe[IntegrationsContext] = Field(None, description="Data of the channels.")
