"""Pictures without their metadata, taken apart and put together again without touching a pixel.

What is known to belong to the picture stays; everything else goes, so that blocks nobody has heard of go too, and so
does what follows the end of a picture (previews, a second picture, a film).

Sources: ITU-T T.81 annex B (JPEG), the PNG specification, the GIF89a specification, the WebP container specification.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from hub_attachments.unusable import Unusable

MOST_BLOCKS = 200_000
"""Blocks of one file; honest ones have a few thousand, and each costs a step here."""
MOST_SCANS = 64
"""Passes of a progressive JPEG, each of which decodes the whole area again; cameras and editors make about ten."""

_MARKER = re.compile(rb"\xff+([^\x00\xff])")
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_SCAN, _END = 0xDA, 0xD9
_JPEG_DRAWN = frozenset((*range(0xC0, 0xD0), _SCAN, 0xDB, 0xDC, 0xDD)) - {0xC8}
"""Markers of segments a picture is drawn from: frames, tables, scans."""
_JPEG_KEPT = ((0xE0, b"JFIF\0"), (0xE2, b"ICC_PROFILE\0"), (0xEE, b"Adobe"))

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset(
    (b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"bKGD", b"pHYs", b"hIST",
     b"sPLT", b"acTL", b"fcTL", b"fdAT")
)  # fmt: skip
_GIF_KEPT = (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")
_WEBP_KEPT = frozenset((b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"))
_WEBP_EXIF_AND_XMP = 0x0C


def without_metadata(data: bytes, media_type: str) -> bytes:
    """The same picture without metadata.

    :param media_type: ``image/jpeg``, ``image/png``, ``image/gif`` or ``image/webp``.
    :raises Unusable: ``broken``: it does not have that form.
    """
    try:
        return b"".join(_WALKS[media_type](data))
    except IndexError:
        raise Unusable("broken") from None


def webp_pixels(data: bytes) -> int:
    """Pixels of a WebP picture that says so in front; 0 for one without that header, which 14 bits a side bound."""
    if data[12:16] != b"VP8X":
        return 0
    return (1 + int.from_bytes(data[24:27], "little")) * (1 + int.from_bytes(data[27:30], "little"))


def _steps() -> Iterator[int]:
    """Counts blocks, and gives up at too many."""
    yield from range(MOST_BLOCKS)
    raise Unusable("broken")


def _jpeg(data: bytes) -> Iterator[bytes]:
    yield data[:2]
    at, scans = 2, count(1)
    for _ in _steps():
        found = _MARKER.match(data, at)
        if found is None:
            raise Unusable("broken")
        marker, at = found[1][0], found.end()
        if marker == _END:
            break
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue  # stands alone, and has no business here
        end = at + int.from_bytes(data[at : at + 2], "big")
        if end < at + 2 or end > len(data):
            raise Unusable("broken")
        if _jpeg_keeps(marker, data[at + 2 : at + 16]):
            yield bytes((0xFF, marker)) + data[at:end]
        at = end
        if marker == _SCAN:
            if next(scans) > MOST_SCANS:
                raise Unusable("broken")
            stop = _SCAN_END.search(data, at)
            at = stop.start() if stop else len(data)
            yield data[end:at]
            if stop is None:
                break  # whether anything is missing, the decoder knows
    yield b"\xff\xd9"


def _jpeg_keeps(marker: int, begins: bytes) -> bool:
    return marker in _JPEG_DRAWN or any(marker == kept and begins.startswith(name) for kept, name in _JPEG_KEPT)


def _png(data: bytes) -> Iterator[bytes]:
    yield PNG_SIGNATURE
    at = len(PNG_SIGNATURE)
    for _ in _steps():
        name = data[at + 4 : at + 8]
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if len(name) < 4 or end > len(data):
            raise Unusable("broken")
        # A capital letter in front means that the picture cannot be shown without the chunk.
        if 0x41 <= name[0] <= 0x5A or name in _PNG_KEPT:
            yield data[at:end]
        if name == b"IEND":
            return
        at = end


def _gif(data: bytes) -> Iterator[bytes]:
    at = 13 + _colours(data[10])
    yield data[:at]
    for _ in _steps():
        block = data[at] if at < len(data) else 0x3B  # many files lack the last byte
        if block == 0x3B:
            break
        if block == 0x2C:
            end = _past_parts(data, at + 11 + _colours(data[at + 9]))
            yield data[at:end]
        elif block == 0x21:
            end = _past_parts(data, at + 2)
            label, name = data[at + 1], data[at + 3 : at + 14]
            if label == 0xF9 or (label == 0xFF and name in _GIF_KEPT):
                yield data[at:end]
        elif block == 0:
            end = at + 1
        else:
            raise Unusable("broken")
        at = end
    yield b";"


def _colours(flags: int) -> int:
    """Bytes of the colour table that `flags` announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _past_parts(data: bytes, at: int) -> int:
    """Where a row of parts ends, each after its length, the last of length 0."""
    for _ in _steps():
        length = data[at]
        at += 1 + length
        if not length:
            return at
    raise AssertionError("unreachable")


def _webp(data: bytes) -> Iterator[bytes]:
    chunks = list(_webp_chunks(data))
    yield b"RIFF" + (4 + sum(map(len, chunks))).to_bytes(4, "little") + b"WEBP"
    yield from chunks


def _webp_chunks(data: bytes) -> Iterator[bytes]:
    at, last = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    for _ in _steps():
        if at >= last:
            return
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size
        if end > len(data):
            raise Unusable("broken")
        chunk = data[at:end] + b"\0" * (size & 1)
        if name == b"VP8X":
            chunk = chunk[:8] + bytes((chunk[8] & ~_WEBP_EXIF_AND_XMP,)) + chunk[9:]
        if name in _WEBP_KEPT:
            yield chunk
        at = end + (size & 1)


_WALKS = {"image/jpeg": _jpeg, "image/png": _png, "image/gif": _gif, "image/webp": _webp}
WALKED = frozenset(_WALKS)
"""Media types that :func:`without_metadata` knows."""
