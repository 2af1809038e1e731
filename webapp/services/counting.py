"""The counters against a plain count: checked, and made anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    null,
    select,
)
from sqlalchemy.orm import Session

from webapp.services import audit
from webapp.services.audit import Action
from webapp.services.context import context
from webapp.services.counters import (
    COLUMNS,
    STORED,
    Amount,
    Change,
    Kind,
    Place,
    Sums,
    add_users,
    fold,
    folded_users,
    pending,
    sums_of,
    whole,
)
from webapp.storage.admin_models import Counter, CounterDelta
from webapp.storage.database import alone, snapshot, writing_snapshot
from webapp.storage.errors import DatabaseUnavailable
from webapp.storage.models import Blob, Status, Upload

WAITING = (Status.QUEUED, Status.PROCESSING)


@dataclass(frozen=True)
class Difference:
    """A counter that is not what a plain count says."""

    place: Place
    kept: Amount
    counted: Amount


def check() -> list[Difference]:
    """Compare every counter, what is pending included, with a plain count of the rows."""
    with snapshot(context().engine) as session:
        kept = _kept(session)
        queries = (_counted_uploads(session), _counted_blobs())
        changes = [whole(row) for query in queries for row in session.execute(query)]
        counted = sums_of(changes)
        add_users(session, counted, {})
    return [
        Difference(place, kept.get(place, Amount()), counted.get(place, Amount()))
        for place in sorted(kept.keys() | counted.keys())
        if kept.get(place, Amount()) != counted.get(place, Amount())
    ]


def rebuild() -> int:
    """Throw the counters away and count the rows anew; how many deltas that took.

    Raises:
        DatabaseUnavailable: somebody folds just now; try again.
    """
    with writing_snapshot(context().engine) as session:
        if not alone(session, "counters"):
            raise DatabaseUnavailable
        session.execute(delete(Counter).where(Counter.kind != Kind.EVENT))
        session.execute(delete(CounterDelta))
        for counted in (_counted_uploads(session), _counted_blobs()):
            session.execute(insert(CounterDelta).from_select(list(Change._fields), counted))
        audit.write(session, None, Action.COUNTERS_REBUILD)
    return fold()


def _kept(session: Session) -> Sums:
    rows = select(Counter.kind, Counter.day, Counter.key, Counter.uploads, Counter.size)
    kept = {
        Place(*row[:3]): Amount(*row[3:])
        for row in session.execute(rows.where(Counter.kind != Kind.EVENT))
    }
    waiting = sums_of(pending(session))
    add_users(session, waiting, folded_users(session, waiting))
    for place, amount in waiting.items():
        kept[place] = kept.get(place, Amount()) + amount
    return {place: amount for place, amount in kept.items() if amount}


def _counted_uploads(session: Session) -> Select[Any]:
    """The visible uploads, alike ones together, as :class:`Change` has them."""
    alike = (
        _day(session).label("day"),
        Upload.frontend_id,
        Upload.end_user_id,
        case((Upload.status.in_(WAITING), "waiting"), else_=Upload.status).label("state"),
        Upload.code,
        Upload.modality,
        Upload.input_format,
        Upload.processing_ms,
    )
    amounts = (func.count(), func.sum(Upload.size))
    return select(*alike, *amounts).where(Upload.hidden_at.is_(None)).group_by(*alike)


def _counted_blobs() -> Select[Any]:
    """One row of the same form, where there is any blob."""
    known = {"day": literal(""), "state": literal(STORED)}
    columns = [
        cast(known.get(column.key, null()), column.type).label(column.key)
        for column in COLUMNS[:-2]
    ]
    amounts = (func.count(Blob.id), func.sum(Blob.size))
    return select(*columns, *amounts).having(func.count(Blob.id) > 0)


def _day(session: Session) -> ColumnElement[str]:
    if session.get_bind().dialect.name == "sqlite":
        return func.substr(Upload.created_at, 1, 10)
    return func.to_char(func.timezone("UTC", Upload.created_at), "YYYY-MM-DD")
