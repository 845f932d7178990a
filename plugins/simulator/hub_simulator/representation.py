"""Messages as JSON: Twilio's resources for the hub, and a fuller view for the phones and for scripts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from hub_simulator.errors import meaning
from hub_simulator.messages import Media, Message

API_VERSION = "2010-04-01"


def rfc2822(at: datetime | None) -> str | None:
    """A date as the REST API writes it."""
    return format_datetime(at) if at else None


def message_uri(account: str, sid: str) -> str:
    """The path of a Message resource, without `.json`."""
    return f"/{API_VERSION}/Accounts/{account}/Messages/{sid}"


def resource(message: Message, account: str) -> dict[str, Any]:
    """A Message resource (Twilio: Message resource, properties)."""
    uri = message_uri(account, message.sid)
    undecided = message.from_ is None  # a service that has not chosen a sender does not know the segments yet
    return {
        "account_sid": account,
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": rfc2822(message.created),
        "date_sent": rfc2822(message.sent),
        "date_updated": rfc2822(message.updated),
        "direction": message.direction,
        "error_code": message.error_code,
        "error_message": meaning(message.error_code) or None,
        "from": message.from_,
        "messaging_service_sid": message.service,
        "num_media": str(message.num_media),
        "num_segments": "0" if undecided else str(message.num_segments),
        "price": None,
        "price_unit": "USD",
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.to,
        "uri": f"{uri}.json",
    }


def media_resource(media: Media, message: Message, account: str) -> dict[str, Any]:
    """A Media resource (Twilio: Media resource, properties)."""
    return {
        "account_sid": account,
        "content_type": media.content_type,
        "date_created": rfc2822(media.created),
        "date_updated": rfc2822(media.created),
        "parent_sid": message.sid,
        "sid": media.sid,
        "uri": f"{message_uri(account, message.sid)}/Media/{media.sid}.json",
    }


def view(message: Message) -> dict[str, Any]:
    """What the phones and scripts see of a message."""
    return {
        "sid": message.sid,
        "seq": message.seq,
        "direction": message.direction,
        "origin": message.origin,
        "person": message.person,
        "number": message.number,
        "from": message.from_,
        "to": message.to,
        "body": message.body,
        "status": message.status,
        "error_code": message.error_code,
        "error": meaning(message.error_code),
        "segments": message.num_segments,
        "encoding": message.encoding,
        "service": message.service,
        "media": [
            {
                "sid": m.sid,
                "content_type": m.content_type,
                "bytes": len(m.data),
                "url": f"/simulator/media/{message.sid}/{m.sid}",
            }
            for m in message.media
        ],
        "status_callback": message.status_callback,
        "attempts": [asdict(a) | {"explanation": meaning(a.code)} for a in message.attempts],
        "created": message.created.isoformat(),
        "updated": message.updated.isoformat(),
    }
