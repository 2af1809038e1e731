"""Files as senders have them, made small. Every patient here is invented."""

from __future__ import annotations

import io
import json
from base64 import b64encode

import pydicom
from PIL import Image
from pydicom.data import get_testdata_file

DICOM_NAME = "CT_small.dcm"


def picture(form: str = "JPEG", colour: int = 90, size: tuple[int, int] = (48, 32)) -> bytes:
    """A small picture of one colour in a format that Pillow writes."""
    content = io.BytesIO()
    Image.new("RGB", size, (colour * 16 % 256, 40, 160)).save(content, form)
    return content.getvalue()


def ct(**attributes: object) -> bytes:
    """pydicom's own small CT, with attributes set by keyword."""
    dataset = pydicom.dcmread(get_testdata_file(DICOM_NAME))
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    content = io.BytesIO()
    dataset.save_as(content)
    return content.getvalue()


def batch_json(*files: tuple[str, bytes]) -> bytes:
    """The body of a JSON batch."""
    entries = [
        {"filename": name, "content": b64encode(content).decode()} for name, content in files
    ]
    return json.dumps({"files": entries}).encode()
