"""Numbers that cost the same at a thousand and at a million uploads.

Triggers of the database add a delta for each change of ``uploads`` and
``blobs``, in that change's own transaction. One process at a time folds them
into ``counters``; whoever reads adds what is not folded yet.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, select
from sqlalchemy.orm import Session

from webapp.services.context import context
from webapp.storage.admin_models import Counter, CounterDelta
from webapp.storage.database import alone, reading, upserting, writing
from webapp.storage.models import EndUser

SLICE = 1000  # of a transaction: SQLite has one writer, and others wait meanwhile
UPSERT = 400
STORED = "stored"
GROWTH = 1.2
ALL_TIME = ""


class Kind:
    """What a counter counts by. ``USERS`` counts users with an upload, in its ``uploads``."""

    ALL = "all"
    FRONTEND = "frontend"
    USER = "user"
    USERS = "users"
    STATE = "state"
    MODALITY = "modality"
    FORMAT = "format"
    CODE = "code"
    TIME = "time"
    STORED = "stored"
    EVENT = "event"


class Place(NamedTuple):
    """Which counter."""

    kind: str
    day: str
    key: str


@dataclass(frozen=True)
class Amount:
    """How many, and of how many bytes."""

    uploads: int = 0
    size: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.uploads + other.uploads, self.size + other.size)

    def __bool__(self) -> bool:
        return bool(self.uploads or self.size)


Sums = dict[Place, Amount]


class Change(NamedTuple):
    """One delta, or the sum of many that are alike."""

    day: str
    frontend_id: UUID | None
    end_user_id: UUID | None
    state: str | None
    code: str | None
    modality: str | None
    input_format: str | None
    processing_ms: int | None
    uploads: int
    size: int


COLUMNS = tuple(getattr(CounterDelta, name) for name in Change._fields)


def places(change: Change) -> Iterator[Place]:
    """The counters that an upload belongs to."""
    if change.state == STORED:
        yield Place(Kind.STORED, ALL_TIME, "")
        return
    yield Place(Kind.ALL, ALL_TIME, "")
    yield Place(Kind.ALL, change.day, "")
    yield Place(Kind.FRONTEND, ALL_TIME, _key(change.frontend_id))
    yield Place(Kind.FRONTEND, change.day, _key(change.frontend_id))
    yield Place(Kind.USER, ALL_TIME, _key(change.end_user_id))
    for kind, value in (
        (Kind.STATE, change.state),
        (Kind.CODE, change.code),
        (Kind.MODALITY, change.modality),
        (Kind.FORMAT, change.input_format),
    ):
        if value:
            yield Place(kind, change.day, value)
    if change.processing_ms is not None:
        yield Place(Kind.TIME, change.day, str(bucket(change.processing_ms)))


def bucket(milliseconds: int) -> int:
    """The number of a time's bucket; each is a fifth wider than the one before."""
    return math.ceil(math.log(max(milliseconds, 1), GROWTH))


def upper_bound(number: int) -> float:
    """The longest time of a bucket, in milliseconds."""
    return math.pow(GROWTH, number)


def _key(identifier: UUID | None) -> str:
    return identifier.hex if identifier else ""


def sums_of(changes: Iterable[Change]) -> Sums:
    """Deltas as what they add to each counter."""
    found: dict[Place, Amount] = defaultdict(Amount)
    for change in changes:
        for place in places(change):
            found[place] += Amount(change.uploads, change.size)
    return found


def fold() -> int:
    """Fold every delta there is into the counters; how many."""
    total = 0
    while _anything_to_fold():
        folded = _fold_slice()
        total += folded
        if not folded:
            break  # another process is at it
    return total


def _anything_to_fold() -> bool:
    with reading(context().engine) as session:
        return session.scalar(select(CounterDelta.id).limit(1)) is not None


def _fold_slice() -> int:
    with writing(context().engine) as session:
        if not alone(session, "counters"):
            return 0
        some = select(CounterDelta.id).order_by(CounterDelta.id).limit(SLICE)
        taken = delete(CounterDelta).where(CounterDelta.id.in_(some)).returning(*COLUMNS)
        changes = [Change(*row) for row in session.execute(taken)]
        sums = sums_of(changes)
        add_users(session, sums, folded_users(session, sums))
        add(session, sums)
    return len(changes)


def folded_users(session: Session, sums: Sums) -> dict[str, Amount]:
    """What the users in ``sums`` had before."""
    keys = [place.key for place in sums if place.kind == Kind.USER]
    return {
        key: Amount(uploads, size)
        for some in _slices(keys)
        for key, uploads, size in session.execute(
            select(Counter.key, Counter.uploads, Counter.size).where(
                Counter.kind == Kind.USER, Counter.day == ALL_TIME, Counter.key.in_(some)
            )
        )
    }


