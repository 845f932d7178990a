"""Lists page by page, in the shape all of Twilio's 2010-04-01 lists have (Twilio: "Twilio's response", pagination)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from hub_simulator.errors import ApiError

DEFAULT_SIZE = 50
MAX_SIZE = 1000
T = TypeVar("T")


def page(
    path: str,
    query: MultiDict[str, str],
    name: str,
    items: Sequence[T],
    sid: Callable[[T], str],
    show: Callable[[T], Any],
) -> dict[str, Any]:
    """One page of `items` as a document. The token is the sid before or after the page, so new items shift nothing."""
    size = min(_number(query, "PageSize", DEFAULT_SIZE) or DEFAULT_SIZE, MAX_SIZE)
    index = _number(query, "Page", 0)
    start = _start(query.get("PageToken", ""), [sid(item) for item in items], index, size)
    shown = items[start : start + size]
    filters = {key: value for key, value in query.items() if key not in ("Page", "PageSize", "PageToken")}

    def uri(number: int, token: str = "") -> str:
        more = {"PageToken": token} if token else {}
        return f"{path}?{urlencode({**filters, 'PageSize': size, 'Page': number, **more})}"

    has_next = start + size < len(items)
    return {
        "first_page_uri": uri(0),
        "next_page_uri": uri(index + 1, "PA" + sid(shown[-1])) if has_next else None,
        "previous_page_uri": uri(index - 1, "PB" + sid(shown[0])) if index > 0 and shown else None,
        "uri": uri(index, query.get("PageToken", "")),
        "page": index,
        "page_size": size,
        "start": index * size,
        "end": index * size + max(len(shown) - 1, 0),
        name: [show(item) for item in shown],
    }


class DateFilter:
    """The query filters `name`, `name<` and `name>`; both bounds are inclusive."""

    def __init__(self, query: MultiDict[str, str], name: str) -> None:
        self._exact = _date(query.get(name), name)
        self._before = _date(query.get(f"{name}<"), name)
        self._after = _date(query.get(f"{name}>"), name)

    def passes(self, at: datetime) -> bool:
        """Whether a date is let through; an exact date at midnight means that whole day."""
        if (
            self._exact
            and at != self._exact
            and not (self._exact.time() == time.min and at.date() == self._exact.date())
        ):
            return False
        return (self._before is None or at <= self._before) and (self._after is None or at >= self._after)


def _start(token: str, sids: list[str], index: int, size: int) -> int:
    try:
        if token.startswith("PA"):
            return sids.index(token[2:]) + 1
        if token.startswith("PB"):
            return max(sids.index(token[2:]) - size, 0)
    except ValueError:
        raise ApiError(20404, 404) from None  # the item the page hangs on has been deleted
    return index * size


def _number(query: MultiDict[str, str], name: str, default: int) -> int:
    given = query.get(name, "")
    if given and not given.isdecimal():
        raise ApiError(20001, 400, f"{name} must be a number.")
    return int(given) if given else default


def _date(given: str | None, name: str) -> datetime | None:
    if not given:
        return None
    try:
        date = datetime.fromisoformat(given)
    except ValueError:
        try:
            date = parsedate_to_datetime(given)
        except ValueError:
            raise ApiError(20001, 400, f"{name} is not a date.") from None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
