"""What the benchmarks send and draw; what they measure is nobody's promise."""

from __future__ import annotations

import io
from collections.abc import Callable
from xml.etree import ElementTree

import pydicom
import pytest

from bench.end_to_end.corpus import samples
from bench.end_to_end.plot import bars
from bench.growth import rows
from bench.memory import bodies
from webapp.pipeline.recognise import recognise
from webapp.storage.models import Base


@pytest.mark.parametrize("name", ["CT", "CR", "US", "JPEG", "PNG"])
def test_no_two_copies_of_a_sample_are_the_same_file(name: str) -> None:
    sample = samples()[name]

    assert sample.copy(1) != sample.copy(2)


@pytest.mark.parametrize("name", ["CT", "CR", "US", "JPEG", "PNG"])
def test_every_copy_is_still_what_it_was(name: str) -> None:
    sample = samples()[name]

    assert recognise(sample.copy(7)[:4096]) is recognise(sample.content[:4096])


def test_a_plot_is_well_formed_and_names_what_it_shows() -> None:
    drawn = bars("Up & down", [("CT: <ours>", 12.5, True), ("CT: other", 25.0, False)], "files/s")

    assert ElementTree.fromstring(drawn).get("aria-label") == "Up & down"


@pytest.mark.parametrize("make", [bodies.dicom, bodies.batch])
def test_a_large_body_is_as_long_as_it_says(make: Callable[[int], bodies.Body]) -> None:
    body = make(bodies.FRAME * 2)

    length = sum(map(len, body.pieces))
    assert length == (body.length or length)
    assert length > bodies.FRAME


def test_a_large_file_is_a_whole_instance_of_its_own() -> None:
    content = b"".join(bodies.dicom(bodies.FRAME).pieces)

    instance = pydicom.dcmread(io.BytesIO(content))
    assert len(instance.PixelData) == bodies.FRAME == instance.Rows * instance.Columns * 2
    assert instance.SOPInstanceUID != pydicom.dcmread(_first(bodies.dicom(1))).SOPInstanceUID


def _first(body: bodies.Body) -> io.BytesIO:
    return io.BytesIO(b"".join(body.pieces))


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("uploads", rows.UPLOAD),
        ("batches", rows.BATCH),
        ("batch_entries", rows.ENTRY),
        ("blobs", rows.BLOB),
    ],
)
def test_rows_written_past_the_program_have_all_that_a_row_must_have(
    table: str, columns: str
) -> None:
    given = set(columns.split(", "))

    known = Base.metadata.tables[table].columns
    assert given <= set(known.keys())
    assert {column.name for column in known if not column.nullable} <= given
