"""How many SMS segments a text takes (Twilio: "What the heck is a segment", Message resource `num_segments`)."""

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENDED = frozenset("\f^{}\\[~]|€")

SMART_ENCODING = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "\u00a0": " ", "\u200b": "", "`": "'"}
)
"""The look-alikes that `SmartEncoded=true` replaces: the everyday part of Twilio's list."""


def encoding(body: str) -> str:
    """`GSM-7` if every character is in the GSM alphabet, else `UCS-2`."""
    return "GSM-7" if all(c in GSM_BASIC or c in GSM_EXTENDED for c in body) else "UCS-2"


def count(body: str) -> int:
    """Segments of a body: 160/153 septets or 70/67 UTF-16 units, never splitting a character."""
    if encoding(body) == "GSM-7":
        return _pack([2 if c in GSM_EXTENDED else 1 for c in body], single=160, several=153)
    return _pack([2 if ord(c) > 0xFFFF else 1 for c in body], single=70, several=67)


def _pack(widths: list[int], single: int, several: int) -> int:
    if sum(widths) <= single:
        return 1
    segments, used = 1, 0
    for width in widths:
        if used + width > several:
            segments, used = segments + 1, 0
        used += width
    return segments
