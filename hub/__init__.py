"""The integration hub: connects assistants to the ways people talk to a company.

Everything a plugin author may import stands here (and in ``hub.testing``).
"""

from hub.assistants import Answer, Assistant, AssistantType, Refusal
from hub.attachments import Attachment, Attachments
from hub.auth import (
    AuthenticationFailed,
    Authenticator,
    AuthSettings,
    JwtAuth,
    NoAuth,
    OAuth2Auth,
)
from hub.channels import (
    Channel,
    ChannelType,
    DeliveryReport,
    InboundMedia,
    InboundText,
    Integration,
    Received,
    Sent,
    TextChannel,
    TextChannelSettings,
    TextMessage,
    WebhookAnswer,
    WebhookRequest,
)
from hub.contract import ContractError, check_response, require_request, require_response
from hub.errors import (
    AssistantFailed,
    HttpFailed,
    HubError,
    LogFailed,
    SendFailed,
    TurnFailed,
    WebhookMalformed,
    WebhookRefused,
)
from hub.hookspecs import hookimpl
from hub.http import HttpClient, HttpResponse
from hub.numbers import e164_or_short_code, mask
from hub.rendering.segments import Length, measure, plain_punctuation
from hub.sections import AssistantSection, Tested
from hub.services import Secrets, Services
from hub.settings import Settings
from hub.turns import LogEvent, Session, Turn

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Assistant",
    "AssistantFailed",
    "AssistantSection",
    "AssistantType",
    "Attachment",
    "Attachments",
    "AuthSettings",
    "AuthenticationFailed",
    "Authenticator",
    "Channel",
    "ChannelType",
    "ContractError",
    "DeliveryReport",
    "HttpClient",
    "HttpFailed",
    "HttpResponse",
    "HubError",
    "InboundMedia",
    "InboundText",
    "Integration",
    "JwtAuth",
    "Length",
    "LogEvent",
    "LogFailed",
    "NoAuth",
    "OAuth2Auth",
    "Received",
    "Refusal",
    "Secrets",
    "SendFailed",
    "Sent",
    "Services",
    "Session",
    "Settings",
    "Tested",
    "TextChannel",
    "TextChannelSettings",
    "TextMessage",
    "Turn",
    "TurnFailed",
    "WebhookAnswer",
    "WebhookMalformed",
    "WebhookRefused",
    "WebhookRequest",
    "check_response",
    "e164_or_short_code",
    "hookimpl",
    "mask",
    "measure",
    "plain_punctuation",
    "require_request",
    "require_response",
]
