"""Real files: what is shown against dcmtk's picture, what is decoded against pydicom's."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path

import data_store
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.pixels import pixel_array

from tests.pictures import Samples
from tests.pipeline.instances import shown
from webapp.errors import Rejected
from webapp.pipeline.codecs import decode_frame
from webapp.pipeline.pixels import values
from webapp.pipeline.render.frames import encapsulated_frame, native_frame
from webapp.pipeline.render.header import ImageHeader, read_header
from webapp.pipeline.render.tones import tones_of
from webapp.pipeline.source import BytesSource

FOLDERS = (
    Path(str(get_testdata_file("CT_small.dcm"))).parent,
    Path(data_store.__file__).parent / "data",
)
DOCUMENT = Path(__file__).parents[2] / "docs" / "pictures.md"
TOLERANCE = 1.0
"""Levels of 256, on average: dcmtk cuts fractions off where we round."""

EXPLAINED = {
    "MR-SIEMENS-DICOM-WithOverlays.dcm": "dcmtk draws the overlay into it",
    "examples_overlay.dcm": "dcmtk draws the overlay into it",
    "color-pl.dcm": "its pixels are not square (4:3): shown square, so that the size differs",
    "color-px.dcm": "its pixels are not square (4:3): shown square, so that the size differs",
    "rtdose_expb.dcm": "dcmtk takes 32-bit words of big endian for pairs of 16-bit ones",
    "rtdose_expb_1frame.dcm": "dcmtk takes 32-bit words of big endian for pairs of 16-bit ones",
}
UNREADABLE = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "the fragment is cut in the middle of its header",
    "meta_missing_tsyntax.dcm": "pixel data without rows and columns",
    "nested_priv_SQ.dcm": "pixel data without rows and columns",
}


def _images() -> list[Path]:
    found = []
    for path in sorted(path for folder in FOLDERS for path in folder.glob("*.dcm")):
        try:
            read_header(BytesSource(path.read_bytes()))
        except Rejected:
            continue
        found.append(path)
    return found


IMAGES = _images()
every_image = pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)


def reference(path: Path, folder: Path) -> Samples | None:
    """dcmtk's picture of the first frame, None where it makes none."""
    header = read_header(BytesSource(path.read_bytes()))
    target = folder / "reference.pnm"
    done = subprocess.run(
        ["dcmj2pnm", "+F", "1", "+op", *_asked(header), path, target],
        capture_output=True,
        check=False,
    )
    return np.asarray(Image.open(target)) if not done.returncode and target.exists() else None


def _asked(header: ImageHeader) -> list[str]:
    """What makes dcmtk apply the transformation that is the image's first."""
    if not header.module.photometric_interpretation.startswith("MONOCHROME"):
        return []
    tones = tones_of(header, 0, None)
    if tones.window is not None:
        return ["+Ww", str(tones.window.center), str(tones.window.width), "+Wfl"]
    return ["+Wl", "1"] if tones.voi is not None else ["+Wm"]


def difference(picture: Samples, other: Samples) -> float:
    """Mean of the absolute differences; infinite where the sizes differ."""
    if picture.ndim != other.ndim:
        picture, other = (
            x if x.ndim == 3 else np.repeat(x[..., None], 3, 2) for x in (picture, other)
        )
    if picture.shape != other.shape:
        return float("inf")
    return float(np.abs(picture.astype(int) - other.astype(int)).mean())


def first_frame(path: Path) -> Samples | None:
    if path.name in UNREADABLE:
        return None
    return shown(path.read_bytes(), frame=1)


@every_image
def test_pictures_agree_with_dcmtk_s(path: Path, tmp_path: Path) -> None:
    picture, other = first_frame(path), reference(path, tmp_path)

    if picture is not None and other is not None and path.name not in EXPLAINED:
        assert difference(picture, other) <= TOLERANCE


@every_image
def test_samples_agree_with_pydicom_s(path: Path) -> None:
    """Where pydicom decodes at all: it has no permissive decoder for lossless and 12-bit JPEG."""
    header = read_header(BytesSource(path.read_bytes()))
    other = _pydicom_s(path, header)
    if other is None or path.name in UNREADABLE:
        return

    if header.module.is_native:
        samples, module = native_frame(header, 0, 1), header.module
    else:
        decoded = decode_frame(header.module, encapsulated_frame(header, 0))
        samples, module = decoded.samples, decoded.module

    ours = values(samples, module)
    if module.photometric_interpretation.startswith("YBR"):
        assert ours.shape == other.shape  # pydicom made RGB of it
    else:
        assert np.array_equal(ours, other)


def _pydicom_s(path: Path, header: ImageHeader) -> Samples | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = header.module.transfer_syntax_uid
        try:
            return pixel_array(dataset, index=0)
        except (ValueError, AttributeError, RuntimeError):
            return None


@pytest.mark.parametrize("name", ["rtdose", "rtdose_1frame", "liver_1frame", "MR_small"])
def test_big_endian_shows_what_little_endian_shows(name: str) -> None:
    little, big = (FOLDERS[0] / f"{name}{suffix}.dcm" for suffix in ("", "_expb"))
    if name == "liver_1frame":
        big = FOLDERS[0] / "liver_expb_1frame.dcm"
    if name == "rtdose_1frame":
        big = FOLDERS[0] / "rtdose_expb_1frame.dcm"

    assert np.array_equal(first_frame(little), first_frame(big))


@pytest.mark.parametrize(
    ("lossless", "original"),
    [
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("MR_small_RLE.dcm", "MR_small.dcm"),
        ("693_J2KR.dcm", "693_UNCR.dcm"),
        ("RG3_J2KR.dcm", "RG3_UNCR.dcm"),
        ("US1_J2KR.dcm", "US1_UNCR.dcm"),
        ("emri_small_jpeg_ls_lossless.dcm", "emri_small.dcm"),
        ("emri_small_jpeg_2k_lossless.dcm", "emri_small.dcm"),
    ],
)
def test_losslessly_compressed_files_show_what_their_originals_show(
    lossless: str, original: str
) -> None:
    by_name = {path.name: path for path in IMAGES}

    assert np.array_equal(first_frame(by_name[lossless]), first_frame(by_name[original]))


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_refused(name: str) -> None:
    with pytest.raises(Rejected):
        shown((FOLDERS[0] / name).read_bytes())


def row(path: Path, folder: Path) -> str:
    """The file's line of docs/pictures.md."""
    picture, other = first_frame(path), reference(path, folder)
    if picture is None:
        return f"| {path.name} | | refused: {UNREADABLE[path.name]} |"
    if other is None:
        return f"| {path.name} | | dcmtk makes no picture of it |"
    mean = difference(picture, other)
    shown_mean = "" if mean == float("inf") else f"{mean:.2f}"
    return f"| {path.name} | {shown_mean} | {EXPLAINED.get(path.name, '')} |"


@every_image
def test_the_documentation_says_how_near_the_pictures_are(path: Path, tmp_path: Path) -> None:
    assert row(path, tmp_path) in DOCUMENT.read_text().splitlines()


def test_the_documentation_lists_nothing_else() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]

    assert len(rows) == len(IMAGES)
