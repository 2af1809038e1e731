"""What is sent: one seeded file a kind, of which every copy differs in a few bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pydicom
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian

SEED = 20261125
ROOT = b"1.2.826.0.1.3680043.8.498."
DIGITS = 20
NUMBER = 10 ** (DIGITS - 1)
UID = ROOT + b"%d" % NUMBER
"""Stands in the sample; each copy's own is as long, so that no length changes."""


@dataclass(frozen=True)
class Sample:
    """One kind of file. ``numbered`` makes the copy with a number of its own."""

    name: str
    extension: str
    content: bytes
    numbered: Callable[[bytes, int], bytes]

    def copy(self, number: int) -> bytes:
        return self.numbered(self.content, number)


@cache
def samples() -> dict[str, Sample]:
    """CT of 0.5 MB, CR of 8 MB, colour ultrasound of 12 frames, a photograph as JPEG and as PNG."""
    return {
        sample.name: sample
        for sample in (
            Sample("CT", "dcm", _dicom("CT", 512, 512), _uids_changed),
            Sample("CR", "dcm", _dicom("CR", 2048, 2048), _uids_changed),
            Sample("US", "dcm", _cine(12, 480, 640), _uids_changed),
            Sample("JPEG", "jpg", _picture("JPEG", quality=85), _trailer_changed),
            Sample("PNG", "png", _picture("PNG", compress_level=1), _trailer_changed),
        )
    }


def _uids_changed(content: bytes, number: int) -> bytes:
    return content.replace(UID, ROOT + b"%d" % (NUMBER + number))


def _trailer_changed(content: bytes, number: int) -> bytes:
    return content + b"%0*d" % (DIGITS, number)


def _dicom(modality: str, rows: int, columns: int) -> bytes:
    instance = _template()
    instance.Modality = modality
    instance.Rows, instance.Columns = rows, columns
    y, x = np.mgrid[0:rows, 0:columns]
    anatomy = 1200 + 700 * np.sin(x / 37.0) * np.cos(y / 29.0)
    noise = np.random.default_rng(SEED).normal(0, 20, (rows, columns))
    instance.PixelData = (anatomy + noise).astype("<i2").tobytes()
    return _written(instance)


def _cine(frames: int, rows: int, columns: int) -> bytes:
    instance = _template()
    instance.SOPClassUID = instance.file_meta.MediaStorageSOPClassUID = (
        "1.2.840.10008.5.1.4.1.1.3.1"
    )
    instance.Modality, instance.NumberOfFrames = "US", frames
    instance.Rows, instance.Columns = rows, columns
    instance.SamplesPerPixel, instance.PlanarConfiguration = 3, 0
    instance.PhotometricInterpretation = "RGB"
    instance.BitsAllocated = instance.BitsStored = 8
    instance.HighBit, instance.PixelRepresentation = 7, 0
    shape = (frames, rows, columns, 3)
    pixels = np.random.default_rng(SEED).integers(0, 256, shape, dtype=np.uint8)
    instance["PixelData"].VR = "OB"
    instance.PixelData = pixels.tobytes()
    return _written(instance)


def _template() -> pydicom.Dataset:
    file = get_testdata_file("CT_small.dcm")
    assert isinstance(file, str)
    instance = pydicom.dcmread(file)
    instance.SOPInstanceUID = UID.decode("ascii")
    instance.file_meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return instance


def _written(instance: pydicom.Dataset) -> bytes:
    stream = io.BytesIO()
    instance.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _picture(kind: str, **options: int) -> bytes:
    rows, columns = 1080, 1920
    y, x = np.mgrid[0:rows, 0:columns]
    noise = np.random.default_rng(SEED).normal(0, 6, (rows, columns))
    red = 120 + 80 * np.sin(x / 90.0) + noise
    green = 110 + 70 * np.cos(y / 70.0) + noise
    blue = 100 + 60 * np.sin((x + y) / 110.0) + noise
    stream = io.BytesIO()
    pixels = np.stack([red, green, blue], axis=-1).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()
