"""One frame as samples, with what is needed to window it elsewhere.

Grey comes as modality values but for Rescale Slope and Intercept (a Modality LUT is applied),
colour as RGB of 8 bits. What is shown of a sample ``s`` of grey is, in 256 levels (PS3.3 C.11)::

    x = s * slope + intercept
    y = window(x)                       LINEAR, LINEAR_EXACT or SIGMOID; 0 to 1
    y = 1 - y where inverted            MONOCHROME1
    floor(y * 255 + 0.5)

and, where no window was asked for and there is a table (a VOI LUT), ``table[s - least]``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from webapp.errors import ServiceError
from webapp.pipeline.codecs import Decoded, decode_frame
from webapp.pipeline.errors import DecodeFailed, FrameTooLarge
from webapp.pipeline.pixels import PixelModule, Samples, values
from webapp.pipeline.render.colours import from_palette, to_rgb
from webapp.pipeline.render.header import ImageHeader, read_header
from webapp.pipeline.render.picture import pixel_shape
from webapp.pipeline.render.stored import Decoder, frame_index, stored_frame
from webapp.pipeline.render.tones import (
    NamedWindow,
    Tones,
    Window,
    decimal,
    shown,
    spread,
    tones_of,
    windows_of,
)
from webapp.pipeline.source import Source

MOST_BYTES = 64 << 20
_LEVELS = 0xFFFF
_COLOURS = Window(127.5, 255.0, "LINEAR_EXACT")
_SLOWEST, _FASTEST = 1, 60


@dataclass(frozen=True, slots=True)
class RawFrame:
    """``samples``: uint8, int16 or uint16 (rows, columns), or uint8 (rows, columns, 3).

    ``table``: uint8, what is shown of each value from ``least`` to ``greatest``; empty but for
    a VOI LUT. ``window`` is the one in force, ``windows`` the data set's own. ``slope`` and
    ``intercept`` lead to modality values. ``pixel_aspect``: height of a pixel over its width.
    ``is_quantised``: of more than 16 bits or fractions, brought to 65,536 levels.
    """

    frame: int
    frames: int
    samples: Samples
    table: Samples
    photometric_interpretation: str
    is_inverted: bool
    slope: float
    intercept: float
    least: int
    greatest: int
    window: Window
    windows: tuple[NamedWindow, ...]
    pixel_aspect: float
    frames_per_second: float | None
    is_quantised: bool = False


def raw_frame(source: Source, frame: int, decode: Decoder = decode_frame) -> RawFrame:
    """Frame ``frame`` (from 1). Reads the header and that frame.

    Raises NoPicture, NoSuchFrame, DecodeFailed, and FrameTooLarge above :data:`MOST_BYTES`.
    """
    header = read_header(source)
    index = frame_index(header, frame)
    try:
        _check_size(header.module)
        stored = stored_frame(header, index, 1, decode)
        _check_size(stored.module)
        return _raw(header, index, stored)
    except ServiceError:  # also what the source says of itself: damaged, or away just now
        raise
    except Exception as error:
        # A data set that contradicts itself (a LUT of text, sizes that do not fit) ends here.
        raise DecodeFailed from error


def _check_size(module: PixelModule) -> None:
    is_colour = module.samples_per_pixel > 1 or module.photometric_interpretation == "PALETTE COLOR"
    size = 3 if is_colour else 1 if module.bits_allocated <= 8 else 2
    if module.rows * module.columns * size > MOST_BYTES:
        raise FrameTooLarge(limit=MOST_BYTES >> 20)


def _raw(header: ImageHeader, index: int, stored: Decoded) -> RawFrame:
    samples, module = values(stored.samples, stored.module), stored.module
    if samples.ndim == 3:
        return _colour(header, index, to_rgb(samples, module))
    if module.photometric_interpretation == "PALETTE COLOR":
        return _colour(header, index, from_palette(samples, header))
    return _grey(header, index, samples)


def _colour(header: ImageHeader, index: int, samples: Samples) -> RawFrame:
    """Its window leaves it as it is; another one changes its brightness and contrast."""
    return RawFrame(
        samples=np.ascontiguousarray(samples),
        table=np.empty(0, np.uint8),
        is_inverted=False,
        slope=1.0,
        intercept=0.0,
        least=0,
        greatest=255,
        window=_COLOURS,
        windows=(),
        **_of_every_kind(header, index),
    )


def _grey(header: ImageHeader, index: int, stored: Samples) -> RawFrame:
    tones = tones_of(header, index, None)
    window = spread(stored, replace(tones, voi=None))
    if tones.modality is not None:
        stored = tones.modality.apply(stored)
        tones = replace(tones, modality=None, slope=1.0, intercept=0.0)
    samples, step, lowest = _in_sixteen_bits(stored)
    tones = replace(
        tones, slope=tones.slope * step, intercept=tones.slope * lowest + tones.intercept
    )
    least, greatest = int(samples.min()), int(samples.max())
    return RawFrame(
        samples=np.ascontiguousarray(samples),
        table=_table(tones, least, greatest),
        is_inverted=tones.inverted,
        slope=tones.slope,
        intercept=tones.intercept,
        least=least,
        greatest=greatest,
        window=window or Window(0.0, 1.0),
        windows=windows_of(header, index),
        is_quantised=step != 1.0 or lowest != 0.0,
        **_of_every_kind(header, index),
    )


def _table(tones: Tones, least: int, greatest: int) -> Samples:
    if tones.voi is None:
        return np.empty(0, np.uint8)
    return shown(np.arange(least, greatest + 1, dtype=np.int64), tones, None)


def _in_sixteen_bits(stored: Samples) -> tuple[Samples, float, float]:
    """The samples in 8 or 16 bits, and the step and lowest value that lead back to them."""
    if stored.dtype in (np.uint8, np.int16, np.uint16):
        return stored, 1.0, 0.0
    known = stored[np.isfinite(stored)] if stored.dtype.kind == "f" else stored
    if not known.size:
        return np.zeros(stored.shape, np.uint8), 1.0, 0.0
    low, high = float(known.min()), float(known.max())
    for kind in (np.uint8, np.int16, np.uint16):
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max and bool((stored == np.rint(stored)).all()):
            return stored.astype(kind), 1.0, 0.0
    step = (high - low) / _LEVELS or 1.0
    if not math.isfinite(step):
        raise DecodeFailed
    levels = np.nan_to_num((stored - low) / step, nan=0.0, posinf=_LEVELS, neginf=0.0)
    return np.clip(np.rint(levels), 0, _LEVELS).astype(np.uint16), step, low


def _of_every_kind(header: ImageHeader, index: int) -> dict[str, Any]:
    return {
        "frame": index + 1,
        "frames": header.module.number_of_frames,
        "photometric_interpretation": header.module.photometric_interpretation[:16],
        "pixel_aspect": pixel_shape(header),
        "frames_per_second": _speed(header),
    }


def _speed(header: ImageHeader) -> float | None:
    """Recommended Display Frame Rate (0008,2144), Cine Rate (0018,0040), else by Frame Time
    (0018,1063), which is in milliseconds."""
    dataset = header.dataset
    speed = decimal(dataset, "RecommendedDisplayFrameRate") or decimal(dataset, "CineRate")
    if not speed:
        time = decimal(dataset, "FrameTime")
        speed = 1000 / time if time and time > 0 else None
    return round(min(max(speed, _SLOWEST), _FASTEST), 2) if speed and speed > 0 else None
