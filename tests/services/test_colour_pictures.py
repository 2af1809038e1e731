"""COLOUR_PICTURES: which SOP Class a colour picture leaves the service with."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pydicom
import pytest

from tests import installation, pictures
from webapp.pipeline.deidentify import parse_profile
from webapp.pipeline.pseudonyms import Pseudonyms
from webapp.pipeline.source import BytesSource, chunks
from webapp.services.processing import Order, Product, produce

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
VL_PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4"


def produced(folder: Path, content: bytes, **settings: str) -> Product:
    app = installation.app(installation.settings(folder, **settings))
    try:
        with app.app_context():
            order = Order(parse_profile("basic"), Pseudonyms(bytes(32)))
            return produce(BytesSource(content), order)
    finally:
        installation.close(app)


def file_of(product: Product) -> bytes:
    return b"".join(chunks(product.output))


def test_a_colour_picture_is_a_secondary_capture_unless_asked_otherwise(tmp_path: Path) -> None:
    product = produced(tmp_path, pictures.jpeg())

    assert product.deidentified.instance.sop_class_uid == SECONDARY_CAPTURE


@pytest.mark.parametrize(
    "content", [pictures.jpeg(), pictures.png(pictures.COLOUR, 8, 2)], ids=["JPEG", "PNG"]
)
def test_a_photograph_comes_out_clean_and_right(tmp_path: Path, content: bytes) -> None:
    product = produced(tmp_path, content, colour_pictures="vl-photographic")

    file = tmp_path / "photograph.dcm"
    file.write_bytes(file_of(product))
    done = subprocess.run(["dciodvfy", "-new", file], capture_output=True, text=True, check=False)
    assert "VLPhotographicImage" in done.stderr
    assert "Error" not in done.stderr
    assert product.deidentified.instance.sop_class_uid == VL_PHOTOGRAPHIC
    assert product.survivors == ()


def test_a_grey_picture_is_no_photograph(tmp_path: Path) -> None:
    content = pictures.jpeg(pictures.GREY)

    product = produced(tmp_path, content, colour_pictures="vl-photographic")

    assert product.deidentified.instance.sop_class_uid == SECONDARY_CAPTURE


def test_a_photograph_keeps_its_very_entropy_coded_bytes(tmp_path: Path) -> None:
    content = pictures.jpeg()

    file = file_of(produced(tmp_path, content, colour_pictures="vl-photographic"))

    assert content[content.index(b"\xff\xda") :] in pydicom.dcmread(io.BytesIO(file)).PixelData
