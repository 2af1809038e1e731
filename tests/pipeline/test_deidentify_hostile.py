"""Files that lie, break off or attack: whole or refused, never a part, a crash or a hang."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from tests.pipeline import canaries
from tests.pipeline.deidentifying import dataset, done, output, written
from tests.pipeline.encoding import (
    CT,
    EXPLICIT,
    EXPLICIT_LITTLE,
    IMPLICIT,
    IMPLICIT_LITTLE,
    UNDEFINED,
    Encoding,
    File,
    ct,
)
from webapp.errors import Rejected
from webapp.pipeline.errors import (
    DicomDamaged,
    DicomDir,
    UnsupportedSopClass,
    UnsupportedTransferSyntax,
)

write = EXPLICIT_LITTLE.element
DEFLATED = "1.2.840.10008.1.2.1.99"
BASIC_DIRECTORY = "1.2.840.10008.1.3.10"


def with_element(tag: int, content: bytes) -> File:
    file = ct()
    file.elements[tag] = content
    return file


def nest(depth: int, encoding: Encoding = EXPLICIT_LITTLE) -> File:
    """A sequence in an item in a sequence ..., a name at the bottom."""
    content = encoding.element(0x00100010, "PN", "Zebulon^Pike")
    for _ in range(depth):
        content = encoding.sequence(0x00081115, content)
    file = ct(encoding)
    file.elements[0x00081115] = content
    return file


@pytest.mark.parametrize("encoding", [Encoding(), Encoding(delimited=True), Encoding(False)])
def test_a_hundred_levels_are_followed(encoding: Encoding) -> None:
    assert b"Zebulon" not in output(nest(100, encoding))


@pytest.mark.parametrize("encoding", [Encoding(delimited=True), Encoding(False, delimited=True)])
@pytest.mark.parametrize("tag", [0x00081115, 0x00091015, 0x00081110])
def test_ten_thousand_levels_are_refused(encoding: Encoding, tag: int) -> None:
    levels = 10_000
    opening = encoding.element(tag, "SQ", b"", UNDEFINED) + struct.pack(
        "<HHL", 0xFFFE, 0xE000, UNDEFINED
    )
    closing = struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    file = ct(encoding)
    file.elements[tag] = opening * levels + closing * levels

    with pytest.raises(DicomDamaged):
        done(file)


def test_ten_thousand_levels_of_defined_length_are_refused() -> None:
    with pytest.raises(DicomDamaged):
        done(nest(10_000, IMPLICIT_LITTLE))


LIES: dict[str, bytes] = {
    "value longer than the file": write(0x00181250, "SH", b"coil", 60000),
    "long value longer than the file": write(0x00189004, "UT", b"text", 0xFFFFFFF0),
    "sequence longer than the file": write(0x00081115, "SQ", b"", 0x7FFFFFFF),
    "impossible VR": b"\x18\x00\x50\x12ZZ\x04\x00coil",
    "VR of zeros": b"\x18\x00\x50\x12\0\0\x04\x00coil",
    "undefined length of a text": write(0x00189004, "UT", b"text", UNDEFINED),
    "undefined length of numbers": write(0x00660016, "OF", bytes(8), UNDEFINED),
    "item longer than its sequence": write(
        0x00081115, "SQ", struct.pack("<HHL", 0xFFFE, 0xE000, 90) + bytes(8)
    ),
    "element longer than its item": EXPLICIT_LITTLE.sequence(
        0x00081115, write(0x00181250, "SH", b"coil", 50)
    ),
    "no item in a sequence": write(0x00081115, "SQ", write(0x00181250, "SH", b"coil")),
    "sequence never closed": write(
        0x00081115, "SQ", struct.pack("<HHL", 0xFFFE, 0xE000, 0), UNDEFINED
    ),
    "item never closed": write(
        0x00081115, "SQ", struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED), UNDEFINED
    ),
    "delimiter at the top": struct.pack("<HHL", 0xFFFE, 0xE00D, 0),
    "UN sequence that is none": write(0x00081115, "UN", b"no items here!"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_file_that_lies_about_its_structure_is_refused(lie: bytes) -> None:
    with pytest.raises(DicomDamaged):
        done(with_element(0x00181250, lie))


@pytest.mark.parametrize("name", ["CT_small.dcm", "SC_rgb_rle.dcm", "JPEG2000.dcm", "test-SR.dcm"])
def test_a_file_cut_anywhere_is_refused_or_has_lost_nothing_but_its_tail(name: str) -> None:
    path = get_testdata_file(name)
    assert isinstance(path, str)
    content = Path(path).read_bytes()
    whole = output(content)

    for length in range(0, len(content), 64):
        try:
            cut = written(done(content[:length]))
        except Rejected:
            continue
        assert len(cut) <= len(whole)
        assert b"CompressedSamples" not in cut


def test_an_image_cut_off_between_two_elements_is_refused() -> None:
    file = ct()
    del file.elements[0x7FE00010]

    with pytest.raises(DicomDamaged):
        done(file)


@pytest.mark.parametrize("content", [b"", b"x", bytes(128) + b"DICM", b"\x08\0" * 3, bytes(4096)])
def test_next_to_nothing_is_refused(content: bytes) -> None:
    with pytest.raises(DicomDamaged):
        done(content)


def test_native_pixels_that_break_off_are_refused() -> None:
    with pytest.raises(DicomDamaged):
        done(with_element(0x7FE00010, write(0x7FE00010, "OW", bytes(20), 32)))


# What is read although something is missing or unusual.


@pytest.mark.parametrize("encoding", [Encoding(), Encoding(explicit=False), Encoding(order=">")])
def test_a_data_set_without_anything_before_it_is_read(encoding: Encoding) -> None:
    file = ct(encoding)
    bare = b"".join(content for _, content in sorted(file.elements.items()))

    instance = dataset(bare)

    assert instance.PatientName != "Vantongerloo^Mirabel"
    assert instance.file_meta.MediaStorageSOPClassUID == CT
    assert instance.file_meta.TransferSyntaxUID == (EXPLICIT if encoding.explicit else IMPLICIT)
    assert len(instance.PixelData) == 32


def test_file_meta_information_without_a_preamble_is_read() -> None:
    content = ct().encode()

    assert output(content[132:]) == output(content)
    assert output(content[128:]) == output(content)


@pytest.mark.parametrize("explicit", [True, False])
def test_a_file_that_lies_about_its_transfer_syntax_is_read_by_its_bytes(explicit: bool) -> None:
    file = ct(Encoding(explicit))
    file.transfer_syntax_uid = IMPLICIT if explicit else EXPLICIT

    instance = dataset(file)

    assert instance.file_meta.TransferSyntaxUID == (EXPLICIT if explicit else IMPLICIT)
    assert (instance.Rows, instance.Modality) == (4, "CT")


def test_an_implicit_length_that_reads_as_a_vr_is_a_length() -> None:
    length = int.from_bytes(b"PN\0\0", "little")
    file = ct(Encoding(explicit=False))
    file.elements[0x00080008] = IMPLICIT_LITTLE.element(0x00080008, "CS", b"A" * length)

    assert dataset(file).Rows == 4


def test_elements_out_of_order_are_put_in_order() -> None:
    file = ct()
    elements = list(file.elements.values())
    file.elements = dict(enumerate(reversed(elements)))

    assert output(file) == output(ct())


def test_odd_lengths_and_group_lengths_are_borne() -> None:
    file = ct()
    file.elements[0x00181250] = b"\x18\x00\x50\x12SH\x05\x00coil1"
    file.elements[0x00180000] = write(0x00180000, "UL", struct.pack("<L", 999))

    instance = dataset(file)

    assert instance.ReceiveCoilName == "coil1"
    assert 0x00180000 not in instance


def test_zeros_behind_a_data_set_without_pixels_are_padding() -> None:
    file = ct()
    for tag in (0x7FE00010, 0x00280010, 0x00280011, 0x00280100):
        del file.elements[tag]
    clean = output(file)
    file.trailer = bytes(1000)

    assert output(file) == clean


def test_anything_else_behind_it_is_damage() -> None:
    file = ct()
    for tag in (0x7FE00010, 0x00280010, 0x00280011, 0x00280100):
        del file.elements[tag]
    file.trailer = b"Vantongerloo^Mirabel" * 50

    with pytest.raises(DicomDamaged):
        done(file)


# Deflated and big endian data sets.


def deflated(file: File, tail: bytes = b"") -> bytes:
    plain = file.encode()
    start = plain.index(b"\x08\x00\x08\x00CS")
    packer = zlib.compressobj(wbits=-15)
    file.transfer_syntax_uid = DEFLATED
    head = file.encode()
    head = head[: head.index(b"\x08\x00\x08\x00CS")]
    return head + packer.compress(plain[start:]) + packer.flush() + tail


def test_a_deflated_data_set_is_inflated() -> None:
    assert dataset(deflated(ct(), b"\0")).PixelData == bytes(range(32))
    assert output(deflated(ct())) == output(ct())


def test_a_deflated_data_set_that_breaks_off_is_refused() -> None:
    content = deflated(ct())

    with pytest.raises(DicomDamaged):
        done(content[:-20])


def test_a_bomb_is_refused_before_it_fills_memory() -> None:
    file = with_element(0x7FE00010, write(0x7FE00010, "OW", bytes(100 << 20)))

    with pytest.raises(DicomDamaged):
        done(deflated(file))


def test_a_big_endian_file_that_lies_is_refused() -> None:
    big = Encoding(order=">")
    file = ct(big)
    file.elements[0x00181250] = big.element(0x00181250, "SH", b"coil", 60000)

    with pytest.raises(DicomDamaged):
        done(file)


# Kinds that cannot be made safe.

REFUSED: dict[str, tuple[str, str, type[Rejected]]] = {
    "directory": (EXPLICIT, BASIC_DIRECTORY, DicomDir),
    "PDF": (EXPLICIT, "1.2.840.10008.5.1.4.1.1.104.1", UnsupportedSopClass),
    "CDA": (EXPLICIT, "1.2.840.10008.5.1.4.1.1.104.2", UnsupportedSopClass),
    "STL": (EXPLICIT, "1.2.840.10008.5.1.4.1.1.104.3", UnsupportedSopClass),
    "voice": (EXPLICIT, "1.2.840.10008.5.1.4.1.1.9.4.1", UnsupportedSopClass),
    "MPEG-2": ("1.2.840.10008.1.2.4.100", CT, UnsupportedTransferSyntax),
    "MPEG-4": ("1.2.840.10008.1.2.4.102", CT, UnsupportedTransferSyntax),
    "HEVC": ("1.2.840.10008.1.2.4.107", CT, UnsupportedTransferSyntax),
    "JPIP": ("1.2.840.10008.1.2.4.94", CT, UnsupportedTransferSyntax),
    "private": ("1.2.840.113619.5.2", CT, UnsupportedTransferSyntax),
}


@pytest.mark.parametrize(("syntax", "sop_class", "kind"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_made_safe_is_refused(
    syntax: str, sop_class: str, kind: type[Rejected]
) -> None:
    file = ct()
    file.transfer_syntax_uid, file.sop_class_uid = syntax, sop_class
    file.elements[0x00080016] = write(0x00080016, "UI", sop_class)

    with pytest.raises(kind):
        done(file)


def test_a_document_is_refused_whatever_the_file_meta_says_of_it() -> None:
    file = with_element(0x00080016, write(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.104.1"))

    with pytest.raises(UnsupportedSopClass):
        done(file)


@pytest.mark.parametrize("count", [200_000])
@pytest.mark.parametrize(
    "make",
    [
        lambda count: EXPLICIT_LITTLE.sequence(0x00081115, *[b""] * count),
        lambda count: EXPLICIT_LITTLE.element(
            0x00081115, "SQ", b"\xfe\xff\x00\xe0\0\0\0\0" * count
        ),
        lambda count: b"".join(
            write(0x00190000 | n & 0xFFFF or 1, "LO", b"x") for n in range(count // 4)
        ),
    ],
    ids=["items", "empty items", "private elements out of order"],
)
def test_many_small_things_are_no_attack(make: Callable[[int], bytes], count: int) -> None:
    """Linear: a quadratic walk over them would run for many minutes."""
    assert len(output(with_element(0x00081115, make(count)))) > 0


def test_thousands_of_names_are_searched_for_in_one_pass() -> None:
    names = [write(0x0040A123, "PN", f"Zeb{n:05}^Pike{n:05}") for n in range(4000)]
    file = with_element(0x00081115, EXPLICIT_LITTLE.sequence(0x00081115, *names))
    file.elements[0x00181250] = write(0x00181250, "SH", "seen by Zeb03333")

    assert b"Zeb0" not in output(file)


def test_pydicom_reads_everything_that_comes_out() -> None:
    for planting in (canaries.every_attribute(), canaries.nested(3), canaries.in_hiding_places()):
        instance = dataset(planting[0])
        assert sum(1 for _ in instance.iterall()) > 30
        assert isinstance(instance, pydicom.Dataset)
