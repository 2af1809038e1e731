"""Resolution, carried only where a file really states one."""

from __future__ import annotations

import math
from fractions import Fraction

from webapp.pipeline.convert.picture import Resolution

MM_PER_INCH = 25.4
_SCREEN_DPI = (72.0, 96.0)
"""What programs write when they know nothing."""


def from_dpi(horizontal: float, vertical: float) -> Resolution:
    """Dots per inch. Screen defaults and nonsense are no resolution, but their ratio counts."""
    if not _plausible(horizontal) or not _plausible(vertical):
        return Resolution()
    if _is_default(horizontal) and _is_default(vertical):
        return from_ratio(horizontal, vertical)
    return Resolution(spacing=(MM_PER_INCH / vertical, MM_PER_INCH / horizontal))


def from_ratio(horizontal: float, vertical: float) -> Resolution:
    """Densities of unknown unit: only a pixel that is not square says something."""
    if not _plausible(horizontal) or not _plausible(vertical):
        return Resolution()
    if math.isclose(horizontal, vertical, rel_tol=0.01):
        return Resolution()
    # A pixel's height is to its width as the horizontal density to the vertical one.
    ratio = Fraction(horizontal / vertical).limit_denominator(1000)
    return Resolution(aspect=(ratio.numerator, ratio.denominator)) if ratio else Resolution()


def _plausible(density: float) -> bool:
    return math.isfinite(density) and 0.5 <= density <= 100_000


def _is_default(dpi: float) -> bool:
    return any(abs(dpi - default) < 0.6 for default in _SCREEN_DPI)
