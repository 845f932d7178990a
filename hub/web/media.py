"""``/media/{token}``: attachments for assistants, webhooks and providers that got a signed address."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response, abort, current_app, stream_with_context
from sqlalchemy import select

from hub.hub import Hub
from hub.store.models import Attachment

blueprint = Blueprint("media", __name__)
CHUNK = 65_536
SHOWN_INLINE = ("image/jpeg", "image/png", "image/gif", "image/webp", "audio/", "video/")


@blueprint.get("/media/<token>")
def media(token: str) -> Response:
    """The content of one attachment; 404 when the token is forged or too old, or the file was purged."""
    hub: Hub = current_app.extensions["hub"]
    identifier = hub.media.attachment_of(token)
    if identifier is None:
        abort(404)
    with hub.store.read() as connection:
        row = connection.execute(
            select(Attachment.media_type, Attachment.size, Attachment.key).where(
                Attachment.id == identifier, Attachment.state == "stored"
            )
        ).one_or_none()
    if row is None:
        abort(404)
    try:
        file = hub.media.open(row.key)
    except FileNotFoundError:
        abort(404)

    def content() -> Iterator[bytes]:
        with file:
            while chunk := file.read(CHUNK):
                yield chunk

    response = Response(stream_with_context(content()), content_type=row.media_type)
    response.content_length = row.size
    inline = row.media_type.startswith(SHOWN_INLINE)
    extension = row.media_type.rpartition("/")[2].rpartition("+")[0] or row.media_type.rpartition("/")[2]
    name = "".join(letter for letter in extension if letter.isalnum())[:8]
    # Files come from strangers: never let a browser run one as a page of ours.
    response.headers["Content-Disposition"] = f'{"inline" if inline else "attachment"}; filename="file.{name}"'
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response
