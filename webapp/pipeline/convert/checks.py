"""Sizes asked of a header before a single sample is decoded."""

from __future__ import annotations

from webapp.pipeline.convert.picture import Limits
from webapp.pipeline.errors import ImageDamaged, ImageTooLarge, UnsupportedImage

MAX_FRAMES = 10_000
"""More make the vectors of frame times and pages longer than a value may be (64 KB)."""

FRAME_COST = 4096
"""Each frame counts as at least so many pixels: a million frames of one pixel are work too."""

LONGEST_SIDE = 65535
"""Rows and Columns are unsigned 16-bit integers (PS3.3 C.7.6.3)."""


def check_size(columns: int, rows: int, limits: Limits, frames: int = 1) -> None:
    """Raises ImageDamaged (no pixels), ImageTooLarge (facts: limit), UnsupportedImage (a side
    that DICOM cannot state)."""
    if columns < 1 or rows < 1 or frames < 1:
        raise ImageDamaged
    cost = rows * columns if frames == 1 else max(rows * columns, FRAME_COST) * frames
    if cost > limits.max_pixels or frames > MAX_FRAMES:
        raise ImageTooLarge(limit=limits.max_pixels)
    if max(rows, columns) > LONGEST_SIDE:
        raise UnsupportedImage
