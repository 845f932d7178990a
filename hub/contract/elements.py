"""The elements of an answer: one model for each response type. (IBM watsonx Assistant v2 message contract.)

The field ``channels`` may stand on every element. Texts may be given as numbers; what is not named here is kept.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from hub.contract.fields import Model, Object, ObjectOrText, TextOrFlag


class ElementChannel(Model):
    """A channel an element is meant for."""

    channel: str = Field(description="chat, voice_telephony, text_messaging, whatsapp, slack or facebook.")


class Element(Model):
    """What every element has."""

    channels: list[ElementChannel] | None = Field(
        None, description="Channels the element is meant for; absent means every channel."
    )


class TextElement(Element):
    """A text."""

    response_type: Literal["text"] = Field(description="text")
    text: str = Field(description="The text.")


class TextValue(Model):
    """One wording of a text."""

    text: str = Field(description="The wording.")


class AuthoredTextElement(Element):
    """A text as it is authored: several wordings."""

    response_type: Literal["text"] = Field(description="text")
    values: list[TextValue] = Field(description="The wordings.")
    selection_policy: str | None = Field(
        None, description="sequential or random: one of the wordings; multiline: all of them."
    )
    delimiter: str | None = Field(None, description="Stands between the wordings of multiline; default a line break.")


class Media(Element):
    """What image, audio and video have in common."""

    source: str = Field(description="Address of the file, https.")
    title: str | None = Field(None, description="Shown before the file.")
    description: str | None = Field(None, description="Shown with the file.")
    alt_text: str | None = Field(None, description="For those who cannot see or hear the file.")


class ImageElement(Media):
    """A picture: jpg, gif or png."""

    response_type: Literal["image"] = Field(description="image")


class AudioVoiceOptions(Model):
    """How a call plays an audio file."""

    loop: TextOrFlag | None = Field(None, description="Whether the file is repeated; true, false, or the same as text.")


class AudioChannelOptions(Model):
    """Settings of an audio file by channel."""

    voice_telephony: AudioVoiceOptions | None = Field(None, description="How a call plays the file.")


class AudioElement(Media):
    """A sound. A call takes mono PCM WAV, 8 kHz, 16 bit."""

    response_type: Literal["audio"] = Field(description="audio")
    channel_options: AudioChannelOptions | None = Field(None, description="Settings by channel.")


class VideoElement(Media):
    """A film."""

    response_type: Literal["video"] = Field(description="video")
    channel_options: Object | None = Field(None, description="chat.dimensions.base_height: height in pixels.")


class IframeElement(Element):
    """A web page shown inside a web chat."""

    response_type: Literal["iframe"] = Field(description="iframe")
    source: str = Field(description="Address of the page.")
    title: str | None = Field(None, description="Shown before the page.")
    description: str | None = Field(None, description="Shown with the page.")
    image_url: str | None = Field(None, description="Picture for the preview.")
    channel_options: Object | None = Field(None, description="chat.display inline or panel, chat.dimensions.")


class ChoiceValue(Model):
    """What choosing an entry of a list means."""

    input: Object = Field(description="Becomes the input of the next request, unchanged.")
    intents: list[Object] | None = Field(None, description="Older form: added to the input when it has none.")
    entities: list[Object] | None = Field(None, description="Older form: added to the input when it has none.")


class Option(Model):
    """One entry of an option list."""

    label: str = Field(description="What the person reads.")
    value: ChoiceValue = Field(description="What choosing the entry means.")


class OptionElement(Element):
    """A list to choose from."""

    response_type: Literal["option"] = Field(description="option")
    title: str = Field(description="Stands above the list; may be empty.")
    options: list[Option] = Field(description="The entries.")
    description: str | None = Field(None, description="Not shown as a text message.")
    preference: str | None = Field(None, description="dropdown or button.")


class Suggestion(Option):
    """One entry of a list of suggestions."""

    output: Object | None = Field(None, description="What the assistant would answer.")


class SuggestionElement(Element):
    """A list of what the person may have meant."""

    response_type: Literal["suggestion"] = Field(description="suggestion")
    title: str = Field(description="Stands above the list.")
    suggestions: list[Suggestion] = Field(description="The entries.")


class PauseElement(Element):
    """A pause before what follows."""

    response_type: Literal["pause"] = Field(description="pause")
    time: float = Field(description="Milliseconds.")
    typing: bool | None = Field(None, description="Whether a sign of typing is shown.")


class ConnectToAgentElement(Element):
    """A transfer to a person of the company."""

    response_type: Literal["connect_to_agent"] = Field(description="connect_to_agent")
    message_to_human_agent: str | None = Field(None, description="What the agent is told.")
    agent_available: ObjectOrText | None = Field(None, description="message: what is said if an agent is there.")
    agent_unavailable: ObjectOrText | None = Field(None, description="message: what is said if no agent is there.")
    transfer_info: Object | None = Field(None, description="target: where to, by system.")
    topic: str | None = Field(None, description="What the transfer is about.")


class TransferChat(Model):
    """The web chat a transfer leads to."""

    url: str = Field(description="Address of the page with the web chat.")


class TransferTarget(Model):
    """The channel a transfer leads to."""

    chat: TransferChat = Field(description="The web chat.")


class TransferInfo(Model):
    """Where a transfer leads."""

    target: TransferTarget = Field(description="The channel.")


class ChannelTransferElement(Element):
    """A transfer to another channel."""

    response_type: Literal["channel_transfer"] = Field(description="channel_transfer")
    message_to_user: ObjectOrText = Field(description="Shown before the link.")
    transfer_info: TransferInfo = Field(description="Where the transfer leads.")


class SearchResult(Model):
    """One thing that was found."""

    id: str | None = Field(None, description="Id of the document.")
    title: str | None = Field(None, description="Title of the document.")
    body: str | None = Field(None, description="Text of the document.")
    url: str | None = Field(None, description="Address of the document.")
    result_metadata: Object | None = Field(None, description="confidence and score.")
    highlight: Object | None = Field(None, description="Lists of texts by field, with the found words marked.")
    answers: list[Object] | None = Field(None, description="text and confidence of each answer found.")


class SearchElement(Element):
    """What a search found, in two groups."""

    response_type: Literal["search"] = Field(description="search")
    header: str = Field(description="Stands above the results.")
    primary_results: list[SearchResult] = Field(description="To be shown.")
    additional_results: list[SearchResult] | None = Field(None, description="To be shown on demand.")


class SearchListElement(Element):
    """What a search found, in one list."""

    response_type: Literal["search"] = Field(description="search")
    header: str = Field(description="Stands above the results.")
    results: list[SearchResult] = Field(description="The best first.")


class ConversationSearchElement(Element):
    """An answer made from what a search found."""

    response_type: Literal["conversation_search", "conversational_search"] = Field(description="conversation_search")
    text: str = Field(description="The answer.")
    citations_title: str | None = Field(None, description="Stands above the citations.")
    citations: list[Object] | None = Field(None, description="Parts of documents the answer rests on.")
    confidence_scores: Object | None = Field(None, description="How sure the search is.")
    response_length_option: str | None = Field(None, description="How long the answer was meant to be.")
    search_results: list[Object] | None = Field(None, description="The documents.")
    disclaimer: str | None = Field(None, description="A warning to show with the answer.")


class UserDefinedElement(Element):
    """Data for the channel, commands for example; never shown."""

    response_type: Literal["user_defined"] = Field(description="user_defined")
    user_defined: Object = Field(description="smsAction or vgwAction: a command; anything else is free.")


class DateElement(Element):
    """A date picker."""

    response_type: Literal["date"] = Field(description="date")


class EndSessionElement(Element):
    """The end of the session; a call is hung up."""

    response_type: Literal["end_session"] = Field(description="end_session")
    channel_options: Object | None = Field(None, description="voice_telephony.sip.headers: name and value of each.")


class CommandInfo(Model):
    """A command to the channel."""

    type: str = Field(description="Name of the command.")
    parameters: Object | None = Field(None, description="Parameters of the command.")


class CommandElement(Element):
    """A command to a call: keys, speech recognition or speech synthesis."""

    response_type: Literal["dtmf", "speech_to_text", "text_to_speech"] = Field(description="What the command is for.")
    command_info: CommandInfo = Field(description="The command.")


class Activity(Model):
    """Something a call does on the side."""

    type: str = Field(description="speech_to_text_recognition or dtmf_collection.")


class ActivitiesElement(Element):
    """Activities of a call to start or stop."""

    response_type: Literal["start_activities", "stop_activities"] = Field(description="Whether to start or stop.")
    activities: list[Activity] = Field(description="The activities.")


class ButtonElement(Element):
    """A button of a web chat."""

    response_type: Literal["button"] = Field(description="button")
    label: str = Field(description="What the person reads.")
    button_type: str = Field(description="post_back, custom_event, show_panel or url.")
    kind: str | None = Field(None, description="primary, secondary, tertiary, danger or link.")
    image_url: str | None = Field(None, description="Picture on the button.")
    alt_text: str | None = Field(None, description="For those who cannot see the picture.")
    value: Object | None = Field(None, description="Of post_back: the input it sends.")
    custom_event_name: str | None = Field(None, description="Of custom_event: name of the event.")
    user_defined: Object | None = Field(None, description="Of custom_event: data of the event.")
    panel: Object | None = Field(None, description="Of show_panel: title, show_animations, body and footer.")
    url: str | None = Field(None, description="Of url: address to open.")
    target: str | None = Field(None, description="Of url: _blank or _self.")


class CardElement(Element):
    """A card of a web chat."""

    response_type: Literal["card"] = Field(description="card")
    body: list[AnyElement] = Field(description="At most 10: text, image, video, audio, iframe, grid, user_defined.")
    footer: list[AnyElement] | None = Field(None, description="At most 5 buttons.")


class CarouselElement(Element):
    """Cards of a web chat side by side."""

    response_type: Literal["carousel"] = Field(description="carousel")
    items: list[AnyElement] = Field(description="At most 5 cards.")


class GridCell(Model):
    """A cell of a grid."""

    items: list[AnyElement] = Field(description="At most 5 elements.")
    horizontal_alignment: str | None = Field(None, description="left, center or right.")
    vertical_alignment: str | None = Field(None, description="top, center or bottom.")


class GridRow(Model):
    """A row of a grid."""

    cells: list[GridCell] = Field(description="The cells, from the left.")


class GridElement(Element):
    """Elements of a web chat in rows and columns."""

    response_type: Literal["grid"] = Field(description="grid")
    rows: list[GridRow] = Field(description="At most 5 rows.")
    columns: list[Object] | None = Field(None, description="At most 5: width of each.")
    horizontal_alignment: str | None = Field(None, description="left, center or right.")
    vertical_alignment: str | None = Field(None, description="top, center or bottom.")


class TableRow(Model):
    """A row of a table."""

    cells: list[Any] = Field(description="As many as the table has headers.")


class TableElement(Element):
    """A table of a web chat."""

    response_type: Literal["table"] = Field(description="table")
    headers: list[Any] = Field(description="Heads of the columns.")
    rows: list[TableRow] = Field(description="The rows.")
    title: str | None = Field(None, description="Stands above the table.")
    description: str | None = Field(None, description="Shown with the table.")


class SearchSkillElement(Element):
    """Authoring form of a search; an assistant never answers with it."""

    response_type: Literal["search_skill"] = Field(description="search_skill")
    query: str | None = Field(None, description="What is searched.")
    filter: str | None = Field(None, description="Which documents are searched.")
    query_type: str | None = Field(None, description="Language of the query.")
    discovery_version: str | None = Field(None, description="Version of the search service.")


TYPES = frozenset({
    "text", "image", "audio", "video", "iframe", "option", "suggestion", "pause", "connect_to_agent",
    "channel_transfer", "search", "conversation_search", "conversational_search", "user_defined", "date",
    "end_session", "dtmf", "speech_to_text", "text_to_speech", "start_activities", "stop_activities", "button",
    "card", "carousel", "grid", "table", "search_skill",
})  # fmt: skip
"""The response types that have a model."""


class UnknownElement(Element):
    """A response type this version does not know; it is kept and passed over."""

    response_type: str = Field(description="Any other name.", json_schema_extra={"not": {"enum": [*sorted(TYPES)]}})


_TAGS = {name: f"<{name}>" for name in TYPES} | {
    "conversational_search": "<conversation_search>",
    "speech_to_text": "<dtmf>",
    "text_to_speech": "<dtmf>",
    "stop_activities": "<start_activities>",
}


def _tag(element: Any) -> str:
    """Which model an element has; where a type has two forms, the fields tell.

    Tags are in angle brackets, so that they can be told from the names of fields in the path of a problem.
    """
    if not isinstance(element, dict):
        return "<text>"  # whose model says that it must be an object
    kind = element.get("response_type")
    tag = _TAGS.get(kind, "<other>") if isinstance(kind, str) else "<other>"
    if tag == "<text>" and "values" in element and "text" not in element:
        return "<text values>"
    if tag == "<search>" and "results" in element and "primary_results" not in element:
        return "<search results>"
    return tag


AnyElement = Annotated[
    Annotated[TextElement, Tag("<text>")]
    | Annotated[AuthoredTextElement, Tag("<text values>")]
    | Annotated[ImageElement, Tag("<image>")]
    | Annotated[AudioElement, Tag("<audio>")]
    | Annotated[VideoElement, Tag("<video>")]
    | Annotated[IframeElement, Tag("<iframe>")]
    | Annotated[OptionElement, Tag("<option>")]
    | Annotated[SuggestionElement, Tag("<suggestion>")]
    | Annotated[PauseElement, Tag("<pause>")]
    | Annotated[ConnectToAgentElement, Tag("<connect_to_agent>")]
    | Annotated[ChannelTransferElement, Tag("<channel_transfer>")]
    | Annotated[SearchElement, Tag("<search>")]
    | Annotated[SearchListElement, Tag("<search results>")]
    | Annotated[ConversationSearchElement, Tag("<conversation_search>")]
    | Annotated[UserDefinedElement, Tag("<user_defined>")]
    | Annotated[DateElement, Tag("<date>")]
    | Annotated[EndSessionElement, Tag("<end_session>")]
    | Annotated[CommandElement, Tag("<dtmf>")]
    | Annotated[ActivitiesElement, Tag("<start_activities>")]
    | Annotated[ButtonElement, Tag("<button>")]
    | Annotated[CardElement, Tag("<card>")]
    | Annotated[CarouselElement, Tag("<carousel>")]
    | Annotated[GridElement, Tag("<grid>")]
    | Annotated[TableElement, Tag("<table>")]
    | Annotated[SearchSkillElement, Tag("<search_skill>")]
    | Annotated[UnknownElement, Tag("<other>")],
    Discriminator(_tag),
]
"""An element of any response type."""

for _model in (CardElement, CarouselElement, GridCell, GridRow, GridElement):
    _model.model_rebuild()
