"""The administrators' numbers as tables: each with its chart, and each as CSV."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from webapp.pages.charts import Chart, Columns, bars, columns
from webapp.pages.wording import MODALITIES, STATES, format_name
from webapp.problems import PROBLEMS
from webapp.services.counters import Amount
from webapp.services.statistics import By, Statistics

STATES_COUNTED = {"waiting": "Waiting", **STATES}
MOST_BARS = 12
PERIODS: dict[By, str] = {"day": "Day", "week": "Week from", "month": "Month"}


@dataclass(frozen=True)
class Table:
    """Rows as they are counted. ``kinds`` says of each column: ``text``, ``count``, ``bytes``."""

    name: str
    title: str
    head: tuple[str, ...]
    kinds: tuple[str, ...]
    rows: list[tuple[object, ...]]
    chart: Chart | None = None
    history: tuple[tuple[str, str, Columns], ...] = ()
    note: str = ""


def over_time(numbers: Statistics) -> Table:
    """Uploads and bytes of each day, week or month."""
    shown = [(_slot(numbers.by, slot.first), slot.uploads, slot.size) for slot in numbers.slots]
    return Table(
        name="over-time",
        title="Received over time",
        head=(PERIODS[numbers.by], "Uploads", "Bytes"),
        kinds=("text", "count", "bytes"),
        rows=[(slot.first.isoformat(), slot.uploads, slot.size) for slot in numbers.slots],
        history=(
            ("Uploads", "count", columns((label, uploads) for label, uploads, _ in shown)),
            ("Bytes", "bytes", columns((label, size) for label, _, size in shown)),
        ),
    )


def _slot(by: By, first: date) -> str:
    return f"{first:%b %Y}" if by == "month" else f"{first.day} {first:%b}"


def states(numbers: Statistics) -> Table:
    """By where uploads stand; each state has its row, zero too."""
    rows = [(key, words, numbers.states.get(key, Amount())) for key, words in _counted_states()]
    return _amounts("states", "By state", "State", rows, kinds=True)


def _counted_states() -> list[tuple[str, str]]:
    order = ("waiting", "completed", "held", "failed")
    return [(key, STATES_COUNTED[key]) for key in order]


def modalities(numbers: Statistics) -> Table:
    """By what made the picture."""
    rows = [
        (key, f"{key} · {MODALITIES[key]}" if key in MODALITIES else key, amount)
        for key, amount in numbers.modalities.items()
    ]
    return _amounts("modalities", "By modality", "Modality", rows)


def formats(numbers: Statistics) -> Table:
    """By what was received."""
    rows = [(key, format_name(key), amount) for key, amount in numbers.formats.items()]
    return _amounts("formats", "By input format", "Format", rows)


def frontends(numbers: Statistics) -> Table:
    """By whose application sent it."""
    rows = [(key, key, amount) for key, amount in numbers.frontends.items()]
    return _amounts("frontends", "By frontend", "Frontend", rows)


def owners(numbers: Statistics) -> Table:
    """The users with most uploads, of all time."""
    rows: list[tuple[object, ...]] = [
        (owner.name or "(no user)", owner.frontend, owner.uploads, owner.size)
        for owner in numbers.owners
    ]
    shown = [(f"{name} · {frontend}", owner.uploads, "")
             for owner, (name, frontend, *_) in zip(numbers.owners, rows, strict=True)]  # fmt: skip
    return Table(
        name="owners",
        title="By owner",
        head=("Owner", "Frontend", "Uploads", "Bytes"),
        kinds=("text", "text", "count", "bytes"),
        rows=rows,
        chart=bars(shown[:MOST_BARS]),
        note="The twenty with most uploads, of all time.",
    )


def reasons(numbers: Statistics) -> Table:
    """Why files failed or are held, the most frequent first."""
    rows = [(key, _reason(key), amount) for key, amount in numbers.reasons.items()]
    return _amounts("reasons", "Why files fail or are held", "Reason", rows)


def _reason(code: str) -> str:
    return PROBLEMS[code].title if code in PROBLEMS else code


def _amounts(
    name: str,
    title: str,
    what: str,
    rows: list[tuple[str, str, Amount]],
    *,
    kinds: bool = False,
) -> Table:
    drawn = [(words, amount.uploads, key if kinds else "") for key, words, amount in rows]
    return Table(
        name=name,
        title=title,
        head=(what, "Uploads", "Bytes"),
        kinds=("text", "count", "bytes"),
        rows=[(words, amount.uploads, amount.size) for _, words, amount in rows],
        chart=bars(drawn[:MOST_BARS]),
    )


TABLES: dict[str, Callable[[Statistics], Table]] = {
    "over-time": over_time,
    "states": states,
    "reasons": reasons,
    "modalities": modalities,
    "formats": formats,
    "frontends": frontends,
    "owners": owners,
}
