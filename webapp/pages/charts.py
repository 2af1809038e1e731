"""Bar charts, laid out here and drawn as SVG without a script.

Widths and places are shares of the drawing's own width, so that letters keep
their size however narrow the page is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ROW = 46
TEXT = 15
BAR = 23
TALL = 150
GAP = 0.2
LABELS = 6


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


@dataclass(frozen=True)
class Column:
    """One point in time: ``x`` and ``width`` in per cent, ``y`` and ``height`` in pixels."""

    label: str
    value: int
    x: float
    width: float
    y: float
    height: float


@dataclass(frozen=True)
class Mark:
    """A word under the axis, ``x`` in per cent, and how it stands there."""

    label: str
    x: float
    anchor: str


@dataclass(frozen=True)
class Columns:
    """A history: its columns, the words under them, and the height, in pixels."""

    columns: tuple[Column, ...]
    marks: tuple[Mark, ...]
    largest: int
    axis: int = TALL
    height: int = TALL + 24

    @property
    def total(self) -> int:
        return sum(column.value for column in self.columns)


def columns(points: Iterable[tuple[str, int]]) -> Columns:
    """A history of (label, value), oldest first; the largest value is the height."""
    points = list(points)
    largest = max((value for _, value in points), default=0)
    step = 100 / max(len(points), 1)
    drawn = []
    for index, (label, value) in enumerate(points):
        height = round(TALL * value / largest, 1) if largest > 0 and value > 0 else 0.0
        drawn.append(
            Column(
                label=label,
                value=value,
                x=round(step * (index + GAP / 2), 3),
                width=round(step * (1 - GAP), 3),
                y=round(TALL - height, 1),
                height=height,
            )
        )
    return Columns(tuple(drawn), _marks(points), largest)


def _marks(points: list[tuple[str, int]]) -> tuple[Mark, ...]:
    """First, last and a few between."""
    if len(points) < 2:
        return tuple(Mark(label, 0, "start") for label, _ in points)
    last = len(points) - 1
    places = sorted({round(last * n / (LABELS - 1)) for n in range(LABELS)})
    anchors = {0: "start", last: "end"}
    return tuple(
        Mark(points[n][0], round(100 * n / last, 2), anchors.get(n, "middle")) for n in places
    )
