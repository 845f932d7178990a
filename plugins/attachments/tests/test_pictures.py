"""Pictures people send: cleaned, turned upright, made small enough, or dropped."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from typing import Any

import pytest
from hub_attachments import pictures
from hub_attachments.containers import MOST_SCANS, without_metadata
from hub_attachments.unusable import Unusable
from PIL import Image, ImageCms, ImageSequence
from PIL.PngImagePlugin import PngInfo

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SECRETS = (b"Secret Phones", b"Exif", b"secret words", b"x:xmpmeta")
XMP = b"<x:xmpmeta>secret words</x:xmpmeta>"


def reddish(image: Image.Image, x: int, y: int) -> bool:
    red, _, blue = image.convert("RGB").getpixel((x, y))
    return red > blue


def assert_bare(make: Any, data: bytes) -> Image.Image:
    image = make.opened(data)
    exif = image.getexif()
    if image.format == "TIFF":  # its own fields are numbered like those of EXIF
        assert make.GPS not in exif
        assert exif.get(make.ORIENTATION, 1) == 1
    else:
        assert not exif, "there is EXIF left"
    assert not any(secret in data for secret in SECRETS)
    return image


# -- metadata


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_metadata_goes_and_pixels_and_profile_stay(bench: Any, make: Any, name: str) -> None:
    options: dict[str, Any] = {"exif": make.gps(), "icc_profile": PROFILE}
    if name == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Comment", "secret words")
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    elif name != "TIFF":
        options |= {"xmp": XMP} | ({"comment": b"secret words"} if name == "JPEG" else {})
    sent = make.saved(make.corners(), name, **options)
    assert b"Secret Phones" in sent
    entry, data = bench.through(sent, accepted_types=["image/*"])
    image = assert_bare(make, data)
    assert image.format == name
    assert image.tobytes() == make.opened(sent).tobytes()
    assert image.info["icc_profile"] == PROFILE
    assert entry == {"name": "", "media_type": f"image/{name.lower()}", "size": len(data)}


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_rotation_is_applied(bench: Any, make: Any, name: str, orientation: int) -> None:
    sent = make.saved(make.corners(), name, exif=make.gps(orientation), icc_profile=PROFILE)
    image = assert_bare(make, bench.through(sent, accepted_types=["image/*"])[1])
    turned = orientation >= 5
    assert image.size == ((24, 40) if turned else (40, 24))
    assert image.info["icc_profile"] == PROFILE
    right = orientation in (2, 3, 6, 7)
    low = orientation in (3, 4, 7, 8)
    width, height = image.size
    for at_right in (False, True):
        for at_bottom in (False, True):
            x, y = (width - 3 if at_right else 2), (height - 3 if at_bottom else 2)
            assert reddish(image, x, y) == ((at_right, at_bottom) == (right, low))


def test_a_turned_jpeg_keeps_about_its_quality(bench: Any, make: Any) -> None:
    photo = make.noise(200, 100).resize((800, 400))
    for quality in (40, 92):
        sent = make.saved(photo, "JPEG", quality=quality, exif=make.gps(6))
        _, data = bench.through(sent)
        assert 0.7 < len(data) / len(sent) < 1.3
        assert make.opened(data).quantization == make.opened(sent).quantization


def test_without_stripping_nothing_changes(bench: Any, make: Any) -> None:
    sent = make.saved(make.corners(), "JPEG", exif=make.gps(6))
    assert bench.through(sent, strip_metadata=False)[1] == sent


def test_a_bare_picture_is_not_touched(bench: Any, make: Any) -> None:
    for name in ("JPEG", "PNG", "GIF", "WEBP"):
        turn = bench.turn(make.saved(make.corners(), name))
        bench.premessage(turn)
        assert turn.attachments.changes == 0, name


def frames(data: bytes) -> list[bytes]:
    with Image.open(io.BytesIO(data)) as image:
        return [frame.convert("RGBA").tobytes() for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_animations_keep_their_frames(bench: Any, make: Any, name: str) -> None:
    pages = [make.corners(), make.corners().rotate(90), make.corners().rotate(180)]
    options = {"comment": b"secret words"} if name == "GIF" else {"exif": make.gps(6)}
    more = {"lossless": True} if name == "WEBP" else {}
    sent = make.saved(pages[0], name, save_all=True, append_images=pages[1:], duration=80, loop=3, **options, **more)
    _, data = bench.through(sent)
    image = assert_bare(make, data)
    assert len(data) < len(sent)
    assert frames(data) == frames(sent)
    assert len(frames(data)) == 3
    assert (image.info.get("loop"), image.info.get("duration")) == (3, 80)


def test_xmp_and_unknown_extensions_of_a_gif_go(make: Any) -> None:
    sent = make.saved(make.corners(), "GIF")
    xmp = b"\x21\xff\x0bXMP DataXMP" + XMP + b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    assert without_metadata(sent[:-1] + xmp + b";what follows", "image/gif") == sent


def test_previews_and_further_pictures_of_a_jpeg_go(bench: Any, make: Any) -> None:
    small = make.saved(make.corners(16, 16), "JPEG", exif=make.gps())
    sent = make.saved(make.corners(), "MPO", save_all=True, append_images=[make.corners(16, 16)], exif=make.gps())
    sent = sent[:2] + b"\xff\xe0" + struct.pack(">H", len(small) + 2) + small + sent[2:] + small
    _, data = bench.through(sent)
    assert make.opened(data).format == "JPEG"
    assert data.count(b"\xff\xd8\xff") == 1
    assert_bare(make, data)


def test_segments_nobody_has_heard_of_go(make: Any) -> None:
    sent = make.saved(make.corners(), "JPEG")
    for marker in (0x02, 0xBF, 0xC8, 0xE2, 0xEF, 0xF0, 0xFD, 0xFE):
        hidden = bytes((0xFF, marker)) + struct.pack(">H", 2 + len(XMP)) + XMP
        assert without_metadata(sent[:2] + hidden + sent[2:], "image/jpeg") == sent, hex(marker)


def test_pages_of_a_tiff_stay(bench: Any, make: Any) -> None:
    pages = [make.corners(), make.corners(30, 30), make.corners().convert("1")]
    sent = make.saved(pages[0], "TIFF", save_all=True, append_images=pages[1:], exif=make.gps())
    _, data = bench.through(sent, accepted_types=["image/tiff"])
    assert_bare(make, data)
    assert frames(data) == frames(sent)
    assert bench.through(sent, accepted_types=["image/tiff"], max_pixels=10_000)[1] is not None
    many = make.saved(pages[0], "TIFF", save_all=True, append_images=[pages[0]] * 11)
    assert bench.through(many, accepted_types=["image/tiff"], max_pixels=10_000)[0]["rejected"] == "too_many_pixels"


@pytest.mark.parametrize(("mode", "result"), [("RGB", "image/jpeg"), ("RGBA", "image/png")])
def test_avif_becomes_what_everybody_can_show(bench: Any, make: Any, mode: str, result: str) -> None:
    image = make.corners(mode=mode)
    if mode == "RGBA":
        image.putpixel((39, 23), (0, 0, 0, 0))
    entry, data = bench.through(make.saved(image, "AVIF", exif=make.gps()), accepted_types=["image/avif"])
    assert entry["media_type"] == result
    assert assert_bare(make, data).size == (40, 24)


def test_heic_is_converted_where_it_can_be_decoded(bench: Any, make: Any) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    sent = make.saved(make.corners(64, 64), "HEIF", exif=make.gps())
    entry, data = bench.through(sent)
    assert entry["media_type"] == "image/jpeg"
    assert reddish(assert_bare(make, data), 5, 5)


def test_a_picture_in_disguise_is_cleaned(bench: Any, make: Any) -> None:
    sent = make.saved(make.corners(), "JPEG", exif=make.gps())
    for media_type in ("application/octet-stream", "video/mp4", "text/plain", ""):
        turn = bench.turn(bench.file(sent, media_type))
        assert bench.listed(turn)[0]["media_type"] == "image/jpeg"
        assert_bare(make, next(iter(turn.attachments)).read())


def test_heic_without_a_decoder_is_not_passed_on(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 99
    for media_type in ("image/heif", "video/mp4"):
        turn = bench.turn(bench.file(heic, media_type), accepted_types=["*/*"])
        assert bench.listed(turn)[0]["rejected"] == "not_cleaned"
        assert len(turn.attachments) == 0


def test_a_picture_nobody_can_clean_is_dropped(bench: Any) -> None:
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    assert bench.through(svg, accepted_types=["image/*"])[0]["rejected"] == "not_cleaned"
    assert bench.through(svg, accepted_types=["image/*"], strip_metadata=False)[1] == svg


# -- pictures that are not what they should be


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
def test_a_truncated_picture_is_broken(bench: Any, make: Any, name: str) -> None:
    sent = make.saved(make.noise(100, 100), name)
    for settings in ({}, {"strip_metadata": False}):
        entry, _ = bench.through(sent[: len(sent) // 2], accepted_types=["image/*"], **settings)
        assert entry["rejected"] == "broken"
    assert [event["reason"] for event in bench.events("attachment_rejected")] == ["broken", "broken"]


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = zlib.compress(b"\0" * 1000)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8_000, 9_800, 14_000, 100_000])
def test_a_decompression_bomb_is_not_decoded(bench: Any, side: int) -> None:
    # Pillow itself warns from 89 and refuses from 178 million pixels.
    assert bench.through(png_header(side, side))[0]["rejected"] == "too_many_pixels"


def test_the_limit_of_pixels_is_a_setting(bench: Any, make: Any) -> None:
    for name in ("JPEG", "PNG", "GIF", "WEBP"):
        sent = make.saved(make.corners(101, 100), name)
        assert bench.through(sent, max_pixels=10_000)[0]["rejected"] == "too_many_pixels"
        assert bench.through(sent, max_pixels=10_100)[1] is not None


def test_a_large_webp_canvas_is_seen_before_it_is_made() -> None:
    canvas = b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0" + b"\xff\x3f\0" * 2 + b"\0" * 8
    with pytest.raises(Unusable, match="max_pixels"):
        pictures.cleaned(canvas, "image/webp", 50_000_000, strip=True)


def test_a_jpeg_of_endless_scans_is_not_decoded(bench: Any, make: Any) -> None:
    sent = make.saved(make.noise(200, 200), "JPEG", progressive=True)
    last = sent.rindex(b"\xff\xda")
    assert bench.through(sent)[1] == sent
    assert bench.through(sent[:-2] + sent[last:-2] * MOST_SCANS + sent[-2:])[0]["rejected"] == "broken"


def test_many_small_blocks_come_to_an_end(make: Any) -> None:
    png = make.saved(make.corners(), "PNG")
    floods = {
        "image/jpeg": b"\xff\xd8" + b"\xff\xe1\0\2" * 1_000_000,
        "image/png": png[:33] + (b"\0\0\0\0aaaa" + b"\0" * 4) * 1_000_000,
        "image/gif": b"GIF89a\1\0\1\0\0\0\0" + b"\0" * 10_000_000,
        "image/webp": b"RIFF\xff\xff\xff\x7fWEBP" + (b"ABCD" + b"\0" * 4) * 1_000_000,
    }
    for media_type, flood in floods.items():
        with pytest.raises(Unusable):
            without_metadata(flood, media_type)


# -- sizes


def test_a_large_photo_is_brought_under_the_limit(bench: Any, make: Any) -> None:
    tile, photo = make.noise(800, 600), Image.new("RGB", (6_400, 4_800))
    for place in range(64):
        photo.paste(tile, (place % 8 * 800, place // 8 * 600))
    sent = make.saved(photo, "JPEG", quality=95, exif=make.gps(6), icc_profile=PROFILE)
    assert len(sent) > 4_800_000
    entry, data = bench.through(sent, max_bytes=len(sent))
    assert 1_000_000 < len(data) <= 4_800_000
    image = assert_bare(make, data)
    assert abs(image.height / image.width - 4 / 3) < 0.01
    assert image.info["icc_profile"] == PROFILE
    assert entry == {"name": "", "media_type": "image/jpeg", "size": len(data)}


def test_whatever_it_shows_it_fits(bench: Any, make: Any) -> None:
    for mode, result in (("RGB", "image/jpeg"), ("RGBA", "image/png"), ("L", "image/jpeg")):
        sent = make.saved(make.noise(900, 900, mode), "PNG")
        entry, data = bench.through(sent, max_picture_bytes=200_000)
        assert len(data) <= 200_000
        assert entry["media_type"] == result
        assert bench.through(sent, max_picture_bytes=200_000)[1] == data, "the same picture gives the same bytes"


def test_transparency_is_kept(bench: Any, make: Any) -> None:
    picture = make.noise(500, 500).convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 250, 500))
    entry, data = bench.through(make.saved(picture, "PNG", icc_profile=PROFILE), max_picture_bytes=200_000)
    image = make.opened(data)
    assert (entry["media_type"], image.mode) == ("image/png", "RGBA")
    assert image.getpixel((2, image.height // 2))[3] == 0
    assert image.getpixel((image.width - 3, image.height // 2))[3] == 255
    solid = make.noise(500, 500).convert("RGBA")
    assert bench.through(make.saved(solid, "PNG"), max_picture_bytes=200_000)[0]["media_type"] == "image/jpeg"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_pictures_of_every_mode_can_be_shrunk(make: Any, mode: str) -> None:
    if mode == "I;16":
        picture = Image.frombytes("I;16", (60, 60), b"\x00\x80" * 3600)
    else:
        picture = make.corners(60, 60).convert(mode)
    name = "JPEG" if mode == "CMYK" else "PNG"
    data = make.saved(picture, name)
    found = pictures.smaller(data, pictures.kind(data), 200_000, 50_000_000)
    assert found is not None
    image = make.opened(found)
    assert image.size == (60, 60)
    if mode == "I;16":
        assert image.getpixel((5, 5)) in (127, 128, 129)
    elif mode not in ("1", "L", "LA"):
        assert reddish(image, 10, 10)
        assert not reddish(image, 50, 50)


def test_an_animation_that_is_too_large_becomes_a_still(bench: Any, make: Any) -> None:
    pages = [make.noise(300, 300).quantize(256) for _ in range(4)]
    sent = make.saved(pages[0], "GIF", save_all=True, append_images=[page.rotate(90) for page in pages])
    entry, data = bench.through(sent, max_picture_bytes=200_000)
    assert (entry["media_type"], len(data) <= 200_000) == ("image/jpeg", True)
