"""Grey: from stored values to what is shown (PS3.3 C.11.1, C.11.2; PS3.4 annex N)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from webapp.pipeline.pixels import Samples
from webapp.pipeline.render.header import ImageHeader, items

_LARGEST_TABLE = 1 << 17
_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
_MOST_WINDOWS = 6
_ROWS = 256
_LONGEST_NAME = 32


@dataclass(frozen=True, slots=True)
class LookupTable:
    """Modality or VOI LUT: values from ``first`` on; below and above, the ends (C.11.1.1.1)."""

    first: int
    entries: Samples
    bits: int

    def apply(self, x: Samples) -> Samples:
        index = np.clip(np.rint(x) - self.first, 0, len(self.entries) - 1).astype(np.intp)
        return np.asarray(np.take(self.entries, index), np.float64)


@dataclass(frozen=True, slots=True)
class Window:
    center: float
    width: float
    function: str = "LINEAR"

    def apply(self, x: Samples) -> Samples:
        """0 to 1 (C.11.2.1.2, C.11.2.1.3)."""
        if self.function == "SIGMOID":
            exponent = np.clip(-4 * (x - self.center) / self.width, -700, 700)
            return np.asarray(1 / (1 + np.exp(exponent)))
        if self.function == "LINEAR_EXACT":
            return np.clip((x - self.center) / self.width + 0.5, 0, 1)
        if self.width <= 1:
            return (x > self.center - 0.5).astype(np.float64)
        return np.clip((x - (self.center - 0.5)) / (self.width - 1) + 0.5, 0, 1)


@dataclass(frozen=True, slots=True)
class NamedWindow:
    """A window that the data set gives; ``name`` is its explanation (0028,1055), or empty."""

    center: float
    width: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class Tones:
    """How a frame's stored values are shown."""

    slope: float = 1.0
    intercept: float = 0.0
    modality: LookupTable | None = None
    window: Window | None = None
    voi: LookupTable | None = None
    inverted: bool = False
    padding: tuple[int, int] | None = None

    def modality_values(self, stored: Samples) -> Samples:
        if self.modality is not None:
            return self.modality.apply(stored)
        return stored * np.float64(self.slope) + self.intercept


def tones_of(header: ImageHeader, frame: int, asked: tuple[float, float] | None) -> Tones:
    """The first modality and VOI transformation of the frame, or the window ``asked`` for."""
    dataset = header.dataset
    groups = list(_functional_groups(dataset, frame))
    transformation = _first(groups, "PixelValueTransformationSequence") or dataset
    voi = _first(groups, "FrameVOILUTSequence") or dataset
    modality = _lookup(transformation, "ModalityLUTSequence", header)
    window = Window(*asked) if asked else _window(voi)
    return Tones(
        slope=decimal(transformation, "RescaleSlope", 1.0) or 1.0,
        intercept=decimal(transformation, "RescaleIntercept", 0.0),
        modality=modality,
        window=window,
        voi=None if window else _lookup(voi, "VOILUTSequence", header),
        inverted=header.module.photometric_interpretation == "MONOCHROME1",
        padding=_padding(dataset),
    )


def shade(stored: Samples, tones: Tones, extent: Samples | None = None) -> Samples:
    """uint8 of the same shape. ``extent``: all values of the frame, where ``stored`` is a
    thinned copy, so that a frame without a window is spread over what it really holds."""
    if stored.dtype.kind in "ui":
        low, high = int(stored.min()), int(stored.max())
        if high - low < _LARGEST_TABLE:
            return _by_table(stored, low, high, tones, extent)
    return shown(stored, tones, spread(stored if extent is None else extent, tones))


def _by_table(
    stored: Samples, low: int, high: int, tones: Tones, extent: Samples | None
) -> Samples:
    """Each value worked out once."""
    window = spread(stored if extent is None else extent, tones)
    table = shown(np.arange(low, high + 1, dtype=np.int64), tones, window)
    picture = np.empty(stored.shape, np.uint8)
    for band in range(0, len(stored), _ROWS):  # an index takes eight bytes for each sample
        rows = slice(band, band + _ROWS)
        np.take(table, stored[rows].astype(np.int64) - low, out=picture[rows])
    return picture


def shown(stored: Samples, tones: Tones, window: Window | None) -> Samples:
    """uint8 of stored values, through ``window`` or else the VOI LUT."""
    x = tones.modality_values(stored)
    if window is not None:
        y = window.apply(x)
    elif tones.voi is not None:
        y = tones.voi.apply(x) / ((1 << tones.voi.bits) - 1)
    else:
        y = np.zeros_like(x)
    y = np.nan_to_num(y, nan=0.0, posinf=1.0, neginf=0.0)
    if tones.inverted:
        y = 1 - y
    return np.asarray(np.clip(y, 0, 1) * 255 + 0.5).astype(np.uint8)


