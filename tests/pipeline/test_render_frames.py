"""Encapsulated frames: found without reading the others, decoded by every codec."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tests.pictures import COLOUR, GREY, GREY_16, Samples, jpeg, save
from tests.pipeline.instances import encapsulated, instance, shown, written
from webapp.pipeline.codecs import decode_frame
from webapp.pipeline.errors import DecodeFailed
from webapp.pipeline.pixels import PixelModule, values
from webapp.pipeline.render import RenderOptions, needs_decoding, render
from webapp.pipeline.render.header import read_header
from webapp.pipeline.source import BytesSource

PREFIX = "1.2.840.10008.1.2."
RLE, BASELINE, EXTENDED, LOSSLESS = "5", "4.50", "4.51", "4.70"
TWELVE = GREY_16 >> 4
WINDOW = {"WindowCenter": 128, "WindowWidth": 256}
FRAMES = [np.full_like(GREY, 40 * number) for number in range(1, 6)]


def rle(samples: Samples) -> bytes:
    return RLELosslessEncoder.encode(
        samples,
        rows=samples.shape[0],
        columns=samples.shape[1],
        samples_per_pixel=1 if samples.ndim == 2 else 3,
        number_of_frames=1,
        bits_allocated=samples.dtype.itemsize * 8,
        bits_stored=samples.dtype.itemsize * 8,
        pixel_representation=int(samples.dtype.kind == "i"),
        photometric_interpretation="MONOCHROME2" if samples.ndim == 2 else "RGB",
        transfer_syntax_uid=PREFIX + RLE,
        planar_configuration=0,
    )


LOSSLESS_CODECS: list[tuple[str, Callable[[Samples], bytes], Samples]] = [
    (RLE, rle, GREY),
    (RLE, rle, GREY_16),
    (RLE, rle, GREY_16.view(np.int16)),
    (RLE, rle, COLOUR),
    ("4.57", imagecodecs.ljpeg_encode, GREY_16),
    (LOSSLESS, imagecodecs.ljpeg_encode, GREY_16),
    (LOSSLESS, imagecodecs.ljpeg_encode, GREY_16.view(np.int16)),
    ("4.80", imagecodecs.jpegls_encode, GREY),
    ("4.80", imagecodecs.jpegls_encode, GREY_16),
    ("4.80", imagecodecs.jpegls_encode, COLOUR),
    ("4.90", lambda s: imagecodecs.jpeg2k_encode(s, level=0, codecformat="J2K"), GREY_16),
    ("4.90", lambda s: imagecodecs.jpeg2k_encode(s, level=0, codecformat="J2K"), COLOUR),
    ("4.91", lambda s: imagecodecs.jpeg2k_encode(s, level=0), GREY),
    ("4.201", imagecodecs.htj2k_encode, GREY_16),
    ("4.202", imagecodecs.htj2k_encode, COLOUR),
    ("4.110", lambda s: imagecodecs.jpegxl_encode(s, lossless=True), GREY_16),
    ("4.110", lambda s: imagecodecs.jpegxl_encode(s, lossless=True), COLOUR),
]


@pytest.mark.parametrize(("syntax", "encode", "samples"), LOSSLESS_CODECS)
def test_lossless_frames_decode_to_what_was_encoded(
    syntax: str, encode: Callable[[Samples], bytes], samples: Samples
) -> None:
    raw = samples.view(samples.dtype.str.replace("i", "u"))
    encoded = encode(samples if syntax == RLE else raw)
    header = read_header(BytesSource(written(encapsulated(samples, PREFIX + syntax, [encoded]))))

    decoded = decode_frame(header.module, encoded)

    assert np.array_equal(values(decoded.samples, decoded.module), samples)


@pytest.mark.parametrize(
    ("syntax", "encoded", "samples"),
    [
        (BASELINE, jpeg(GREY), GREY),
        (EXTENDED, imagecodecs.jpeg_encode(TWELVE, level=95, bitspersample=12), TWELVE),
        ("4.81", imagecodecs.jpegls_encode(GREY_16, level=2), GREY_16),
        ("4.203", imagecodecs.htj2k_encode(GREY, reversible=False), GREY),
        ("4.112", imagecodecs.jpegxl_encode(GREY, distance=0.5), GREY),
        ("4.111", imagecodecs.jpegxl_encode_jpeg(jpeg(GREY)), GREY),
    ],
    ids=["JPEG", "JPEG 12", "JPEG-LS near", "HTJ2K", "JPEG XL", "JPEG XL of JPEG"],
)
def test_lossy_frames_decode_to_nearly_what_was_encoded(
    syntax: str, encoded: bytes, samples: Samples
) -> None:
    header = read_header(BytesSource(written(encapsulated(samples, PREFIX + syntax, [encoded]))))

    decoded = decode_frame(header.module, encoded)

    difference = values(decoded.samples, decoded.module).astype(float) - samples
    assert np.abs(difference).mean() < 0.02 * float(samples.max())


@pytest.mark.parametrize(
    ("encoded", "stated"),
    [
        (jpeg(), "YBR_FULL_422"),
        (jpeg(), "RGB"),
        (jpeg(keep_rgb=True), "RGB"),
        (jpeg(subsampling=0), "YBR_FULL"),
        (imagecodecs.jpeg2k_encode(COLOUR, level=0, mct=True), "YBR_RCT"),
    ],
    ids=["YCbCr", "YCbCr that says RGB", "RGB", "4:4:4", "JPEG 2000"],
)
def test_colours_come_out_right_whatever_the_data_set_says(encoded: bytes, stated: str) -> None:
    syntax = "4.90" if stated == "YBR_RCT" else BASELINE
    dataset = encapsulated(COLOUR, PREFIX + syntax, [encoded], PhotometricInterpretation=stated)

    assert np.abs(shown(dataset).astype(int) - COLOUR).mean() < 4


def test_a_stream_without_markers_of_its_colours_is_what_the_data_set_says() -> None:
    stream = imagecodecs.jpeg_encode(COLOUR, level=95, colorspace="RGB", outcolorspace="RGB")
    at = stream.index(b"\xff\xee")
    bare = stream[:at] + stream[at + 16 :]
    ids = bare.index(b"\xff\xc0") + 10

    for number in range(3):  # component ids that say nothing
        old, new = bytes([bare[ids + 3 * number]]), bytes([number + 1])
        bare = bare[: ids + 3 * number] + new + bare[ids + 3 * number + 1 :]
        scan = bare.index(b"\xff\xda") + 5 + 2 * number
        assert bare[scan : scan + 1] == old
        bare = bare[:scan] + new + bare[scan + 1 :]

    picture = shown(encapsulated(COLOUR, PREFIX + BASELINE, [bare]))

    assert np.abs(picture.astype(int) - COLOUR).mean() < 4


@pytest.mark.parametrize(
    ("syntax", "encoded", "stated"),
    [
        (BASELINE, save(np.kron(GREY, np.ones((16, 16), np.uint8)), "JPEG"), "MONOCHROME2"),
        (
            "4.90",
            imagecodecs.jpeg2k_encode(np.kron(GREY, np.ones((16, 16), np.uint8)), level=0),
            "MONOCHROME2",
        ),
    ],
    ids=["JPEG", "JPEG 2000"],
)
def test_a_thumbnail_is_decoded_at_a_fraction_of_the_size(
    syntax: str, encoded: bytes, stated: str
) -> None:
    large = np.kron(GREY, np.ones((16, 16), np.uint8))
    dataset = encapsulated(large, PREFIX + syntax, [encoded], **WINDOW)
    module = read_header(BytesSource(written(dataset))).module

    reduced = decode_frame(module, encoded, 4)
    small = shown(dataset, max_size=83)

    assert reduced.samples.shape == (240, 332)
    assert np.abs(small.astype(float) - GREY).mean() < 2


def test_reduced_signed_16_bit_jpeg_2000_keeps_its_values() -> None:
    signed = np.kron((GREY_16 // 2).astype(np.int16) - 9000, np.ones((16, 16), np.int16))
    encoded = imagecodecs.jpeg2k_encode(signed, level=0)
    dataset = encapsulated(signed, PREFIX + "4.90", [encoded])
    module = read_header(BytesSource(written(dataset))).module

    reduced = decode_frame(module, encoded, 4)

    assert reduced.samples.shape == (240, 332)
    assert abs(float(reduced.samples.mean()) - float(signed.mean())) < 0.01 * 2**15


# Where a frame lies


def item(content: bytes, element: int = 0xE000) -> bytes:
    return struct.pack("<HHI", 0xFFFE, element, len(content)) + content


def several(table: bytes, *fragments: bytes) -> bytes:
    return item(table) + b"".join(item(part) for part in fragments) + item(b"", 0xE0DD)


ENCODED = [part + bytes(len(part) % 2) for part in (save(frame, "JPEG") for frame in FRAMES)]
SPLIT = [piece for part in ENCODED for piece in (part[:200], part[200:])]


def offsets(pieces_of_a_frame: int) -> bytes:
    table, at = [], 0
    for part in ENCODED:
        table.append(at)
        at += len(part) + 8 * pieces_of_a_frame
    return struct.pack(f"<{len(table)}I", *table)


LAYOUTS = {
    "one fragment a frame, with a table": encapsulate(ENCODED, has_bot=True),
    "one fragment a frame, without": encapsulate(ENCODED, has_bot=False),
    "two fragments a frame, with a table": several(offsets(2), *SPLIT),
    "two fragments a frame, without": several(b"", *SPLIT),
    "a table that points nowhere": several(b"\xff" * 20, *ENCODED),
    "a table too short": several(b"\0" * 8, *ENCODED),
    "an empty fragment at the end": several(b"", *ENCODED, b""),
    "no delimiter": several(b"", *ENCODED)[:-8],
}


@pytest.mark.parametrize("pixels", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_frame_is_found_in_every_arrangement(pixels: bytes, number: int) -> None:
    dataset = encapsulated(np.stack(FRAMES), PREFIX + BASELINE, ENCODED, **WINDOW)

    picture = shown(raw_file(dataset, pixels), frame=number)

    assert abs(int(picture[5, 5]) - 40 * number) <= 1


def raw_file(dataset: object, pixels: bytes) -> bytes:
    """The file with its pixel data exactly as given: pydicom would put it in order."""
    content = written(dataset)  # type: ignore[arg-type]
    start = content.index(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff") + 12
    return content[:start] + pixels


def test_a_frame_is_found_through_the_extended_offset_table() -> None:
    dataset = encapsulated(np.stack(FRAMES), PREFIX + BASELINE, ENCODED, **WINDOW)
    pixels, table, lengths = encapsulate_extended(ENCODED)
    dataset["PixelData"].value = pixels
    dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = table, lengths

    assert abs(int(shown(dataset, frame=4)[5, 5]) - 160) <= 1


def test_a_single_frame_may_lie_in_many_fragments() -> None:
    stream = ENCODED[2]
    pieces = [stream[at : at + 100] for at in range(0, len(stream), 100)]
    dataset = encapsulated(FRAMES[2], PREFIX + BASELINE, [stream], **WINDOW)

    picture = shown(raw_file(dataset, several(b"", *pieces)))

    assert abs(int(picture[5, 5]) - 120) <= 1


@pytest.mark.parametrize("syntax", ["4.100", "4.102", "4.103", "4.107", "9.9", "4.50.1"], ids=str)
def test_video_and_unknown_transfer_syntaxes_cannot_be_shown(syntax: str) -> None:
    dataset = encapsulated(GREY, PREFIX + syntax, [b"\0\0\1\xb3" * 8])

    with pytest.raises(DecodeFailed):
        shown(dataset)


@pytest.mark.parametrize("syntax", [RLE, BASELINE, LOSSLESS, "4.80", "4.90", "4.201", "4.110"])
@pytest.mark.parametrize(
    "frame", [b"", b"\0" * 64, b"\xff\xd8\xff", jpeg(GREY)[:100], jpeg(GREY[:9])]
)
def test_a_frame_that_is_something_else_is_refused(syntax: str, frame: bytes) -> None:
    """Empty, zero, cut off, or whole but of another codec or size."""
    module = read_header(
        BytesSource(written(encapsulated(COLOUR, PREFIX + syntax, [b"\0\0"])))
    ).module

    with pytest.raises(DecodeFailed):
        decode_frame(module, frame)


def test_compressed_pixels_need_a_decoder() -> None:
    content = written(encapsulated(GREY, PREFIX + BASELINE, [jpeg(GREY)]))

    assert needs_decoding(BytesSource(content))


def test_one_frame_of_many_is_decoded() -> None:
    decoded: list[bytes] = []

    def decode(module: PixelModule, frame: bytes, shrink: int) -> object:
        decoded.append(bytes(frame))
        return decode_frame(module, frame, shrink)

    dataset = encapsulated(np.stack(FRAMES), PREFIX + BASELINE, ENCODED, **WINDOW)
    render(BytesSource(written(dataset)), RenderOptions(frame=2), decode)  # type: ignore[arg-type]

    assert decoded == [ENCODED[1]]


def test_a_deflated_data_set_is_inflated() -> None:
    dataset = instance(GREY, **WINDOW)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    output = io.BytesIO()
    dataset.save_as(output, enforce_file_format=True)

    assert np.array_equal(shown(output.getvalue()), GREY)
