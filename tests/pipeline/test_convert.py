"""Every image variant, sample by sample, and what DICOM is made of it."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import pixel_array

from tests import pictures
from tests.pictures import VARIANTS, Variant
from tests.pipeline.deidentifying import output
from webapp.pipeline.convert import Converted, Limits, as_photograph, convert, needs_decoding
from webapp.pipeline.recognise import HEAD_LENGTH, recognise

LIMITS = Limits(max_pixels=100_000_000)
GROUP = b"g" * 32
FORMATS = Path(__file__).parents[2] / "docs" / "formats.md"
CONVERSIONS = {"alpha-flattened", "cmyk-converted", "colours-converted"}
every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.title)


def converted(content: bytes, group: bytes = GROUP) -> Converted:
    return convert(content, recognise(content[:HEAD_LENGTH]), group, LIMITS)


def dataset_of(content: bytes, group: bytes = GROUP) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(converted(content, group).content))


@every_variant
def test_samples_come_out_as_they_went_in(variant: Variant) -> None:
    content = variant.make()
    expected = variant.samples(content)

    stored = pixel_array(dataset_of(content))

    if expected is not None:
        assert stored.shape == expected.shape
        assert np.abs(stored.astype(int) - expected.astype(int)).max() <= variant.tolerance


@every_variant
def test_what_was_done_is_noted(variant: Variant) -> None:
    assert converted(variant.make()).notes == variant.notes


@every_variant
def test_lossy_history_is_true(variant: Variant) -> None:
    dataset = dataset_of(variant.make())

    assert dataset.get("LossyImageCompression") == ("01" if variant.lossy else None)
    assert ("LossyImageCompressionRatio" in dataset) == variant.lossy


@every_variant
def test_dciodvfy_finds_no_error(variant: Variant, tmp_path: Path) -> None:
    file = tmp_path / "instance.dcm"
    file.write_bytes(converted(variant.make()).content)

    done = subprocess.run(["dciodvfy", "-new", file], capture_output=True, text=True, check=False)

    assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == []
    assert "Image" in done.stderr


UNKNOWN_OF_A_PICTURE = ("StudyDate", "StudyTime", "StudyID", "Laterality")


@every_variant
def test_dciodvfy_warns_only_of_what_no_picture_knows(variant: Variant, tmp_path: Path) -> None:
    content = converted(variant.make()).content
    photograph = b"".join(as_photograph(content))

    lines = [
        *warnings_of(output(content), tmp_path / "capture"),
        *warnings_of(output(photograph), tmp_path / "photograph"),
    ]
    assert all(line.startswith("Warning") for line in lines)
    assert all(line.split("</")[1].startswith(UNKNOWN_OF_A_PICTURE) for line in lines)


def warnings_of(content: bytes, file: Path) -> list[str]:
    """What dciodvfy says, but for the name of the IOD."""
    file.write_bytes(content)
    done = subprocess.run(["dciodvfy", "-new", file], capture_output=True, text=True, check=False)
    return [line for line in done.stderr.splitlines() if not line.endswith("Image")]


@every_variant
def test_dcmtk_reads_the_instance(variant: Variant, tmp_path: Path) -> None:
    file = tmp_path / "instance.dcm"
    file.write_bytes(converted(variant.make()).content)

    subprocess.run(["dcmdump", "-q", file], check=True, stdout=subprocess.DEVNULL)


@every_variant
def test_the_same_bytes_make_the_same_file(variant: Variant) -> None:
    content = variant.make()

    assert converted(content) == converted(content)


def row(variant: Variant) -> str:
    """The variant's line of docs/formats.md."""
    content = variant.make()
    result = converted(content)
    dataset = pydicom.dcmread(io.BytesIO(result.content))
    bits = f"{dataset.PhotometricInterpretation}, {dataset.BitsStored} bits"
    syntax = dataset.file_meta.TransferSyntaxUID.name.split(" (")[0]
    sop_class = dataset.SOPClassUID.name.removesuffix(" Image Storage")
    return f"| {variant.title} | {sop_class} | {syntax} | {bits} | {_kept(variant, content)} |"


def _kept(variant: Variant, content: bytes) -> str:
    kept = "no" if variant.expected is None else "as decoded" if variant.lossy else "yes"
    if not needs_decoding(content, recognise(content)):
        kept = "its very bytes"
    if kept == "yes" and CONVERSIONS & set(variant.notes):
        kept = "as converted"
    return ", ".join([kept, *(f"`{note}`" for note in variant.notes)])


@every_variant
def test_the_documentation_says_what_comes_out(variant: Variant) -> None:
    assert row(variant) in FORMATS.read_text().splitlines()