def spread(stored: Samples, tones: Tones) -> Window | None:
    """The window in force: without one, the least and greatest value of the frame."""
    if tones.window is not None or tones.voi is not None:
        return tones.window
    low, high = _extremes(stored, tones.padding)
    ends = tones.modality_values(np.array([low, high]))
    if tones.modality is not None:
        ends = tones.modality_values(np.arange(low, high + 1))
    low, high = float(ends.min()), float(ends.max())
    width = high - low if math.isfinite(high - low) and high > low else 1.0
    return Window(low + width / 2, width, "LINEAR_EXACT")


def _extremes(stored: Samples, padding: tuple[int, int] | None) -> tuple[Any, Any]:
    known = stored
    if stored.dtype.kind == "f":
        known = stored[np.isfinite(stored)]
    elif padding is not None:
        known = stored[(stored < padding[0]) | (stored > padding[1])]
    if not known.size:
        known = np.zeros(1, stored.dtype)
    return known.min(), known.max()


def _padding(dataset: Dataset) -> tuple[int, int] | None:
    """Pixel Padding Value and Range Limit (C.7.5.1.1.2), in either order."""
    value, limit = dataset.get("PixelPaddingValue"), dataset.get("PixelPaddingRangeLimit")
    if not isinstance(value, int):
        return None
    limit = limit if isinstance(limit, int) else value
    return min(value, limit), max(value, limit)


def _functional_groups(dataset: Dataset, frame: int) -> Iterable[Dataset]:
    """The frame's own group, then the shared one (C.7.6.16)."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    if per_frame and frame < len(per_frame):
        yield per_frame[frame]
    yield from list(items(dataset, "SharedFunctionalGroupsSequence"))[:1]


def _first(groups: list[Dataset], keyword: str) -> Dataset | None:
    for group in groups:
        for item in items(group, keyword):
            return item
    return None


def windows_of(header: ImageHeader, frame: int) -> tuple[NamedWindow, ...]:
    """The windows that the data set gives for the frame (C.11.2.1.2), the first few of them."""
    groups = list(_functional_groups(header.dataset, frame))
    voi = _first(groups, "FrameVOILUTSequence") or header.dataset
    centers, widths = _decimals(voi, "WindowCenter"), _decimals(voi, "WindowWidth")
    names = [*_texts(voi, "WindowCenterWidthExplanation"), *[""] * len(centers)]
    named = (NamedWindow(*each) for each in zip(centers, widths, names, strict=False))
    return tuple(each for each in named if each.width > 0)[:_MOST_WINDOWS]


def _decimals(dataset: Dataset, keyword: str) -> list[float]:
    """The values up to the first that is no finite number."""
    found = []
    for value in _values(dataset, keyword):
        try:
            number = float(value)
        except (TypeError, ValueError):
            break
        if not math.isfinite(number):
            break
        found.append(number)
    return found


def _texts(dataset: Dataset, keyword: str) -> list[str]:
    return [str(value)[:_LONGEST_NAME].strip() for value in _values(dataset, keyword)]


def _values(dataset: Dataset, keyword: str) -> list[Any]:
    value = dataset.get(keyword)
    if value in (None, ""):
        return []
    return list(value) if isinstance(value, list | tuple) or hasattr(value, "append") else [value]


def _window(dataset: Dataset) -> Window | None:
    center, width = decimal(dataset, "WindowCenter"), decimal(dataset, "WindowWidth")
    if center is None or width is None or not width > 0:
        return None
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    return Window(center, width, function if function in _FUNCTIONS else "LINEAR")


def decimal(dataset: Dataset, keyword: str, default: Any = None) -> Any:
    """The first value as a finite number."""
    try:
        value = dataset.get(keyword)
        if isinstance(value, list | tuple) or hasattr(value, "append"):
            value = value[0] if len(value) else None
        number = default if value in (None, "") else float(value)
    except (TypeError, ValueError, IndexError):
        return default
    return number if number is None or math.isfinite(number) else default


def _lookup(dataset: Dataset, keyword: str, header: ImageHeader) -> LookupTable | None:
    for item in items(dataset, keyword):
        descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
        if descriptor is None or data is None or len(descriptor) != 3:
            return None
        count, first, bits = (int(value) for value in descriptor)
        if header.module.pixel_representation == 1 and first >= 0x8000:
            first -= 0x10000
        entries = lut_entries(data, count or 0x10000, header)
        return LookupTable(first, entries, max(1, min(bits, 16))) if entries.size else None
    return None


def lut_entries(data: Any, count: int, header: ImageHeader) -> Samples:
    """LUT Data as numbers: given as US or SS, or as the bytes of OW, of which 8-bit tables
    may hold one entry in each."""
    if not isinstance(data, bytes):
        numbers = np.atleast_1d(np.asarray(data)).astype(np.int64) & 0xFFFF
        return numbers[:count].astype(np.uint16)
    if count <= len(data) < 2 * count:
        return np.frombuffer(data, np.uint8)[:count].astype(np.uint16)
    order = ">u2" if header.is_big_endian else "<u2"
    return np.frombuffer(data[: len(data) // 2 * 2], order)[:count].astype(np.uint16)
