"""Sample types that DICOM's Image Pixel module has, from those that files have (PS3.3 C.7.6.3).

Whole numbers keep their values. Fractions become 16-bit whole numbers under a
Rescale Slope and Intercept: exactly where they fit, else quantised, and said so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from webapp.pipeline.convert.layout import decimal_string
from webapp.pipeline.convert.picture import Picture, Rescale, Samples
from webapp.pipeline.errors import UnsupportedImage

_LEVELS = 65535


def fit_into_dicom(picture: Picture) -> Picture:
    """Unsigned 8 or 16 bits as they are; signed 16 in a single grey frame; everything else as
    16 bits under a Modality LUT, or in colour spread over 16 bits.

    The multi-frame classes know no sign, and 8 bits of colour only (PS3.3 A.8.3 to A.8.5).
    """
    kind = picture.dtype
    if kind.kind not in "uif":
        raise UnsupportedImage
    if kind.kind != "u" or kind.itemsize > 2:
        _make_short(picture)
    if len(picture.frames) > 1 and len(picture.shape) == 3 and picture.dtype.itemsize == 2:
        picture.note("colour-reduced-to-8-bit")
        picture.frames = [_eight_bits(frame) for frame in picture.frames]
    return picture


def _make_short(picture: Picture) -> None:
    low, high = _range(picture.frames)
    whole = all(_is_whole(frame) for frame in picture.frames)
    if whole and low >= 0 and high <= _LEVELS:
        _store(picture, np.uint16)
    elif whole and _is_single_grey(picture) and low >= -32768 and high <= 32767:
        _store(picture, np.int16)
    elif len(picture.shape) == 2:
        _rescale(picture, low, high, exact=whole and high - low <= _LEVELS)
    else:
        _spread(picture, low, high)


def _store(picture: Picture, target: type[np.generic]) -> None:
    picture.frames = [frame.astype(target) for frame in picture.frames]


def _rescale(picture: Picture, low: float, high: float, *, exact: bool) -> None:
    """Stored values are whole steps above the lowest; what is not a number becomes 0."""
    if not exact:
        picture.note("quantised-to-16-bit")
    step = 1.0 if exact or high == low else (high - low) / _LEVELS
    slope = float(decimal_string(step)) or 1.0
    intercept = float(decimal_string(low))
    picture.rescale = Rescale(slope, intercept)
    picture.frames = [_steps(frame, slope, intercept) for frame in picture.frames]


def _spread(picture: Picture, low: float, high: float) -> None:
    """Colours have no Modality LUT: the whole range becomes 0 to 65535."""
    picture.note("quantised-to-16-bit")
    slope = (high - low) / _LEVELS or 1.0
    picture.frames = [_steps(frame, slope, low) for frame in picture.frames]


def _steps(frame: Samples, slope: float, intercept: float) -> Samples:
    stored = np.empty(frame.shape, np.uint16)
    for row, line in enumerate(frame):  # by rows: doubles of a whole picture are too many
        steps = np.rint((line.astype(np.float64) - intercept) / slope)
        known = np.nan_to_num(steps, nan=0.0, posinf=_LEVELS, neginf=0.0)
        stored[row] = known.clip(0, _LEVELS).astype(np.uint16)
    return stored


def _eight_bits(frame: Samples) -> Samples:
    return ((frame.astype(np.uint32) * 255 + _LEVELS // 2) // _LEVELS).astype(np.uint8)


def _is_single_grey(picture: Picture) -> bool:
    return len(picture.frames) == 1 and len(picture.shape) == 2


def _is_whole(frame: Samples) -> bool:
    if frame.dtype.kind != "f":
        return True
    return bool(all((np.isfinite(line) & (np.rint(line) == line)).all() for line in frame))


def _range(frames: Sequence[Samples]) -> tuple[float, float]:
    lows, highs = [], []
    for frame in frames:
        known = frame[np.isfinite(frame)] if frame.dtype.kind == "f" else frame
        if known.size:
            lows.append(float(known.min()))
            highs.append(float(known.max()))
    return (min(lows), max(highs)) if lows else (0.0, 0.0)
