"""How long a frontend's uploads stay: rules, what they would take, and taking it.

Deletion destroys record, bytes and data keys: without its row a blob can never
be opened again, wherever a copy of it lies. A batch goes with the last of its
uploads, and so do the sealed names of its files.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, select
from sqlalchemy.orm import Session

from webapp.errors import NotFound, Rejected
from webapp.services import audit
from webapp.services.accounts import Caller
from webapp.services.audit import Action, Object
from webapp.services.context import context
from webapp.services.release import purge
from webapp.services.sealing import discard
from webapp.storage.admin_models import RetentionRule
from webapp.storage.database import reading, upserting, writing
from webapp.storage.models import Batch, BatchEntry, Blob, Frontend, Status, Upload, now

SLICE = 200
MOST_DAYS = 36_500


class DaysInvalid(Rejected):
    """A rule needs a whole number of days from 1 to ``limit``."""

    code = "days-invalid"


@dataclass(frozen=True)
class Rule:
    """A rule in force, or none yet (``days`` is none), for a frontend."""

    frontend_id: UUID
    frontend: str
    days: int | None
    since: datetime | None


@dataclass(frozen=True)
class Preview:
    """What a rule would destroy at its next run. ``size`` in bytes, as received."""

    frontend_id: UUID
    frontend: str
    days: int
    uploads: int
    size: int
    saved: int
    oldest: datetime | None
    newest: datetime | None


def rules() -> list[Rule]:
    """Every frontend, by name, with its rule."""
    query = select(Frontend, RetentionRule).outerjoin(
        RetentionRule, RetentionRule.frontend_id == Frontend.id
    )
    with reading(context().engine) as session:
        return [
            Rule(
                frontend.id,
                frontend.name,
                rule.days if rule else None,
                rule.created_at if rule else None,
            )
            for frontend, rule in session.execute(query.order_by(Frontend.name))
        ]


def frontend_named(name: str) -> UUID:
    """The frontend of this name. Raises NotFound."""
    with reading(context().engine) as session:
        found = session.scalar(select(Frontend.id).where(Frontend.name == name))
    if found is None:
        raise NotFound
    return found


def preview(frontend_id: UUID, days: int) -> Preview:
    """What a rule of ``days`` would destroy now; nothing is changed.

    Raises:
        NotFound: there is no such frontend.
        DaysInvalid: see there.
    """
    _check(days)
    query = select(
        func.count(Upload.id),
        func.sum(Upload.size),
        func.count(Upload.saved_at),
        func.min(Upload.created_at),
        func.max(Upload.created_at),
    ).where(_due(frontend_id, days))
    with reading(context().engine) as session:
        frontend = session.get(Frontend, frontend_id)
        if frontend is None:
            raise NotFound
        uploads, size, saved, oldest, newest = session.execute(query).one()
    return Preview(frontend_id, frontend.name, days, uploads, int(size or 0), saved, oldest, newest)


def set_rule(frontend_id: UUID, days: int, by: Caller | None = None) -> None:
    """Put a rule in force; the next sweep begins to carry it out.

    Raises:
        NotFound, DaysInvalid: as :func:`preview`.
    """
    _check(days)
    with writing(context().engine) as session:
        if session.get(Frontend, frontend_id) is None:
            raise NotFound
        values = {"days": days, "created_at": now()}
        rule = upserting(session, RetentionRule).values(frontend_id=frontend_id, **values)
        session.execute(rule.on_conflict_do_update(index_elements=["frontend_id"], set_=values))
        about = Object("frontend", frontend_id)
        audit.write(session, by, Action.RETENTION_SET, about, facts={"days": days})


def remove_rule(frontend_id: UUID, by: Caller | None = None) -> None:
    """Keep a frontend's uploads for good; without a rule nothing changes."""
    with writing(context().engine) as session:
        rule = session.get(RetentionRule, frontend_id)
        if rule is not None:
            session.delete(rule)
            audit.write(session, by, Action.RETENTION_REMOVE, Object("frontend", frontend_id))


def run() -> int:
    """Destroy what the rules in force say is due; how many uploads."""
    with reading(context().engine) as session:
        due = session.scalars(select(RetentionRule)).all()
    return sum(_carry_out(rule) for rule in due)


def _carry_out(rule: RetentionRule) -> int:
    done = 0
    while True:
        with reading(context().engine) as session:
            some = select(Upload.id).where(_due(rule.frontend_id, rule.days))
            upload_ids = session.scalars(some.order_by(Upload.created_at).limit(SLICE)).all()
        if not upload_ids:
            _drop_empty_batches(rule)
            return done
        with writing(context().engine) as session:
            # The rule may have been taken back meanwhile.
            current = session.get(RetentionRule, rule.frontend_id)
            if current is None or current.days != rule.days:
                return done
            blobs = [blob for each in upload_ids for blob in _destroy(session, each, rule)]
        discard(*blobs)
        done += len(upload_ids)


def _destroy(session: Session, upload_id: UUID, rule: RetentionRule) -> list[Blob]:
    about = Object("upload", upload_id)
    audit.write(session, None, Action.UPLOAD_EXPIRE, about, facts={"days": rule.days})
    return purge(session, upload_id)


def _drop_empty_batches(rule: RetentionRule) -> None:
    alive = exists().where(BatchEntry.batch_id == Batch.id, BatchEntry.upload_id.is_not(None))
    old = Batch.created_at < now() - timedelta(days=rule.days)
    empty = and_(Batch.frontend_id == rule.frontend_id, old, Batch.closed_at.is_not(None), ~alive)
    with reading(context().engine) as session:
        found = session.scalars(select(Batch.id).where(empty).limit(SLICE)).all()
    if found:
        with writing(context().engine) as session:
            session.execute(delete(Batch).where(Batch.id.in_(found), empty))


def _due(frontend_id: UUID, days: int) -> ColumnElement[bool]:
    """Old enough, and nobody works on it just now."""
    return and_(
        Upload.frontend_id == frontend_id,
        Upload.created_at < now() - timedelta(days=days),
        Upload.status != Status.PROCESSING,
    )


def _check(days: int) -> None:
    if not 1 <= days <= MOST_DAYS:
        raise DaysInvalid(limit=MOST_DAYS)
