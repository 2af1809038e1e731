"""Verify trusts nothing that the engine did: it finds what a broken engine would have left."""

from __future__ import annotations

import dataclasses

import pytest

from tests.pipeline.deidentifying import done, written
from tests.pipeline.encoding import EXPLICIT_LITTLE, IMPLICIT_LITTLE, Encoding, ct
from webapp.pipeline.deidentify import Deidentified
from webapp.pipeline.deidentify.identifiers import MOST
from webapp.pipeline.source import BytesSource, PartsSource
from webapp.pipeline.verify import leaves, verify


def tampered(original: Deidentified, old: bytes, new: bytes) -> Deidentified:
    """The same result, as if the engine had left ``new`` where ``old`` stands."""
    assert len(old) == len(new)
    content = written(original).replace(old, new, 1)
    return dataclasses.replace(original, output=PartsSource(BytesSource(content), [content]))


def leaking(value: bytes, encoding: Encoding = EXPLICIT_LITTLE, inside: int = 0) -> Deidentified:
    """A result in which ``value`` stands in the Receive Coil Name, or in an item."""
    mark = b"@" * (len(value) + len(value) % 2)
    element = encoding.element(0x00181250, "SH", mark)
    file = ct(encoding)
    file.elements[inside or 0x00181250] = encoding.sequence(inside, element) if inside else element
    return tampered(done(file), mark, value + b" " * (len(value) % 2))


SEEN = {
    "name": b"Vantongerloo",
    "whole name": b"Vantongerloo^Mirabel",
    "given name": b"Mirabel",
    "in capitals": b"VANTONGERLOO",
    "among words": b"of Vantongerloo, female",
    "patient id": b"PID-550182",
    "accession number": b"ACC-77123",
    "study id": b"STUDY-9001",
    "birth date": b"19610719",
    "birth date as people write it": b"19.07.1961",
    "physician": b"Quincke",
    "replaced UID": b"1.2.3.4.6",
    "in UTF-16": "Vantongerloo".encode("utf-16-le"),
    "in UTF-16, big endian": "Vantongerloo".encode("utf-16-be"),
}


@pytest.mark.parametrize("value", SEEN.values(), ids=SEEN)
def test_a_survivor_is_named_by_its_attribute(value: bytes) -> None:
    assert verify(leaking(value)) == ("ReceiveCoilName",)


@pytest.mark.parametrize("encoding", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, Encoding(delimited=True)])
def test_a_survivor_in_an_item_is_found_too(encoding: Encoding) -> None:
    assert verify(leaking(b"Vantongerloo", encoding, inside=0x00081115)) == ("ReceiveCoilName",)


@pytest.mark.parametrize("value", [b"Vantongerloos", b"XMirabel", b"PID-5501829", b"5.19610719"])
def test_a_part_of_a_word_or_a_number_is_no_survivor(value: bytes) -> None:
    assert verify(leaking(value)) == ()


def test_a_clean_output_is_clean() -> None:
    assert verify(done(ct())) == ()


def test_native_pixels_carried_unchanged_are_passed_over() -> None:
    file = ct(pixels=b"  Vantongerloo  " * 2)

    result = done(file)

    assert b"Vantongerloo" in written(result)
    assert verify(result) == ()


def test_a_preamble_that_is_not_zero_is_named() -> None:
    result = done(ct())
    content = b"MZ" + written(result)[2:]

    assert verify(dataclasses.replace(result, output=PartsSource(BytesSource(b""), [content]))) == (
        "preamble",
    )


def test_a_survivor_in_the_file_meta_information_is_named() -> None:
    version = b"DEIDENTIFY_1"

    assert verify(tampered(done(ct()), version, b"Vantongerloo")) == ("file-meta",)


def test_an_output_that_cannot_be_read_again_is_held() -> None:
    result = leaking(b"Vantongerloo")

    assert verify(tampered(result, b"\x08\x00\x60\x00CS", b"\x08\x00\x60\x00??")) == ("unreadable",)


def test_more_identifiers_than_can_be_searched_for_hold_the_file() -> None:
    result = done(ct())
    result.identifiers.texts.update(f"name {number}" for number in range(MOST + 1))

    assert verify(result) == ("too-many-identifiers",)


def test_a_survivor_across_two_chunks_is_found() -> None:
    from webapp.pipeline.source import CHUNK

    result = done(ct())
    head = written(result)
    start = result.instance.pixel_offset
    assert start is not None
    filler = EXPLICIT_LITTLE.element(
        0x00420012, "UT", b"x" * (CHUNK - start + 12 - 6) + b" Mirabel "
    )
    content = head[: start - 12] + filler + head[start - 12 :]
    moved = dataclasses.replace(result.instance, pixel_offset=start + len(filler))

    found = verify(
        dataclasses.replace(result, output=PartsSource(BytesSource(b""), [content]), instance=moved)
    )

    assert found != ()


def test_the_leaves_of_a_data_set_are_met_in_order_at_any_depth() -> None:
    file = ct()
    inner = EXPLICIT_LITTLE.element(0x00100020, "LO", "x")
    file.elements[0x00081115] = EXPLICIT_LITTLE.sequence(
        0x00081115, EXPLICIT_LITTLE.sequence(0x00081199, inner)
    )

    tags = [tag for tag, *_ in leaves(BytesSource(file.encode()))]

    assert tags.count(0x00100020) == 2
    assert tags[-1] == 0x7FE00010
