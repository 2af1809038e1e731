"""Encapsulated frames: text beside the picture goes, the picture decodes as before."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import data_store
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_files

from tests.pipeline import canaries
from tests.pipeline.deidentifying import dataset, done, written
from tests.pipeline.encoding import EXPLICIT_LITTLE, JPEG_2000, JPEG_BASELINE, RLE, File, ct
from webapp.pipeline.deidentify.icc import clean_profile
from webapp.pipeline.errors import DicomDamaged, UnsupportedTransferSyntax
from webapp.pipeline.verify import verify

HIDDEN = b"Zebulon Pike, born in Lamberton"
EXIF = b"\xff\xe1" + struct.pack(">H", 8 + len(HIDDEN)) + b"Exif\0\0" + HIDDEN
COMMENT = b"\xff\xfe" + struct.pack(">H", 2 + len(HIDDEN)) + HIDDEN


def picture(kind: str = "JPEG", side: int = 16, **options: object) -> bytes:
    pixels = np.add.outer(np.arange(side), np.arange(side)).astype("uint8") * 7
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def encapsulated(*fragments: bytes, syntax: str = JPEG_BASELINE, frames: int = 1) -> File:
    file = ct()
    file.transfer_syntax_uid = syntax
    values = {0x00280010: 16, 0x00280011: 16, 0x00280100: 8, 0x00280101: 8, 0x00280102: 7}
    for tag, number in values.items():
        file.elements[tag] = EXPLICIT_LITTLE.element(tag, "US", struct.pack("<H", number))
    if frames > 1:
        file.elements[0x00280008] = EXPLICIT_LITTLE.element(0x00280008, "IS", str(frames))
    file.elements[0x7FE00010] = EXPLICIT_LITTLE.fragments(*fragments)
    return file


def pixels(file: File | bytes) -> np.ndarray:
    raw = file.encode() if isinstance(file, File) else file
    return pydicom.dcmread(io.BytesIO(raw)).pixel_array


def test_text_in_jpeg_segments_is_overwritten_and_no_length_changes() -> None:
    plain = picture()
    file = encapsulated(plain[:2] + EXIF + COMMENT + plain[2:] + HIDDEN)

    result = done(file)
    content = written(result)

    assert HIDDEN not in content
    assert len(dataset(file).PixelData) == len(pydicom.dcmread(io.BytesIO(file.encode())).PixelData)
    assert np.array_equal(pixels(content), pixels(encapsulated(plain)))
    assert result.report.notes == ("frame-metadata-removed",)


def test_a_picture_without_text_stays_as_it_is() -> None:
    plain = picture()

    result = done(encapsulated(plain))

    assert plain in written(result)
    assert result.report.notes == ()


def test_text_between_the_scans_of_a_progressive_jpeg_goes() -> None:
    plain = picture(progressive=True)
    second = plain.index(b"\xff\xc4", plain.index(b"\xff\xda"))
    file = encapsulated(plain[:second] + COMMENT + plain[second:])

    content = written(done(file))

    assert HIDDEN not in content
    assert np.array_equal(pixels(content), pixels(encapsulated(plain)))


def test_what_a_decoder_needs_stays() -> None:
    rgb = io.BytesIO()
    Image.new("CMYK", (16, 16), (9, 80, 7, 3)).save(rgb, "JPEG")
    jpeg = rgb.getvalue()
    adobe = jpeg.index(b"\xff\xee")

    content = written(done(encapsulated(jpeg)))

    assert jpeg[adobe : adobe + 16] in content
    assert b"JFIF\0" in written(done(encapsulated(picture())))


def test_the_thumbnail_of_a_jfif_header_goes() -> None:
    plain = picture()
    jfif = (
        b"\xff\xe0"
        + struct.pack(">H", 16 + 3 * 12)
        + b"JFIF\0\1\1\0\0\1\0\1"
        + b"\4\3"
        + b"Zeb" * 12
    )
    end = 4 + int.from_bytes(plain[4:6], "big")

    content = written(done(encapsulated(plain[:2] + jfif + plain[end:])))

    assert b"ZebZeb" not in content
    assert pixels(content).shape == (16, 16)


@pytest.mark.parametrize("cut", [3, 30, 200])
def test_a_picture_in_several_fragments_is_read_across_them(cut: int) -> None:
    plain = picture()
    whole = plain[:2] + EXIF + plain[2:]
    even = cut + cut % 2

    content = written(done(encapsulated(whole[:even], whole[even:])))

    assert b"Zebulon" not in content
    assert b"Lamberton" not in content
    assert np.array_equal(pixels(content), pixels(encapsulated(plain)))


def test_every_frame_is_cleaned() -> None:
    plain = picture()
    frames = [plain[:2] + COMMENT + plain[2:] for _ in range(3)]

    content = written(done(encapsulated(*frames, frames=3)))

    assert HIDDEN not in content
    assert pixels(content).shape == (3, 16, 16)


def test_an_empty_last_fragment_is_borne() -> None:
    assert pixels(written(done(encapsulated(picture(), b"")))).shape == (16, 16)


def test_comments_of_jpeg_2000_go() -> None:
    plain = picture("JPEG2000", no_jp2=True)
    mark = b"\xff\x64" + struct.pack(">HH", 4 + len(HIDDEN), 1) + HIDDEN
    sized = 2 + 2 + int.from_bytes(plain[4:6], "big")
    file = encapsulated(plain[:sized] + mark + plain[sized:], syntax=JPEG_2000)

    content = written(done(file))

    assert HIDDEN not in content
    assert np.array_equal(pixels(content), pixels(encapsulated(plain, syntax=JPEG_2000)))


def test_boxes_around_jpeg_2000_lose_their_metadata() -> None:
    plain = picture("JPEG2000")
    at = plain.index(b"jp2c") - 4
    box = struct.pack(">L", 8 + len(HIDDEN)) + b"xml " + HIDDEN
    file = encapsulated(plain[:at] + box + plain[at:], syntax=JPEG_2000)

    assert HIDDEN not in written(done(file))


def test_what_follows_the_end_of_an_image_goes() -> None:
    plain = picture("JPEG2000", no_jp2=True)

    assert HIDDEN not in written(done(encapsulated(plain + HIDDEN, syntax=JPEG_2000)))


def test_unused_offsets_of_an_rle_header_go() -> None:
    segment = b"\x81\x07" * 2 + b"\0"
    header = struct.pack("<LL", 1, 64) + HIDDEN.ljust(56, b"!")
    file = encapsulated(header + segment, syntax=RLE)

    assert HIDDEN not in written(done(file))


BROKEN = {
    "no JPEG": b"no picture at all",
    "a segment over the end": picture()[:4] + b"\xff\xff" + bytes(20),
    "a JPEG 2000 tile that ends before it starts": b"\xff\x4f\xff\x51\x00\x04\0\0\xff\x93\0\0",
    "no marker": picture()[:2] + b"abcdef",
}


@pytest.mark.parametrize("frame", BROKEN.values(), ids=BROKEN)
def test_frames_that_cannot_be_cleaned_are_refused(frame: bytes) -> None:
    with pytest.raises(DicomDamaged):
        done(encapsulated(frame))


def test_fragments_that_overrun_or_never_end_are_refused() -> None:
    file = encapsulated(picture())
    file.elements[0x7FE00010] = file.elements[0x7FE00010][:-8]

    with pytest.raises(DicomDamaged):
        done(file)


def test_compressed_frames_without_a_transfer_syntax_are_refused() -> None:
    with pytest.raises(UnsupportedTransferSyntax):
        done(encapsulated(picture(), syntax="1.2.840.10008.1.2.1"))


def test_an_identifier_inside_a_frame_is_found_by_verify() -> None:
    plain = picture()
    scan = plain.index(b"\xff\xda") + 20

    result = done(encapsulated(plain[:scan] + b" Vantongerloo " + plain[scan:]))

    assert verify(result) == ("encapsulated-frames",)


PACKAGED = Path(data_store.__file__).parent / "data"
REAL = [
    Path(file)
    for file in [*get_testdata_files(), *map(str, PACKAGED.glob("*.dcm"))]
    if Path(file).is_file() and Path(file).suffix == ".dcm" and Path(file).stat().st_size < 500_000
]
UNREADABLE = {"emri_small_jpeg_2k_lossless_too_short.dcm"}


def decoded(content: bytes) -> np.ndarray | None:
    """The pixels, or None where no decoder here can make any of the input."""
    try:
        instance = pydicom.dcmread(io.BytesIO(content))
        if not instance.file_meta.TransferSyntaxUID.is_compressed:
            return None
        return instance.pixel_array
    except Exception:  # noqa: BLE001 - whatever pydicom raises, there is nothing to compare
        return None


@pytest.mark.parametrize("file", REAL, ids=lambda file: file.name)
def test_real_compressed_frames_decode_as_before(file: Path) -> None:
    before = decoded(file.read_bytes())
    if before is None or file.name in UNREADABLE:
        return

    after = decoded(written(done(file.read_bytes())))

    assert after is not None
    assert np.array_equal(before, after)


def test_a_colour_profile_keeps_its_colours_and_loses_its_texts() -> None:
    planted = canaries.Canaries()

    cleaned = clean_profile(canaries.icc_profile(planted))

    assert cleaned is not None
    assert canaries.found(cleaned, planted.tokens) == {}
    assert len(cleaned) == int.from_bytes(cleaned[:4], "big")


def test_a_real_colour_profile_still_works() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    cleaned = clean_profile(profile)
    assert cleaned is not None
    image = Image.new("RGB", (2, 2), (200, 90, 10))
    target = ImageCms.createProfile("sRGB")
    turned = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(cleaned)), target)

    assert turned is not None
    assert turned.getpixel((0, 0)) == (200, 90, 10)


@pytest.mark.parametrize("profile", [b"", b"x" * 200, struct.pack(">L", 132) + bytes(32) + b"acsp"])
def test_what_is_no_colour_profile_is_removed(profile: bytes) -> None:
    file = ct()
    file.elements[0x00282000] = EXPLICIT_LITTLE.element(0x00282000, "OB", profile)

    assert clean_profile(profile) is None
    assert "ICCProfile" not in dataset(file)
