"""A decoded picture on its way into DICOM: samples, and what is truthfully known about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[Any]
"""(rows, columns) grey or (rows, columns, 3) RGB; uint8, uint16 or int16 when stored."""

JPEG_METHOD = "ISO_10918_1"
JPEG_2000_METHOD = "ISO_15444_1"


@dataclass(frozen=True, slots=True)
class Limits:
    """``max_pixels``: rows x columns x frames of one file, asked before anything is decoded."""

    max_pixels: int


@dataclass(frozen=True, slots=True)
class Converted:
    """A complete Part 10 file, and codes of what was done on the way.

    ``alpha-flattened``, ``cmyk-converted``, ``orientation-applied``, ``image-truncated``,
    ``colour-reduced-to-8-bit``, ``quantised-to-16-bit``, ``pages-padded``,
    ``reduced-pages-dropped``, ``extra-channels-dropped``, ``colours-converted``,
    ``icc-dropped``.
    """

    content: bytes
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lossy:
    """Lossy history (PS3.3 C.7.6.1.1.5): an earlier lossy compression stays true for good.

    ``encoded``: bytes of the compressed form, for the ratio. ``method`` is None where
    PS3.3 defines no term (WebP, AVIF).
    """

    encoded: int
    method: str | None = None


@dataclass(frozen=True, slots=True)
class Rescale:
    """Modality LUT (PS3.3 C.11.1): sample = slope x stored + intercept."""

    slope: float
    intercept: float


@dataclass(frozen=True, slots=True)
class Resolution:
    """From the file: spacing (mm between rows, between columns), or only its ratio.

    ``aspect`` is Pixel Aspect Ratio (0028,0034): vertical, horizontal size of a pixel.
    """

    spacing: tuple[float, float] | None = None
    aspect: tuple[int, int] | None = None

    def turned(self) -> Resolution:
        """For a picture whose rows become its columns."""
        return Resolution(
            self.spacing[::-1] if self.spacing else None,
            self.aspect[::-1] if self.aspect else None,
        )


@dataclass(slots=True)
class Picture:
    """One or more frames of one shape and sample type.

    ``durations``: milliseconds of each frame of a moving picture; None for pages.
    ``notes``: see :class:`Converted`. ``profile``: the ICC profile of the file, empty
    where it has one that cannot be read, until
    :func:`~webapp.pipeline.convert.icc.settle_profile` has made it safe.
    """

    frames: Sequence[Samples]
    notes: list[str] = field(default_factory=list)
    lossy: Lossy | None = None
    resolution: Resolution = field(default_factory=Resolution)
    durations: Sequence[int] | None = None
    rescale: Rescale | None = None
    profile: bytes | None = None

    @property
    def is_derived(self) -> bool:
        """Whether the samples are no longer those that the file's maker had."""
        return self.lossy is not None or bool(set(self.notes) - {"icc-dropped"})

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.frames[0].shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.frames[0].dtype

    def note(self, code: str) -> None:
        if code not in self.notes:
            self.notes.append(code)
