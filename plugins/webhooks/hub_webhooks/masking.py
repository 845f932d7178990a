"""Keeping secrets out of what people read: logs, errors and test calls."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import urlsplit

MASK = "***"


def masked(text: str, secrets: Iterable[str]) -> str:
    """`text` without any of `secrets`, also where one is written as a JSON string."""
    forms = {form for secret in secrets if secret.strip() for form in (secret, json.dumps(secret)[1:-1])}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def shown_url(url: str) -> str:
    """`url` for people: a query may hold a key."""
    address, question, _ = url.partition("?")
    return f"{address}?{MASK}" if question else address


def private_parts(url: str) -> list[str]:
    """What of `url` stays out of logs: everything after the host."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return [part for part in (target, parts.query, parts.path) if len(part) > 1]
