"""Phone numbers: E.164 through ``phonenumbers``, and masked wherever a person might read them."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

_SHORT_CODE = re.compile(r"[0-9]{3,8}")
_DIGITS_TO_SHOW = 4


def e164_or_short_code(text: str) -> str:
    """`text` as E.164 (``+15550000001``), or as it is when it is a short code of 3 to 8 digits.

    Spaces, dots, dashes and parentheses are allowed. Numbers are checked for a possible length, not for being in
    service, so that fictional numbers work.

    :raises ValueError: with a sentence that repeats nothing but the reason.
    """
    compact = re.sub(r"[\s().-]", "", text)
    if _SHORT_CODE.fullmatch(compact):
        return compact
    if not compact.startswith("+"):
        raise ValueError("write the number in international format with a leading +, for example +15550000001")
    try:
        number = phonenumbers.parse(compact, None)
    except phonenumbers.NumberParseException as error:
        raise ValueError(f"not a phone number: {error}") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("not a phone number: its length does not fit its country code")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def mask(number: str) -> str:
    """`number` with all but its last four characters hidden: ``+*******0002``."""
    return _masked(number if len(number) <= 64 else number[-64:])


@lru_cache(maxsize=4096)
def _masked(number: str) -> str:
    if len(number) <= _DIGITS_TO_SHOW:
        return "*" * len(number)
    head = "+" if number.startswith("+") else ""
    hidden = len(number) - len(head) - _DIGITS_TO_SHOW
    return f"{head}{'*' * hidden}{number[-_DIGITS_TO_SHOW:]}"
