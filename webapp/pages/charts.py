"""Bar charts, laid out here and drawn as SVG without a script.

Widths are shares of the drawing's own width, so that letters keep their size
however narrow the page is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ROW = 46
TEXT = 15
BAR = 23


@dataclass(frozen=True)
class Bar:
    """One row: ``y`` of its text and its bar in pixels, ``share`` of the width in per cent."""

    label: str
    value: int
    kind: str
    text_y: int
    bar_y: int
    share: float


@dataclass(frozen=True)
class Chart:
    """Rows and the height they take, in pixels."""

    bars: tuple[Bar, ...]
    height: int

    @property
    def total(self) -> int:
        return sum(bar.value for bar in self.bars)


def bars(rows: Iterable[tuple[str, int, str]]) -> Chart:
    """A chart of (label, value, kind); the largest value fills the width, zero has no bar."""
    rows = list(rows)
    largest = max((value for _, value, _ in rows), default=0)
    drawn = tuple(
        Bar(
            label=label,
            value=value,
            kind=kind,
            text_y=index * ROW + TEXT,
            bar_y=index * ROW + BAR,
            share=round(100 * value / largest, 2) if largest else 0.0,
        )
        for index, (label, value, kind) in enumerate(rows)
    )
    return Chart(drawn, len(rows) * ROW)
