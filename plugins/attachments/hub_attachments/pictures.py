"""Pictures: decoded to see that they are whole, turned upright, freed of metadata, and made small enough to be sent.

Pillow is imported on first use. Its decoders run in C without the interpreter's lock; what they may cost is bounded by
the number of pixels, which is read from the header before anything is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hub_attachments.containers import PNG_SIGNATURE, WALKED, webp_pixels, without_metadata
from hub_attachments.unusable import Unusable

if TYPE_CHECKING:
    from PIL.Image import Image

MMS_TYPES = frozenset(("image/jpeg", "image/png", "image/gif"))
"""What Twilio fits to the recipient's carrier (Twilio: accepted MIME types)."""
ORIENTATION = 0x0112
"""The EXIF tag that says how a picture was held."""

FORMATS = MappingProxyType(
    {
        "image/jpeg": ("JPEG", "MPO"),
        "image/png": ("PNG",),
        "image/gif": ("GIF",),
        "image/webp": ("WEBP",),
        "image/tiff": ("TIFF",),
        "image/bmp": ("BMP",),
        "image/avif": ("AVIF",),
        "image/heic": ("HEIF",),
    }
)
"""Media types and the names of Pillow's decoders for them; no other decoder is ever used."""

JPEG_STEPS = (
    (0, 85), (0, 70), (3000, 80), (2400, 80), (2400, 65), (1800, 75), (1200, 75), (1200, 60), (800, 60), (480, 50),
    (240, 40),
)  # fmt: skip
"""Longest side (0: as it is) and quality, tried until one fits. The last one fits whatever the picture shows."""
PNG_STEPS = (0, 2048, 1536, 1024, 768, 512, 320, 160)
"""The same for pictures one can see through; PNG has no quality."""
LARGE_PNG_PIXELS = 8_000_000
"""PNG compresses slowly, so a larger one is scaled down first."""

HEAD_BYTES = 200
"""What :func:`kind` looks at."""
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def kind(data: bytes) -> str:
    """The media type of a picture by its first bytes; empty when it is none of :data:`FORMATS`."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(PNG_SIGNATURE):
        return "image/png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith((b"II*\0", b"MM\0*")):
        return "image/tiff"
    if data.startswith(b"BM"):
        return "image/bmp"
    if data[4:8] == b"ftyp":
        return _kind_by_brand(data)
    return ""


def _kind_by_brand(data: bytes) -> str:
    brands = data[8 : min(int.from_bytes(data[:4], "big"), HEAD_BYTES)]
    if b"avif" in brands or b"avis" in brands:
        return "image/avif"
    return "image/heic" if any(brand in brands for brand in _HEIC_BRANDS) else ""


def decodable(media_type: str) -> bool:
    """Whether there is a decoder for pictures of a type that :func:`kind` told."""
    return media_type in FORMATS and (media_type != "image/heic" or _heif())


def cleaned(data: bytes, media_type: str, max_pixels: int, *, strip: bool) -> bytes:
    """The picture, upright and without metadata; as it is when `strip` is not set.

    JPEG, PNG, GIF and WebP keep their pixels as they are compressed, all frames included, unless the picture has to be
    turned. AVIF and HEIC become JPEG, or PNG where one can see through them.

    :param media_type: as :func:`kind` told it; it has to be decodable.
    :raises Unusable: ``broken`` or ``too_many_pixels``.
    """
    if media_type == "image/webp" and webp_pixels(data) > max_pixels:
        raise Unusable("too_many_pixels")
    bare = without_metadata(data, media_type) if media_type in WALKED else b""
    with _opened(data, media_type, max_pixels) as image:
        if not strip or media_type == "image/bmp":
            return data
        if media_type == "image/tiff":
            return _clean_tiff(image, max_pixels)
        if not bare:
            return _recoded(image)
        turned = _turned(image)
        return bare if turned is None else _saved_like(image, turned, data, media_type)


def smaller(data: bytes, media_type: str, max_bytes: int, max_pixels: int) -> bytes | None:
    """A JPEG of at most `max_bytes`, or a PNG where one can see through the picture; of an animation, its first frame.

    :param media_type: as :func:`kind` told it; it has to be decodable. :returns: None when it cannot be done.
    :raises Unusable: ``broken`` or ``too_many_pixels``.
    """
    if media_type == "image/webp" and webp_pixels(data) > max_pixels:
        raise Unusable("too_many_pixels")
    with _opened(data, media_type, max_pixels) as image:
        return _fitting(_turned(image) or image, max_bytes)


@contextmanager
def _opened(data: bytes, media_type: str, max_pixels: int) -> Iterator[Image]:
    """The decoded picture. Whatever goes wrong until the end of the block is the file's fault."""
    from PIL import Image

    try:
        with Image.open(BytesIO(data), formats=FORMATS[media_type]) as image:
            if image.width * image.height > max_pixels:
                raise Unusable("too_many_pixels")
            image.load()
            yield image
    except Unusable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        raise Unusable("too_many_pixels") from None
    except Exception:  # decoders raise many kinds of errors for what they do not understand
        raise Unusable("broken") from None


