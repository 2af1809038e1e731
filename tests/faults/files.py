"""Files whose plain bytes can be recognised wherever they lie. Every patient is invented."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import count

import numpy as np
from PIL import Image

from tests.samples import ct, picture

PATIENT = "QUETZALCOATLUS"
PIXELS = b"\xa5\x3cplain-pixels-of-a-canary\x3c\xa5"
COMMENT = b"comment-of-a-canary"
NEEDLES = (PATIENT.encode(), PIXELS, COMMENT)
"""What must lie on no disk: of a name, of file names, of pixels, of a picture's comment."""

_numbers = count(1)


@dataclass(frozen=True)
class Sample:
    """A file to send. ``code`` is the reason why it must fail; none where it must complete."""

    name: str
    content: bytes
    code: str | None = None


def slice_of_ct(rows: int = 128, columns: int = 128) -> Sample:
    """A CT slice (32 KB, or ``rows`` x ``columns`` x 2), unlike every other."""
    number = next(_numbers)
    pixels = np.random.default_rng(number).integers(0, 2000, rows * columns, np.uint16).tobytes()
    content = ct(
        PatientName=f"{PATIENT}^{number}",
        PatientID=f"{PATIENT}-{number}",
        SOPInstanceUID=f"1.2.826.0.1.3680043.8.498.{number}",
        Rows=rows,
        Columns=columns,
        PixelData=PIXELS + pixels[len(PIXELS) :],
    )
    return Sample(f"{PATIENT}-{number}.dcm", content)


def large() -> Sample:
    """A slice of more than three megabytes: several chunks, and never kept in memory here."""
    return slice_of_ct(1200, 1400)


def photograph() -> Sample:
    """A JPEG with a comment."""
    number = next(_numbers)
    content = io.BytesIO()
    with Image.open(io.BytesIO(picture(size=(64 + number % 64, 48)))) as image:
        image.putpixel((number % 64, number // 64 % 48), (number % 256, 0, 0))
        image.save(content, "JPEG", comment=COMMENT + str(number).encode())
    return Sample(f"{PATIENT}-{number}.jpg", content.getvalue())


def no_picture() -> Sample:
    """A file that must fail."""
    number = next(_numbers)
    return Sample(f"{PATIENT}-{number}.txt", f"Dear {PATIENT}, {number}".encode(), "unrecognised")


def mixed(files: int = 6) -> list[Sample]:
    """Slices, photographs and one file that must fail."""
    made = [slice_of_ct() if number % 2 else photograph() for number in range(files - 1)]
    return [*made, no_picture()]
