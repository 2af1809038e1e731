"""DICOM images put together from samples, so that the truth of each picture is known."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import ExplicitVRLittleEndian

from webapp.pipeline.render import RenderOptions, render
from webapp.pipeline.source import BytesSource

Samples = npt.NDArray[Any]


def instance(samples: Samples, **attributes: Any) -> Dataset:
    """A data set around native samples: (rows, columns[, 3]), or frames of them first."""
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = "2.25.1"
    dataset.SamplesPerPixel = 3 if samples.shape[-1] == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if samples.shape[-1] == 3 else "MONOCHROME2"
    shape = samples.shape[:-1] if samples.shape[-1] == 3 else samples.shape
    dataset.Rows, dataset.Columns = shape[-2:]
    if len(shape) == 3:
        dataset.NumberOfFrames = shape[0]
    if samples.dtype.kind in "ui":
        dataset.BitsAllocated = dataset.BitsStored = samples.dtype.itemsize * 8
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(samples.dtype.kind == "i")
        dataset.PixelData = samples.tobytes()
        dataset["PixelData"].VR = "OW" if samples.dtype.itemsize > 1 else "OB"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def encapsulated(samples: Samples, syntax: str, frames: list[bytes], **attributes: Any) -> Dataset:
    """The same with ``frames`` as they are encoded."""
    dataset = instance(samples, **attributes)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset


def written(dataset: Dataset) -> bytes:
    """As a Part 10 file."""
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    output = DicomBytesIO(bytes(128) + b"DICM")
    output.seek(132)
    output.is_little_endian, output.is_implicit_VR = True, False
    write_file_meta_info(output, dataset.file_meta, enforce_standard=False)
    write_dataset(output, dataset)  # whatever pydicom thinks of the transfer syntax
    return output.getvalue()


def shown(content: Dataset | bytes, **options: Any) -> Samples:
    """What a picture of it holds."""
    source = BytesSource(content if isinstance(content, bytes) else written(content))
    rendered = render(source, RenderOptions(**{"format": "png", **options}))
    return np.asarray(Image.open(io.BytesIO(rendered.content)))