def _turned(image: Image) -> Image | None:
    """The picture as EXIF wants it to be held; None when it is upright already."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM, 5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90,
    }  # fmt: skip
    if getattr(image, "is_animated", False) and image.format not in ("MPO", "TIFF"):
        return None  # viewers do not turn animations either
    try:
        turn = turns.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # EXIF that cannot be read asks for nothing
        return None
    return image.transpose(turn) if turn is not None else None


def _saved_like(original: Image, turned: Image, data: bytes, media_type: str) -> bytes:
    """`turned` in the format of `original`, with about its quality."""
    if media_type == "image/jpeg":
        from PIL.JpegImagePlugin import get_sampling

        return _saved(
            turned,
            "JPEG",
            qtables=original.quantization,  # type: ignore[attr-defined]
            subsampling=get_sampling(original),
            progressive=bool(original.info.get("progressive")),
            optimize=True,
        )
    if media_type == "image/webp":
        return _saved(turned, "WEBP", lossless=b"VP8L" in data, quality=90)
    return _saved(turned, FORMATS[media_type][0])


def _saved(image: Image, name: str, **options: Any) -> bytes:
    """`image` as a file that holds its pixels, its transparency and its colour profile, and nothing else."""
    image.info = _kept(image)
    profile = image.info.get("icc_profile")
    file = BytesIO()
    image.save(file, name, **({"icc_profile": profile} if profile else {}), **options)
    return file.getvalue()


def _kept(image: Image) -> dict[Any, Any]:
    return {key: value for key, value in image.info.items() if key in ("icc_profile", "transparency")}


def _clean_tiff(image: Image, max_pixels: int) -> bytes:
    """All pages, each copied, because Pillow passes tags of a TIFF it has opened on to the one it writes."""
    from PIL import ImageSequence

    pages: list[Image] = []
    left = max_pixels
    for page in ImageSequence.Iterator(image):
        left -= page.width * page.height
        if left < 0:
            raise Unusable("too_many_pixels")
        page.load()
        copy = _turned(page) or page.copy()
        copy.info = _kept(copy)
        pages.append(copy)
    compression = "group4" if all(page.mode == "1" for page in pages) else "tiff_adobe_deflate"
    return _saved(pages[0], "TIFF", compression=compression, save_all=True, append_images=pages[1:])


def _recoded(image: Image) -> bytes:
    upright = _drawable(_turned(image) or image)
    if upright.mode == "RGBA":
        if upright.width * upright.height > LARGE_PNG_PIXELS:
            upright.thumbnail((PNG_STEPS[1], PNG_STEPS[1]))
        return _saved(upright, "PNG")
    return _saved(upright, "JPEG", quality=90, optimize=True)


def _fitting(image: Image, max_bytes: int) -> bytes | None:
    image = _drawable(image)
    steps = [(side, 0) for side in PNG_STEPS] if image.mode == "RGBA" else JPEG_STEPS
    for side, quality in steps:
        if side == 0 and not quality and image.width * image.height > LARGE_PNG_PIXELS:
            continue
        if side:
            image.thumbnail((side, side))
        found = _saved(image, "JPEG", quality=quality, optimize=True) if quality else _saved(image, "PNG")
        if len(found) <= max_bytes:
            return found
    return None


def _drawable(image: Image) -> Image:
    """A copy in grey, RGB, or RGBA where one can see through it, which is all that JPEG and PNG need."""
    profile = image.info.get("icc_profile") if image.mode in ("L", "LA", "P", "PA", "RGB", "RGBA", "RGBX") else None
    if image.mode.startswith(("I", "F")):
        # 16 bits for each pixel; converting would cut everything off above 255.
        image = image.convert("F").point(lambda value: value / 256 + 0).convert("L")
    if image.has_transparency_data:
        drawn = image.convert("RGBA")
        if drawn.getchannel("A").getextrema() == (255, 255):
            drawn = drawn.convert("RGB")
    else:
        drawn = image.copy() if image.mode == "L" else image.convert("L" if image.mode == "1" else "RGB")
    drawn.info = {"icc_profile": profile} if profile else {}
    return drawn


def _heif() -> bool:
    """Whether HEIC can be decoded: with the package ``pillow-heif``."""
    try:
        from pillow_heif import register_heif_opener  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        return False
    register_heif_opener()
    return True
