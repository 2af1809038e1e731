"""JPEG: what is carried byte by byte, what is left behind, what has to be decoded."""

from __future__ import annotations

import io
import struct

import numpy as np
import pydicom
import pytest
from pydicom.encaps import get_frame
from pydicom.pixels import pixel_array

from tests import pictures
from webapp.errors import Rejected
from webapp.pipeline.convert import Converted, Limits, convert, needs_decoding
from webapp.pipeline.convert.jpeg_stream import read_jpeg
from webapp.pipeline.errors import ImageDamaged, ImageTooLarge, UnsupportedImage
from webapp.pipeline.recognise import Kind

LIMITS = Limits(max_pixels=100_000_000)
SECRET = b"Invented^Patient"


def converted(content: bytes) -> Converted:
    return convert(content, Kind.JPEG, b"g" * 32, LIMITS)


def frame_of(content: bytes) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(converted(content).content))
    return get_frame(dataset.PixelData, 0, number_of_frames=1)


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def with_segments(content: bytes, *segments: bytes) -> bytes:
    """Directly after the start of image, and again in front of the scan."""
    scan = content.index(b"\xff\xda")
    extra = b"".join(segments)
    return content[:2] + extra + content[2:scan] + extra + content[scan:]


def entropy(content: bytes) -> bytes:
    """From the start of scan to the end of image."""
    start = content.index(b"\xff\xda")
    return content[start : content.rindex(b"\xff\xd9") + 2]


def with_size(content: bytes, rows: int, columns: int) -> bytes:
    at = content.index(b"\xff\xc0")
    return content[: at + 5] + struct.pack(">HH", rows, columns) + content[at + 9 :]


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_entropy_coded_data_is_carried_byte_by_byte(subsampling: int) -> None:
    content = pictures.jpeg(subsampling=subsampling)

    assert entropy(frame_of(content)) == entropy(content)


def test_texts_are_left_behind() -> None:
    texts = [segment(0xFE, SECRET), segment(0xE1, b"Exif\0\0" + SECRET)]
    texts += [segment(marker, SECRET) for marker in range(0xE0, 0xF0)]
    texts += [segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\1\1abc" + SECRET)]
    texts += [segment(0xEE, b"Adobe\0\x64\0\0\0\0\1" + SECRET)]

    content = with_segments(pictures.jpeg(), *texts) + SECRET

    assert SECRET not in converted(content).content
    assert entropy(frame_of(content)) == entropy(pictures.jpeg())


def test_filling_between_segments_is_left_behind() -> None:
    content = pictures.jpeg()
    scan = content.index(b"\xff\xda")

    filled = content[:scan] + SECRET + content[scan:]

    assert SECRET not in converted(filled).content


def test_bytes_after_a_table_that_its_length_covers_are_left_behind() -> None:
    content = pictures.jpeg()
    at = content.index(b"\xff\xdb")
    length = int.from_bytes(content[at + 2 : at + 4], "big")
    table = content[at + 4 : at + 2 + length]

    padded = content[:at] + segment(0xDB, table + b"\0" + SECRET) + content[at + 2 + length :]

    assert SECRET not in converted(padded).content


def test_jfif_and_adobe_markers_stay_without_their_thumbnails() -> None:
    content = with_segments(pictures.jpeg(), segment(0xEE, b"Adobe\0\x64\0\0\0\0\1"))

    frame = frame_of(content)

    assert b"JFIF\0" in frame
    assert frame.count(b"Adobe") == 2


def test_nothing_is_decoded_of_a_baseline_jpeg() -> None:
    assert not needs_decoding(pictures.jpeg(), Kind.JPEG)
    assert not needs_decoding(pictures.turned_jpeg(1), Kind.JPEG)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_orientation_is_applied(orientation: int) -> None:
    content = pictures.turned_jpeg(orientation)
    upright = pictures.seen(pictures.jpeg())
    turned = {
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: np.swapaxes(upright, 0, 1),
        6: np.rot90(upright, -1),
        7: np.swapaxes(upright[::-1, ::-1], 0, 1),
        8: np.rot90(upright),
    }

    stored = pixel_array(pydicom.dcmread(io.BytesIO(converted(content).content)))

    assert np.array_equal(stored, turned[orientation])


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    assert not needs_decoding(pictures.turned_jpeg(orientation), Kind.JPEG)


def test_a_truncated_tail_is_tolerated_and_noted() -> None:
    content = pictures.jpeg()
    scan = content.index(b"\xff\xda")
    cut = content[: scan + (len(content) - scan) * 2 // 3]

    result = converted(cut)

    stored = pixel_array(pydicom.dcmread(io.BytesIO(result.content)))
    assert result.notes == ("image-truncated",)
    assert np.array_equal(stored[:16], pictures.seen(content)[:16])


def test_text_after_a_truncated_scan_is_not_carried() -> None:
    content = pictures.jpeg()

    assert SECRET not in converted(content[:-40] + SECRET).content


def test_a_jpeg_that_claims_more_than_its_bytes_can_hold_is_damaged() -> None:
    with pytest.raises(ImageDamaged):
        converted(with_size(pictures.jpeg(), 9000, 9000))


def test_a_jpeg_that_claims_more_than_the_limit_is_too_large() -> None:
    with pytest.raises(ImageTooLarge) as caught:
        converted(with_size(pictures.jpeg(), 65500, 65500))

    assert caught.value.facts == {"limit": 100_000_000}


@pytest.mark.parametrize(("rows", "columns"), [(0, 10), (10, 0)])
def test_a_jpeg_without_extent_is_damaged(rows: int, columns: int) -> None:
    with pytest.raises(ImageDamaged):
        converted(with_size(pictures.jpeg(), rows, columns))


def test_twelve_bits_are_refused() -> None:
    twelve = pictures.imagecodecs.jpeg_encode(pictures.GREY_16 >> 4, bitspersample=12)

    with pytest.raises(UnsupportedImage):
        converted(twelve)


@pytest.mark.parametrize("marker", [b"\xff\xc4", b"\xff\xdb"], ids=["Huffman", "quantisation"])
def test_a_jpeg_without_its_tables_is_not_carried_as_it_is(marker: bytes) -> None:
    content = pictures.jpeg()
    while marker in content[: content.index(b"\xff\xda")]:
        at = content.index(marker)
        content = content[:at] + content[at + 2 + int.from_bytes(content[at + 2 : at + 4], "big") :]

    assert needs_decoding(content, Kind.JPEG)


def test_any_prefix_is_converted_or_refused() -> None:
    content = pictures.jpeg(pictures.GREY)

    assert {outcome(content[:length]) for length in range(2, len(content), 7)} == {
        "image-damaged",
        "image-truncated",
    }


def outcome(content: bytes) -> str:
    try:
        return " ".join(converted(content).notes)
    except Rejected as error:
        return error.code


def test_density_by_the_centimetre_is_read() -> None:
    content = pictures.jpeg(dpi=(300, 300))
    at = content.index(b"JFIF\0") + 7

    stream = read_jpeg(content[:at] + b"\2\0\x76\0\x76" + content[at + 5 :])

    assert stream.resolution.spacing == pytest.approx((10 / 118, 10 / 118))
