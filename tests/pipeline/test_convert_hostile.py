"""Files made to harm: bombs, lies, loops. Each is refused from its header, or in bounds."""

from __future__ import annotations

import random
import struct
import zlib

import numpy as np
import pytest

from tests import pictures
from tests.pictures import VARIANTS, Variant
from webapp.errors import Rejected
from webapp.pipeline.convert import Converted, Limits, convert
from webapp.pipeline.errors import ImageDamaged, ImageTooLarge, UnsupportedImage
from webapp.pipeline.recognise import HEAD_LENGTH, Kind, recognise

LIMITS = Limits(max_pixels=100_000_000)
OUTCOMES = {
    "converted",
    "image-damaged",
    "image-too-large",
    "unsupported-image",
    "unrecognised",
}


def converted(content: bytes, max_pixels: int = LIMITS.max_pixels) -> Converted:
    kind = recognise(content[:HEAD_LENGTH])
    return convert(content, kind, b"g" * 32, Limits(max_pixels))


def huge_png(side: int) -> bytes:
    """A picture of nothing, whose rows deflate a thousandfold."""
    packer = zlib.compressobj(1)
    line = bytes(1 + side)
    body = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(pictures.png_chunk(*chunk) for chunk in chunks)


def claiming(form: str, side: int) -> bytes:
    """A small file whose header claims ``side`` by ``side`` pixels."""
    size = struct.pack(">II", side, side)
    little = struct.pack("<HH", min(side, 65535), min(side, 65535))
    if form == "PNG":
        content = pictures.save(pictures.GREY, "PNG")
        return content[:16] + size + content[24:]
    if form == "GIF":
        content = pictures.save(pictures.GREY, "GIF")
        return content[:6] + little + content[10:]
    if form == "BMP":
        content = pictures.save(pictures.GREY, "BMP")
        return content[:18] + struct.pack("<ii", side, side) + content[26:]
    if form == "WEBP":
        content = pictures.save(np.dstack([pictures.COLOUR, pictures.ALPHA]), "WEBP", exif=b"x")
        dimension = (side - 1).to_bytes(3, "little")
        return content[:24] + dimension + dimension + content[30:]
    if form == "TIFF":
        return pictures.bare_tiff(bytes(100), 8, width=side, height=side)
    content = pictures.save(pictures.COLOUR, "JPEG2000")
    at = content.index(b"\xff\x4f\xff\x51") + 8
    return content[:at] + size + content[at + 8 :]


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "WEBP", "TIFF", "JPEG2000"])
def test_a_claim_of_30000_by_30000_is_refused_from_the_header(form: str) -> None:
    with pytest.raises(ImageTooLarge):
        converted(claiming(form, 30_000))


def test_a_png_bomb_is_refused() -> None:
    with pytest.raises(ImageTooLarge):
        converted(huge_png(12_000))


@pytest.mark.parametrize("side", [0, 1 << 31])
def test_impossible_sizes_are_refused(side: int) -> None:
    with pytest.raises((ImageDamaged, ImageTooLarge)):
        converted(claiming("PNG", side))


def test_a_side_that_dicom_cannot_state_is_unsupported() -> None:
    with pytest.raises(UnsupportedImage):
        converted(pictures.png(np.zeros((1, 70_000), np.uint8), 8, 0))


def test_a_gif_with_a_million_frames_is_refused_before_one_is_decoded() -> None:
    frame = b"\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
    head = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff"

    with pytest.raises(ImageTooLarge):
        converted(head + frame * 1_000_000 + b";")


def test_an_animation_that_claims_a_million_frames_is_refused() -> None:
    control = (b"acTL", struct.pack(">II", 1_000_000, 0))

    with pytest.raises(ImageTooLarge):
        converted(pictures.png(pictures.GREY, 8, 0, control))


def test_an_animation_with_fewer_frames_than_claimed_goes_as_far_as_it_can() -> None:
    content = pictures.moving("PNG", [100] * 4)
    at = content.index(b"acTL")
    claim = pictures.png_chunk(b"acTL", struct.pack(">II", 9, 0))

    result = converted(content[: at - 4] + claim + content[at + 16 :])

    assert result.notes == ("image-truncated",)


def test_a_tiff_of_too_many_pages_is_refused() -> None:
    with pytest.raises(ImageTooLarge):
        converted(pictures.pages(*[(pictures.GREY[:2, :2], {})] * 40), max_pixels=100_000)


def test_a_tiff_whose_directories_go_in_circles_ends() -> None:
    content = bytearray(pictures.bare_tiff(bytes(pictures.GREY), 8))
    content[-4:] = content[4:8]

    assert converted(bytes(content)).content


def test_frames_count_towards_the_limit() -> None:
    content = pictures.tiff(np.stack([pictures.GREY] * 3), photometric="minisblack")

    with pytest.raises(ImageTooLarge):
        converted(content, max_pixels=pictures.GREY.size * 2)


def test_raw_sensor_data_is_unsupported() -> None:
    with pytest.raises(UnsupportedImage):
        converted(pictures.tiff(pictures.GREY, photometric=32803, extratags=[]))


def test_heic_is_recognised_and_unsupported() -> None:
    with pytest.raises(UnsupportedImage):
        convert(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Kind.HEIC, b"g" * 32, LIMITS)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.title)
def test_damaged_files_are_converted_or_refused(variant: Variant) -> None:
    """Cut, or with bytes turned over: never another error than Rejected, never endless."""
    content = variant.make()
    dice = random.Random(variant.title)

    for _ in range(12):
        broken = bytearray(content[: dice.randrange(20, len(content) + 1)])
        for _ in range(dice.randrange(4)):
            broken[dice.randrange(8, len(broken))] ^= 1 << dice.randrange(8)
        assert outcome(bytes(broken)) in OUTCOMES


def outcome(content: bytes) -> str:
    try:
        converted(content)
    except Rejected as error:
        return error.code
    return "converted"