def test_the_documentation_lists_nothing_else() -> None:
    rows = [line for line in FORMATS.read_text().splitlines() if line.startswith("| ")]

    assert len(rows) == len(VARIANTS) + 1


def test_images_of_one_group_share_patient_and_study_only() -> None:
    first, second = dataset_of(pictures.jpeg()), dataset_of(pictures.jpeg(pictures.GREY))

    assert first.PatientID == second.PatientID
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID


def test_images_of_two_groups_share_nothing() -> None:
    first, second = dataset_of(pictures.jpeg()), dataset_of(pictures.jpeg(), b"h" * 32)

    for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert first[keyword].value != second[keyword].value


def test_uids_are_uuid_derived() -> None:
    number = int(dataset_of(pictures.jpeg()).SOPInstanceUID.removeprefix("2.25."))

    assert number >> 76 & 0xF == 8
    assert number >> 62 & 0b11 == 0b10


def test_an_unexamined_image_does_not_claim_to_be_free_of_text() -> None:
    single, several = dataset_of(pictures.jpeg()), dataset_of(pictures.moving("GIF", [100] * 4))

    assert "BurnedInAnnotation" not in single
    assert several.BurnedInAnnotation == "YES"


def test_whole_numbers_beyond_16_bits_keep_their_values_through_the_rescale() -> None:
    values = pictures.GREY_16.astype(np.int32) - 70_000

    dataset = dataset_of(pictures.tiff(values))

    shown = pixel_array(dataset) * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    assert np.array_equal(shown, values)


def test_fractions_are_within_half_a_step() -> None:
    values = pictures.GREY_16.astype(np.float32) / 7 - 3

    dataset = dataset_of(pictures.tiff(values))

    slope = float(dataset.RescaleSlope)
    shown = pixel_array(dataset) * slope + float(dataset.RescaleIntercept)
    assert np.abs(shown - values).max() <= slope * 0.51


def test_what_is_not_a_number_becomes_the_lowest_value() -> None:
    values = pictures.GREY_16.astype(np.float32)
    values[0, 0], values[1, 1] = np.nan, np.inf

    stored = pixel_array(dataset_of(pictures.tiff(values)))

    assert stored[0, 0] == 0
    assert stored[1, 1] == 65535


def test_frames_of_a_moving_picture_carry_their_times() -> None:
    even = dataset_of(pictures.moving("WEBP", [80] * 4, lossless=True))
    uneven = dataset_of(pictures.moving("GIF", [100, 100, 200, 50]))

    assert even.FrameIncrementPointer == 0x00181063
    assert even.FrameTime == 80
    assert uneven.FrameIncrementPointer == 0x00181065
    assert uneven.FrameTimeVector == [0, 100, 100, 200]


def test_pages_carry_their_numbers() -> None:
    dataset = dataset_of(pictures.tiff(np.stack([pictures.GREY] * 3), photometric="minisblack"))

    assert dataset.FrameIncrementPointer == 0x00182001
    assert dataset.PageNumberVector == [1, 2, 3]


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "JPEG"])
def test_a_stated_resolution_is_carried(form: str) -> None:
    dataset = dataset_of(pictures.save(pictures.COLOUR, form, dpi=(300, 150)))

    assert dataset.NominalScannedPixelSpacing == pytest.approx([25.4 / 150, 25.4 / 300], rel=1e-3)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "JPEG"])
def test_a_screen_default_is_no_resolution(form: str) -> None:
    dataset = dataset_of(pictures.save(pictures.COLOUR, form, dpi=(72, 72)))

    assert "NominalScannedPixelSpacing" not in dataset
    assert "PixelAspectRatio" not in dataset


def test_pixels_that_are_not_square_say_so() -> None:
    dataset = dataset_of(pictures.png(pictures.GREY, 8, 0, (b"pHYs", b"\0\0\0\2\0\0\0\1\0")))

    assert dataset.PixelAspectRatio == [2, 1]


def test_text_of_an_image_does_not_travel() -> None:
    text = b"Invented^Patient"
    chunks = (b"tEXt", b"Comment\0" + text), (b"iTXt", b"Title\0\0\0\0\0" + text)
    files = [
        pictures.png(pictures.GREY, 8, 0, *chunks) + text,
        pictures.tiff(pictures.GREY, description=text.decode(), software=text.decode()) + text,
        pictures.save(pictures.COLOUR, "GIF", comment=text) + text,
        pictures.save(pictures.COLOUR, "WEBP", lossless=True, xmp=text),
        pictures.save(pictures.COLOUR, "JPEG2000", comment=text),
        pictures.save(pictures.COLOUR, "AVIF", xmp=text),
        pictures.save(pictures.COLOUR, "BMP") + text,
    ]

    assert all(text not in converted(content).content for content in files)
