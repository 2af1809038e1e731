"""What a file is, by its bytes."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from tests import pictures
from webapp.pipeline.errors import EmptyFile, Unrecognised
from webapp.pipeline.recognise import HEAD_LENGTH, Kind, recognise

FOLDER = Path(str(get_testdata_file("CT_small.dcm"))).parent
REAL_FILES = sorted(path for path in FOLDER.glob("*.dcm") if path.name != "no_meta.dcm")

IMAGES = [
    (Kind.JPEG, pictures.jpeg()),
    (Kind.PNG, pictures.png(pictures.GREY, 8, 0)),
    (Kind.TIFF, pictures.tiff(pictures.GREY)),
    (Kind.TIFF, pictures.tiff(pictures.GREY, byteorder=">")),
    (Kind.TIFF, pictures.tiff(pictures.GREY, bigtiff=True)),
    (Kind.TIFF, pictures.tiff(pictures.GREY, bigtiff=True, byteorder=">")),
    (Kind.BMP, pictures.save(pictures.GREY, "BMP")),
    (Kind.WEBP, pictures.save(pictures.COLOUR, "WEBP")),
    (Kind.GIF, pictures.save(pictures.GREY, "GIF")),
    (Kind.AVIF, pictures.save(pictures.COLOUR, "AVIF")),
    (Kind.JPEG2000, pictures.save(pictures.COLOUR, "JPEG2000")),
    (Kind.JPEG2000, pictures.imagecodecs.jpeg2k_encode(pictures.GREY, codecformat="J2K")),
    (Kind.HEIC, b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
    (Kind.HEIC, b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"),
]

OTHERS = {
    "text": b"This is not an image.",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "HTML": b"<!doctype html><title>x</title>",
    "ZIP": b"PK\3\4" + bytes(60),
    "Windows program": b"MZ" + bytes(300),
    "zeros": bytes(1000),
    "one byte": b"\0",
    "a text beginning with BM": b"BM is how this sentence begins, and it is no bitmap",
    "an MP4 film": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2",
    "a WAV sound": b"RIFF\x24\0\0\0WAVEfmt ",
}


def bare(order: str, *elements: tuple[int, int, bytes]) -> bytes:
    """Elements in implicit VR."""
    return b"".join(
        struct.pack(order + "HHI", group, element, len(value)) + value
        for group, element, value in elements
    )


@pytest.mark.parametrize(("kind", "content"), IMAGES)
def test_images_are_recognised_by_their_first_bytes(kind: Kind, content: bytes) -> None:
    assert recognise(content[:HEAD_LENGTH]) is kind


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_whatever_else_is_not_recognised(content: bytes) -> None:
    with pytest.raises(Unrecognised):
        recognise(content)


def test_nothing_is_an_empty_file() -> None:
    with pytest.raises(EmptyFile):
        recognise(b"")


@pytest.mark.parametrize("start", [b"MZ", b"II*\0", b"\xff\xd8\xff\xe0", b"PK\3\4"])
def test_a_file_that_is_something_else_too_is_dicom_by_its_prefix(start: bytes) -> None:
    assert recognise(start.ljust(128, b"\0") + b"DICM" + bytes(20)) is Kind.DICOM


@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.name)
def test_real_dicom_files_are_recognised(path: Path) -> None:
    assert recognise(path.read_bytes()[:HEAD_LENGTH]).is_dicom


def test_a_file_that_begins_in_the_middle_of_an_element_is_not_recognised() -> None:
    with pytest.raises(Unrecognised):
        recognise((FOLDER / "no_meta.dcm").read_bytes()[:HEAD_LENGTH])


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
def test_a_data_set_alone_is_recognised_in_every_standard_coding(
    implicit: bool, little: bool
) -> None:
    output = io.BytesIO()
    dataset = pydicom.Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    dataset.PatientName = "Invented^Patient"
    pydicom.dcmwrite(output, dataset, implicit_vr=implicit, little_endian=little)

    assert recognise(output.getvalue()) is Kind.DICOM_WITHOUT_PREAMBLE


def test_meta_information_without_preamble_is_recognised() -> None:
    content = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()

    assert recognise(content[132 : 132 + HEAD_LENGTH]) is Kind.DICOM_WITHOUT_PREAMBLE


def test_elements_out_of_order_are_no_data_set() -> None:
    elements = (8, 0x18, b"1.2\0"), (8, 0x16, b"1.2\0"), (8, 0x20, b"")

    with pytest.raises(Unrecognised):
        recognise(bare("<", *elements))


@pytest.mark.parametrize("group", [0x0004, 0x0010, 0x0018])
def test_a_data_set_begins_with_group_2_or_8(group: int) -> None:
    with pytest.raises(Unrecognised):
        recognise(bare("<", *((group, element, b"ab") for element in (1, 2, 3, 4))))


def test_random_bytes_are_not_taken_for_a_data_set() -> None:
    dice = np.random.default_rng(7)

    for _ in range(2000):
        with pytest.raises(Unrecognised):
            recognise(b"\x08\0" + dice.bytes(200))