def add_users(session: Session, sums: Sums, before: dict[str, Amount]) -> None:
    """Count the users who came to their first upload, or lost their last."""
    for frontend_id, change in _users_changed(session, sums, before):
        for key in ("", frontend_id.hex):
            place = Place(Kind.USERS, ALL_TIME, key)
            sums[place] = sums.get(place, Amount()) + Amount(change)


def _users_changed(
    session: Session, sums: Sums, before: dict[str, Amount]
) -> Iterator[tuple[UUID, int]]:
    changed = {}
    for place, amount in sums.items():
        if place.kind == Kind.USER and place.key:
            had = before.get(place.key, Amount()).uploads
            change = int(had + amount.uploads > 0) - int(had > 0)
            if change:
                changed[UUID(place.key)] = change
    for some in _slices(list(changed)):
        named = select(EndUser.id, EndUser.frontend_id).where(
            EndUser.id.in_(some), EndUser.external_id != ""
        )
        for user_id, frontend_id in session.execute(named):
            yield frontend_id, changed[user_id]


def _slices(items: list[Any]) -> Iterator[list[Any]]:
    return (items[start : start + UPSERT] for start in range(0, len(items), UPSERT))


def add(session: Session, sums: Sums) -> None:
    """Add to counters, in one order so that two who do it never wait in a circle."""
    values = [
        {**place._asdict(), "uploads": amount.uploads, "size": amount.size}
        for place, amount in sorted(sums.items(), key=lambda item: item[0])
        if amount
    ]
    if not values:
        return
    statement = upserting(session, Counter.__table__)
    new = statement.excluded
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["kind", "day", "key"],
            set_={"uploads": Counter.uploads + new.uploads, "size": Counter.size + new.size},
        ),
        values,
    )


def happened(session: Session, event: str, times: int, day: str) -> None:
    """Count an event of the service, such as a returned lease, in the running transaction."""
    add(session, {Place(Kind.EVENT, each, event): Amount(times) for each in (ALL_TIME, day)})


def pending(session: Session, *conditions: ColumnElement[bool]) -> list[Change]:
    """What is not folded yet, alike ones together."""
    alike = COLUMNS[:-2]
    query: Select[Any] = (
        select(*alike, func.sum(CounterDelta.uploads), func.sum(CounterDelta.size))
        .where(*conditions)
        .group_by(*alike)
    )
    return [whole(row) for row in session.execute(query) if row[-2] or row[-1]]


def whole(row: Sequence[Any]) -> Change:
    """A row of sums; PostgreSQL's are decimals."""
    return Change._make([*row[:-2], int(row[-2]), int(row[-1])])


@dataclass(frozen=True)
class Total:
    """Uploads and their users, of everybody, of one frontend, or of one user."""

    uploads: int
    users: int


def total(session: Session, frontend_id: UUID | None = None) -> Total:
    """Folded plus pending, of a frontend or of all. Read within one snapshot."""
    conditions = [CounterDelta.frontend_id == frontend_id] if frontend_id else [_of_uploads()]
    sums = _by_user(session, *conditions)
    before = folded_users(session, sums)
    users = sum(change for _, change in _users_changed(session, sums, before))
    uploads = sum(amount.uploads for amount in sums.values())
    kind = Kind.FRONTEND if frontend_id else Kind.ALL
    return Total(
        uploads + folded(session, Place(kind, ALL_TIME, _key(frontend_id))).uploads,
        users + folded(session, Place(Kind.USERS, ALL_TIME, _key(frontend_id))).uploads,
    )


def total_of_user(session: Session, end_user_id: UUID) -> int:
    """Folded plus pending uploads of one user."""
    sums = _by_user(session, CounterDelta.end_user_id == end_user_id)
    waiting = sum(amount.uploads for amount in sums.values())
    return waiting + folded(session, Place(Kind.USER, ALL_TIME, end_user_id.hex)).uploads


def _of_uploads() -> ColumnElement[bool]:
    return CounterDelta.end_user_id.is_not(None)


def _by_user(session: Session, *conditions: ColumnElement[bool]) -> Sums:
    query = (
        select(CounterDelta.end_user_id, func.sum(CounterDelta.uploads))
        .where(*conditions)
        .group_by(CounterDelta.end_user_id)
    )
    return {
        Place(Kind.USER, ALL_TIME, _key(user)): Amount(int(uploads))
        for user, uploads in session.execute(query)
    }


def folded(session: Session, place: Place) -> Amount:
    """What a counter holds without what is pending."""
    query = select(Counter.uploads, Counter.size).where(
        Counter.kind == place.kind, Counter.day == place.day, Counter.key == place.key
    )
    row = session.execute(query).one_or_none()
    return Amount(*row) if row else Amount()
