"""The numbers of the administrators' page, from counters and from short indexes.

None of it walks the uploads: it costs the same at a thousand and at a million.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.services import counters
from webapp.services.context import context
from webapp.services.counters import ALL_TIME, Amount, Kind, Place, Sums
from webapp.storage.admin_models import AuditEvent, Counter
from webapp.storage.database import snapshot
from webapp.storage.models import UNFINISHED, EndUser, Frontend, Person, Status, Upload, now

By = Literal["day", "week", "month"]
BYS: tuple[By, ...] = get_args(By)
SLOTS: dict[By, int] = {"day": 30, "week": 26, "month": 24}
OWNERS = 20
BREAKDOWNS = (
    Kind.STATE, Kind.MODALITY, Kind.FORMAT, Kind.FRONTEND, Kind.CODE, Kind.TIME,
)  # fmt: skip


@dataclass(frozen=True)
class Slot:
    """A day, week (from Monday) or month, and what was received in it."""

    first: date
    uploads: int
    size: int


@dataclass(frozen=True)
class Owner:
    """A user, and how much is theirs. ``name`` is a person's address, or the frontend's own id."""

    frontend: str
    name: str
    uploads: int
    size: int


@dataclass(frozen=True)
class Waiting:
    """What is not done yet. Times are when the oldest was received."""

    queued: int
    processing: int
    oldest_queued: datetime | None
    held: int
    oldest_held: datetime | None


@dataclass(frozen=True)
class Statistics:
    """Everything counted. Breakdowns are of what was received since ``since`` and is still there.

    ``p50`` and ``p95`` are seconds of processing, to a fifth; none where
    nothing was processed.
    """

    by: By
    since: date
    slots: list[Slot]
    total: Amount
    users: int
    stored: Amount
    states: dict[str, Amount]
    modalities: dict[str, Amount]
    formats: dict[str, Amount]
    frontends: dict[str, Amount]
    reasons: dict[str, Amount]
    owners: list[Owner]
    waiting: Waiting
    processed: int
    p50: float | None
    p95: float | None
    leases_returned: int
    leases_returned_today: int
    unlinked: int
    oldest_unlinked: datetime | None = field(default=None)


def statistics(by: By) -> Statistics:
    """The numbers, with a history by day (30), week (26) or month (24)."""
    today = now().date()
    firsts = _firsts(by, today)
    since = firsts[0]
    with snapshot(context().engine) as session:
        waiting = counters.sums_of(counters.pending(session))
        sums = _since(session, since, waiting)
        days = _days(session, since, waiting)
        total = counters.total(session)
        times = sums[Kind.TIME]
        unlinked, oldest_unlinked = _unlinked(session)
        return Statistics(
            by=by,
            since=since,
            slots=_slots(by, firsts, days),
            total=_one(session, Place(Kind.ALL, ALL_TIME, ""), waiting),
            users=total.users,
            stored=_one(session, Place(Kind.STORED, ALL_TIME, ""), waiting),
            states=sums[Kind.STATE],
            modalities=sums[Kind.MODALITY],
            formats=sums[Kind.FORMAT],
            frontends=_named(session, sums[Kind.FRONTEND]),
            reasons=sums[Kind.CODE],
            owners=_owners(session, waiting),
            waiting=_waiting(session, waiting),
            processed=sum(amount.uploads for amount in times.values()),
            p50=percentile(times, 0.5),
            p95=percentile(times, 0.95),
            leases_returned=_event(session, ALL_TIME, waiting),
            leases_returned_today=_event(session, today.isoformat(), waiting),
            unlinked=unlinked,
            oldest_unlinked=oldest_unlinked,
        )


def percentile(times: dict[str, Amount], share: float) -> float | None:
    """Seconds within which ``share`` of the processings ended; none where there were none."""
    total = sum(amount.uploads for amount in times.values())
    if total <= 0:
        return None
    seen = 0
    number = 0
    for number in sorted(map(int, times)):
        seen += times[str(number)].uploads
        if seen >= share * total:
            break
    return counters.upper_bound(number) / 1000


def _firsts(by: By, today: date) -> list[date]:
    """The first days of the slots, oldest first."""
    if by == "day":
        return [today - timedelta(days=n) for n in reversed(range(SLOTS[by]))]
    if by == "week":
        monday = today - timedelta(days=today.weekday())
        return [monday - timedelta(weeks=n) for n in reversed(range(SLOTS[by]))]
    months = [today.year * 12 + today.month - 1 - n for n in reversed(range(SLOTS[by]))]
    return [date(month // 12, month % 12 + 1, 1) for month in months]


def _slots(by: By, firsts: list[date], days: dict[date, Amount]) -> list[Slot]:
    found = dict.fromkeys(firsts, Amount())
    for day, amount in days.items():
        first = _first_of(by, day)
        if first in found:
            found[first] += amount
    return [Slot(first, amount.uploads, amount.size) for first, amount in found.items()]


def _first_of(by: By, day: date) -> date:
    if by == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if by == "week" else day


def _days(session: Session, since: date, waiting: Sums) -> dict[date, Amount]:
    query = select(Counter.day, Counter.uploads, Counter.size).where(
        Counter.kind == Kind.ALL, Counter.day >= since.isoformat()
    )
    days = {date.fromisoformat(day): Amount(*row) for day, *row in session.execute(query)}
    for place, amount in waiting.items():
        if place.kind == Kind.ALL and place.day >= since.isoformat():
            day = date.fromisoformat(place.day)
            days[day] = days.get(day, Amount()) + amount
    return days


def _since(session: Session, since: date, waiting: Sums) -> dict[str, dict[str, Amount]]:
    """Each breakdown, the largest first."""
    query = (
        select(Counter.kind, Counter.key, func.sum(Counter.uploads), func.sum(Counter.size))
        .where(Counter.kind.in_(BREAKDOWNS), Counter.day >= since.isoformat())
        .group_by(Counter.kind, Counter.key)
    )
    found: dict[str, dict[str, Amount]] = {kind: {} for kind in BREAKDOWNS}
    for kind, key, uploads, size in session.execute(query):
        found[kind][key] = Amount(int(uploads), int(size))
    for place, amount in waiting.items():
        if place.kind in found and place.day >= since.isoformat():
            known = found[place.kind]
            known[place.key] = known.get(place.key, Amount()) + amount
    return {kind: _largest_first(amounts.items()) for kind, amounts in found.items()}


def _largest_first(amounts: Iterable[tuple[str, Amount]]) -> dict[str, Amount]:
    there = [(key, amount) for key, amount in amounts if amount.uploads]
    return dict(sorted(there, key=lambda item: (-item[1].uploads, item[0])))


def _one(session: Session, place: Place, waiting: Sums) -> Amount:
    return counters.folded(session, place) + waiting.get(place, Amount())


def _event(session: Session, day: str, waiting: Sums) -> int:
    return _one(session, Place(Kind.EVENT, day, "lease-returned"), waiting).uploads


def _named(session: Session, amounts: dict[str, Amount]) -> dict[str, Amount]:
    names = {row.id.hex: row.name for row in session.execute(select(Frontend.id, Frontend.name))}
    return {names.get(key, key): amount for key, amount in amounts.items()}


def _owners(session: Session, waiting: Sums) -> list[Owner]:
    """The users with most uploads, of all time."""
    top = (
        select(Counter.key, Counter.uploads, Counter.size)
        .where(Counter.kind == Kind.USER, Counter.uploads > 0)
        .order_by(Counter.uploads.desc())
        .limit(OWNERS)
    )
    amounts = {key: Amount(*row) for key, *row in session.execute(top)}
    amounts |= counters.folded_users(session, waiting)
    for place, amount in waiting.items():
        if place.kind == Kind.USER:
            amounts[place.key] = amounts.get(place.key, Amount()) + amount
    largest = list(_largest_first(amounts.items()).items())[:OWNERS]
    named = _users_named(session, [key for key, _ in largest])
    return [
        Owner(*named.get(key, ("", key)), amount.uploads, amount.size) for key, amount in largest
    ]


def _users_named(session: Session, keys: list[str]) -> dict[str, tuple[str, str]]:
    """Frontend and name of users."""
    query = (
        select(EndUser.id, Frontend.name, EndUser.external_id, Person.email)
        .join(Frontend, Frontend.id == EndUser.frontend_id)
        .outerjoin(Person, Person.end_user_id == EndUser.id)
        .where(EndUser.id.in_([UUID(key) for key in keys]))
    )
    return {
        user_id.hex: (frontend, email or external_id)
        for user_id, frontend, external_id, email in session.execute(query)
    }


def _waiting(session: Session, pending: Sums) -> Waiting:
    by_status = (
        select(Upload.status, func.count(), func.min(Upload.created_at))
        .where(UNFINISHED)
        .group_by(Upload.status)
    )
    rows = {status: (count, oldest) for status, count, oldest in session.execute(by_status)}
    held = select(func.sum(Counter.uploads)).where(
        Counter.kind == Kind.STATE, Counter.key == Status.HELD
    )
    new = sum(
        amount.uploads
        for place, amount in pending.items()
        if place.kind == Kind.STATE and place.key == Status.HELD
    )
    oldest_held = select(func.min(Upload.created_at)).where(
        Upload.status == Status.HELD, Upload.hidden_at.is_(None)
    )
    queued, oldest = rows.get(Status.QUEUED, (0, None))
    return Waiting(
        queued=queued,
        processing=rows.get(Status.PROCESSING, (0, None))[0],
        oldest_queued=oldest,
        held=int(session.scalar(held) or 0) + new,
        oldest_held=session.scalar(oldest_held),
    )


def _unlinked(session: Session) -> tuple[int, datetime | None]:
    query = select(func.count(), func.min(AuditEvent.at)).where(AuditEvent.position.is_(None))
    count, oldest = session.execute(query).one()
    return count, oldest
