"""DICOM in each standard transfer syntax: what comes out, sample by sample, or the refusal."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.uid import UID

from tests.pictures import COLOUR, GREY, GREY_16, Samples, jpeg
from tests.pipeline.deidentifying import done, written
from tests.pipeline.instances import encapsulated, instance
from tests.pipeline.instances import written as file_of
from webapp.pipeline.errors import UnsupportedTransferSyntax
from webapp.pipeline.recognise import HEAD_LENGTH, Kind, recognise
from webapp.pipeline.render import raw_frame
from webapp.pipeline.source import BytesSource
from webapp.pipeline.verify import verify

FORMATS = Path(__file__).parents[2] / "docs" / "formats.md"
PREFIX = "1.2.840.10008.1.2"
TWELVE = GREY_16 >> 4
NATIVE = ("", ".1", ".1.99", ".2")
NEWER = {".4.110": "JPEG XL Lossless", ".4.111": "JPEG XL JPEG Recompression", ".4.112": "JPEG XL"}
PATIENT = {"PatientName": "Invented^Mirabel", "PatientID": "PID-550182"}


def native(syntax: str) -> bytes:
    dataset = instance(GREY_16.astype(">u2" if syntax == ".2" else "<u2"), **PATIENT)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(PREFIX + syntax)
    output = io.BytesIO()
    pydicom.dcmwrite(output, dataset, enforce_file_format=True)
    return output.getvalue()


def coded(syntax: str, samples: Samples, frame: bytes) -> bytes:
    colours = {"PhotometricInterpretation": "YBR_FULL_422"} if samples.ndim == 3 else {}
    return file_of(encapsulated(samples, PREFIX + syntax, [frame], **PATIENT, **colours))


@dataclass(frozen=True)
class Coding:
    """A transfer syntax by the end of its UID; ``samples`` are what a lossless file holds."""

    syntax: str
    make: Callable[[], bytes]
    samples: Samples | None

    @property
    def uid(self) -> str:
        return PREFIX + self.syntax

    @property
    def is_native(self) -> bool:
        return self.syntax in NATIVE


def grey(syntax: str, samples: Samples, frame: Callable[[], bytes], *, lossy: bool) -> Coding:
    return Coding(syntax, lambda: coded(syntax, samples, frame()), None if lossy else samples)


CODINGS = [
    *(Coding(syntax, lambda syntax=syntax: native(syntax), GREY_16) for syntax in NATIVE),
    grey(".5", GREY, lambda: rle(GREY), lossy=False),
    grey(".4.50", COLOUR, jpeg, lossy=True),
    grey(".4.51", TWELVE, lambda: imagecodecs.jpeg_encode(TWELVE, bitspersample=12), lossy=True),
    grey(".4.57", GREY_16, lambda: predicted(GREY_16, 4), lossy=False),
    grey(".4.70", GREY_16, lambda: predicted(GREY_16, 1), lossy=False),
    grey(".4.80", GREY_16, lambda: imagecodecs.jpegls_encode(GREY_16), lossy=False),
    grey(".4.81", GREY_16, lambda: imagecodecs.jpegls_encode(GREY_16, level=2), lossy=True),
    grey(".4.90", GREY_16, lambda: jpeg_2000(GREY_16, 0), lossy=False),
    grey(".4.91", GREY_16, lambda: jpeg_2000(GREY_16, 60), lossy=True),
    grey(".4.92", GREY_16, lambda: jpeg_2000(GREY_16, 0), lossy=False),
    grey(".4.93", GREY_16, lambda: jpeg_2000(GREY_16, 60), lossy=True),
    grey(".4.110", GREY_16, lambda: imagecodecs.jpegxl_encode(GREY_16, lossless=True), lossy=False),
    grey(".4.111", GREY, lambda: imagecodecs.jpegxl_encode_jpeg(jpeg(GREY)), lossy=True),
    grey(".4.112", GREY, lambda: imagecodecs.jpegxl_encode(GREY, distance=0.5), lossy=True),
    grey(".4.201", GREY_16, lambda: imagecodecs.htj2k_encode(GREY_16), lossy=False),
    grey(".4.202", GREY_16, lambda: imagecodecs.htj2k_encode(GREY_16), lossy=False),
    grey(".4.203", GREY, lambda: imagecodecs.htj2k_encode(GREY, reversible=False), lossy=True),
]
REFUSED = [
    *(f".4.{number}" for number in (*range(100, 107), 107, 108)),
    *(f".4.{number}.1" for number in range(100, 107)),
    *(".4.94", ".4.95", ".4.204", ".4.205", ".1.98", ".7.1", ".7.2", ".7.3"),
]
every_coding = pytest.mark.parametrize("coding", CODINGS, ids=lambda coding: name_of(coding.uid))


def name_of(uid: str) -> str:
    return NEWER.get(uid.removeprefix(PREFIX), UID(uid).name)


def rle(samples: Samples) -> bytes:
    """One segment, of literal runs (PS3.5 annex G)."""
    flat = samples.tobytes()
    runs = [flat[at : at + 128] for at in range(0, len(flat), 128)]
    header = b"\1\0\0\0\x40\0\0\0".ljust(64, b"\0")
    return header + b"".join(bytes([len(run) - 1]) + run for run in runs)


def predicted(samples: Samples, selection: int) -> bytes:
    """Lossless JPEG, process 14, by a predictor of its table H.1."""
    return bytes(
        imagecodecs.jpeg_encode(samples, lossless=True, predictor=selection, bitspersample=16)
    )


def jpeg_2000(samples: Samples, level: int) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(samples, level=level, codecformat="J2K"))


def dataset_of(content: bytes) -> pydicom.FileDataset:
    return pydicom.dcmread(io.BytesIO(content))


def decoded(content: bytes) -> Samples:
    return raw_frame(BytesSource(content), 1).samples


@every_coding
def test_samples_are_those_that_came_in(coding: Coding) -> None:
    content = coding.make()

    samples = decoded(written(done(content)))

    if coding.samples is not None:
        assert np.array_equal(samples, coding.samples)
    if coding.syntax != ".2":  # pydicom has swapped what the renderer reads as it lies
        assert np.array_equal(samples, decoded(content))


@every_coding
def test_no_patient_survives_in_any_coding(coding: Coding) -> None:
    deidentified = done(coding.make())

    assert verify(deidentified) == ()
    assert b"Mirabel" not in written(deidentified)


@every_coding
def test_the_documentation_says_what_comes_out(coding: Coding) -> None:
    assert row(coding) in FORMATS.read_text().splitlines()


def row(coding: Coding) -> str:
    output = dataset_of(written(done(coding.make()))).file_meta.TransferSyntaxUID
    comes_out = "the same" if output == coding.uid else name_of(output)
    kept = "yes" if coding.is_native else "its very frames"
    return f"|{name_of(coding.uid)}|`{coding.uid}`|{comes_out}|{kept}|"


@pytest.mark.parametrize(
    "coding", [coding for coding in CODINGS if not coding.is_native], ids=lambda coding: coding.uid
)
def test_frames_are_carried_byte_by_byte_but_for_their_texts(coding: Coding) -> None:
    content = coding.make()

    before, after = (
        np.frombuffer(dataset_of(file).PixelData, np.uint8)
        for file in (content, written(done(content)))
    )

    assert len(after) == len(before)
    assert not after[after != before].any()
    assert (after != before).sum() < 300


@every_coding
def test_it_is_recognised(coding: Coding) -> None:
    assert recognise(coding.make()[:HEAD_LENGTH]) is Kind.DICOM


def test_the_documentation_lists_no_other_coding() -> None:
    rows = [line for line in FORMATS.read_text().splitlines() if "|`1.2.840.10008.1.2" in line]

    assert len(rows) == len(CODINGS)


@pytest.mark.parametrize("syntax", REFUSED)
def test_films_and_pixels_that_lie_elsewhere_are_refused(syntax: str) -> None:
    with pytest.raises(UnsupportedTransferSyntax):
        done(coded(syntax, GREY, b"\0\0\1\xb3" + bytes(60)))


@pytest.mark.parametrize("syntax", ["", ".1", ".2"])
def test_a_data_set_without_its_head_comes_out_as_with_it(syntax: str) -> None:
    content = native(syntax)
    meta_length = int.from_bytes(content[140:144], "little")

    bare = content[144 + meta_length :]

    assert recognise(bare[:HEAD_LENGTH]) is Kind.DICOM_WITHOUT_PREAMBLE
    assert np.array_equal(decoded(written(done(bare))), GREY_16)
