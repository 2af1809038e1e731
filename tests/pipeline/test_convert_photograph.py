"""Colour pictures as VL Photographic Image: other words around the very same samples."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pydicom
import pytest

from tests import pictures
from tests.pictures import VARIANTS, Variant
from webapp.pipeline.convert import Limits, as_photograph, convert
from webapp.pipeline.recognise import recognise

LIMITS = Limits(max_pixels=100_000_000)
VL_PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4"
every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.title)


def captured(content: bytes) -> bytes:
    return convert(content, recognise(content), b"g" * 32, LIMITS).content


def photographed(content: bytes) -> bytes:
    return b"".join(as_photograph(captured(content)))


def read(content: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(content))


@every_variant
def test_single_colour_pictures_of_8_bits_become_photographs_and_no_others(
    variant: Variant,
) -> None:
    content = captured(variant.make())
    dataset = read(content)
    fits = dataset.SamplesPerPixel == 3 and dataset.BitsStored == 8

    photograph = b"".join(as_photograph(content))

    if fits and "NumberOfFrames" not in dataset:
        assert read(photograph).SOPClassUID == VL_PHOTOGRAPHIC
    else:
        assert photograph == content


@every_variant
def test_a_photograph_keeps_the_very_pixel_data(variant: Variant) -> None:
    content = captured(variant.make())

    photograph = read(b"".join(as_photograph(content)))

    assert photograph.PixelData == read(content).PixelData
    assert photograph.file_meta.TransferSyntaxUID == read(content).file_meta.TransferSyntaxUID


@every_variant
def test_dciodvfy_finds_nothing_in_a_photograph(variant: Variant, tmp_path: Path) -> None:
    file = tmp_path / "instance.dcm"
    file.write_bytes(photographed(variant.make()))

    done = subprocess.run(["dciodvfy", "-new", file], capture_output=True, text=True, check=False)

    assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == []


def test_a_photograph_says_what_it_is_and_nothing_of_its_capture() -> None:
    photograph = read(photographed(pictures.jpeg()))

    assert photograph.Modality == "XC"
    assert photograph.file_meta.MediaStorageSOPClassUID == VL_PHOTOGRAPHIC
    assert photograph.file_meta.MediaStorageSOPInstanceUID == photograph.SOPInstanceUID
    assert list(photograph.AcquisitionContextSequence) == []
    assert "ConversionType" not in photograph


def test_lossy_history_of_a_photograph_is_known_or_left_empty() -> None:
    jpeg, png = photographed(pictures.jpeg()), photographed(pictures.png(pictures.COLOUR, 8, 2))

    assert read(jpeg).LossyImageCompression == "01"
    assert read(png)["LossyImageCompression"].value in (None, "")


def test_a_photograph_is_no_instance_of_the_secondary_captures_series() -> None:
    capture, photograph = (read(make(pictures.jpeg())) for make in (captured, photographed))

    assert photograph.SOPInstanceUID != capture.SOPInstanceUID
    assert photograph.SeriesInstanceUID != capture.SeriesInstanceUID
    assert photograph.StudyInstanceUID == capture.StudyInstanceUID


def test_pixels_of_a_photograph_that_are_not_square_say_so() -> None:
    photograph = read(photographed(pictures.save(pictures.COLOUR, "PNG", dpi=(300, 150))))

    assert photograph.PixelAspectRatio == [2, 1]
    assert "NominalScannedPixelSpacing" not in photograph
