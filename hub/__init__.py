"""The integration hub: connects assistants to the ways people talk to a company.

Everything a plugin author may import stands here (and in ``hub.testing``).
"""

from hub.assistants import Answer, Assistant, AssistantType, Settings
from hub.attachments import Attachment, Attachments
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
from hub.errors import AssistantFailed, HttpFailed, HubError, SendFailed, WebhookMalformed, WebhookRefused
from hub.hookspecs import hookimpl
from hub.http import HttpClient, HttpResponse
from hub.numbers import e164_or_short_code, mask
from hub.rendering.segments import Length, measure, plain_punctuation
from hub.services import Services
from hub.turns import Session, Turn

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Assistant",
    "AssistantFailed",
    "AssistantType",
    "Attachment",
    "Attachments",
    "Channel",
    "ChannelType",
    "DeliveryReport",
    "HttpClient",
    "HttpFailed",
    "HttpResponse",
    "HubError",
    "InboundMedia",
    "InboundText",
    "Integration",
    "Length",
    "Received",
    "SendFailed",
    "Sent",
    "Services",
    "Session",
    "Settings",
    "TextChannel",
    "TextChannelSettings",
    "TextMessage",
    "Turn",
    "WebhookAnswer",
    "WebhookMalformed",
    "WebhookRefused",
    "WebhookRequest",
    "e164_or_short_code",
    "hookimpl",
    "mask",
    "measure",
    "plain_punctuation",
]
