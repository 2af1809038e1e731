"""How numbers, times and states are said on a page."""

from __future__ import annotations

from datetime import datetime

from flask import Flask
from pydicom.uid import UID

STATES = {
    "queued": "Queued",
    "processing": "De-identifying",
    "completed": "Completed",
    "held": "Held for review",
    "failed": "Failed",
    "deleted": "Deleted",
    "open": "Receiving files",
}
MODALITIES = {
    "CR": "Computed radiography",
    "CT": "Computed tomography",
    "DX": "Digital radiography",
    "ES": "Endoscopy",
    "GM": "General microscopy",
    "IO": "Intra-oral radiography",
    "MG": "Mammography",
    "MR": "Magnetic resonance",
    "NM": "Nuclear medicine",
    "OP": "Ophthalmic photography",
    "OT": "Other pictures",
    "PT": "Positron emission tomography",
    "PX": "Panoramic x-ray",
    "RF": "Fluoroscopy",
    "RTDOSE": "Radiotherapy dose",
    "RTIMAGE": "Radiotherapy image",
    "RTPLAN": "Radiotherapy plan",
    "RTSTRUCT": "Radiotherapy structures",
    "SC": "Secondary capture",
    "SEG": "Segmentation",
    "SM": "Slide microscopy",
    "SR": "Structured report",
    "US": "Ultrasound",
    "XA": "Angiography",
    "XC": "Photographs",
}
FORMATS = {"dicom": "DICOM", "dicom-without-preamble": "DICOM without preamble"}
UNITS = (("GB", 30), ("MB", 20), ("KB", 10))


def size(count: int) -> str:
    """Bytes in the largest unit that leaves at least one."""
    for unit, power in UNITS:
        value = count / (1 << power)
        if value >= 1:
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{count} bytes"


def megabytes(count: int) -> str:
    """A limit in megabytes, in gigabytes where it is some whole number of them."""
    return f"{count // 1024} GB" if count >= 1024 and count % 1024 == 0 else f"{count:,} MB"


def moment(at: datetime) -> str:
    """A time in UTC; a script turns it into the reader's own."""
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def day(at: datetime) -> str:
    """The day of a time."""
    return f"{at.day} {at:%B %Y}"


def state_word(status: str) -> str:
    """A state as a person reads it."""
    return STATES.get(status, status.capitalize())


def number(value: int) -> str:
    """A count with its thousands apart."""
    return f"{value:,}"


def counted(value: int, one: str, many: str = "") -> str:
    """A count and its noun."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def format_name(kind: str) -> str:
    """What a received file was, as its users write it."""
    return FORMATS.get(kind, kind.upper())


def uid_name(uid: str) -> str:
    """What PS3.6 calls a UID; the UID itself where it is not registered."""
    return UID(uid).name


def init_wording(app: Flask) -> None:
    """Make these words filters of ``app``'s templates."""
    for word in (size, megabytes, moment, day, state_word, number, counted, uid_name, format_name):
        app.add_template_filter(word)
