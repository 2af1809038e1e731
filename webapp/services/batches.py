"""Many files that came together: accepted at once, counted from their rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.errors import NotFound, Rejected
from webapp.services import accounts, audit
from webapp.services.accounts import Caller
from webapp.services.audit import Action, Object
from webapp.services.context import context
from webapp.services.library import newest_first, next_cursor, visible
from webapp.services.records import CursorInvalid, Page
from webapp.storage.database import changed, reading, writing
from webapp.storage.models import Batch, BatchEntry, Blob, Status, Upload, now

DELETED = "deleted"
PENDING = (Status.QUEUED, Status.PROCESSING)


class BatchClosed(Rejected):
    """The batch takes no more files."""

    code = "batch-closed"


class NothingToRetry(Rejected):
    """No file of the batch failed with its original still kept."""

    code = "nothing-to-retry"


@dataclass(frozen=True)
class BatchStatus:
    """How far a batch is. Held and failed files count as processed; so do deleted ones."""

    batch_id: UUID
    created_at: datetime
    status: str
    total_files: int
    processed_files: int
    failed_files: int
    held_files: int
    progress_percentage: float

    @property
    def done(self) -> bool:
        return self.status in (Status.COMPLETED, Status.FAILED)


@dataclass(frozen=True)
class BatchFile:
    """One entry as its sender listed it, and what became of it."""

    entry_id: UUID
    upload_id: UUID | None
    filename: str
    status: str
    code: str | None
    duplicate: bool
    size: int | None = None
    has_picture: bool = False


def open_batch(caller: Caller) -> UUID:
    """A batch that files can be added to until it is closed."""
    batch_id = uuid4()
    with writing(context().engine) as session:
        owner = accounts.end_user(session, caller)
        session.add(Batch(id=batch_id, frontend_id=caller.frontend_id, end_user_id=owner))
        audit.write(session, caller, Action.BATCH_CREATE, Object("batch", batch_id))
    return batch_id


def close_batch(caller: Caller, batch_id: UUID) -> None:
    """No more files come. Raises NotFound."""
    with writing(context().engine) as session:
        batch = get_batch(session, caller, batch_id)
        batch.closed_at = batch.closed_at or now()
        audit.write(session, caller, Action.BATCH_CLOSE, Object("batch", batch_id))


def close_forgotten(before: datetime) -> None:
    """Close the batches that were left open: their page went away."""
    with writing(context().engine) as session:
        session.execute(
            update(Batch)
            .where(Batch.closed_at.is_(None), Batch.created_at < before)
            .values(closed_at=now())
        )


def get_batch(session: Session, caller: Caller, batch_id: UUID) -> Batch:
    """The row of a batch, locked where the database can. Raises NotFound."""
    query = select(Batch).where(Batch.id == batch_id, visible(caller, Batch)).with_for_update()
    batch = session.scalar(query)
    if batch is None:
        raise NotFound
    return batch


def status(caller: Caller, batch_id: UUID) -> BatchStatus:
    """How far the batch is, counted from its rows. Raises NotFound."""
    with reading(context().engine) as session:
        query = select(Batch).where(Batch.id == batch_id, visible(caller, Batch))
        batch = session.scalar(query)
        if batch is None:
            raise NotFound
        return _statuses(session, [batch])[0]


def batches(caller: Caller, limit: int, cursor: str | None = None) -> Page[BatchStatus]:
    """The caller's batches, newest first. Raises CursorInvalid."""
    query = select(Batch).where(visible(caller, Batch))
    with reading(context().engine) as session:
        rows = session.scalars(newest_first(query, Batch, limit, cursor)).all()
        return Page(_statuses(session, rows[:limit]), next_cursor(rows, limit))


def _state() -> ColumnElement[str]:
    """An entry's state: its upload's, or ``deleted`` once that is gone."""
    gone = BatchEntry.upload_id.is_(None) | Upload.hidden_at.is_not(None)
    return case((gone, DELETED), else_=Upload.status)


def _statuses(session: Session, rows: Sequence[Batch]) -> list[BatchStatus]:
    query = (
        select(BatchEntry.batch_id, _state().label("state"), func.count())
        .outerjoin(Upload, Upload.id == BatchEntry.upload_id)
        .where(BatchEntry.batch_id.in_([batch.id for batch in rows]))
        .group_by(BatchEntry.batch_id, "state")
    )
    counts: dict[UUID, Counter[str]] = {batch.id: Counter() for batch in rows}
    for batch_id, state, count in session.execute(query):
        counts[batch_id][state] = count
    return [_status_of(batch, counts[batch.id]) for batch in rows]


def _status_of(batch: Batch, counts: Counter[str]) -> BatchStatus:
    total = counts.total()
    pending = sum(counts[state] for state in PENDING)
    return BatchStatus(
        batch_id=batch.id,
        created_at=batch.created_at,
        status=_summary(batch, total, pending, counts[Status.FAILED]),
        total_files=total,
        processed_files=total - pending,
        failed_files=counts[Status.FAILED],
        held_files=counts[Status.HELD],
        progress_percentage=round(100 * (total - pending) / total, 1) if total else 0.0,
    )


def _summary(batch: Batch, total: int, pending: int, failed: int) -> Status:
    if pending or batch.closed_at is None:
        return Status.PROCESSING if batch.started_at else Status.QUEUED
    return Status.FAILED if total and failed == total else Status.COMPLETED


def entries(
    caller: Caller, batch_id: UUID, limit: int, cursor: str | None = None
) -> Page[BatchFile]:
    """The files of a batch in their sender's order.

    Args:
        cursor: the position behind which to go on.

    Raises:
        NotFound: absent, or somebody else's.
        CursorInvalid: the cursor is not one of ours.
    """
    after = decode_position(cursor)
    query = (
        select(BatchEntry, Upload, _state())
        .outerjoin(Upload, Upload.id == BatchEntry.upload_id)
        .where(BatchEntry.batch_id == batch_id, BatchEntry.position > after)
        .order_by(BatchEntry.position)
        .limit(limit + 1)
    )
    with reading(context().engine) as session:
        if not session.scalar(select(Batch.id).where(Batch.id == batch_id, visible(caller, Batch))):
            raise NotFound
        rows = session.execute(query).all()
    files = [_file(entry, upload, state) for entry, upload, state in rows[:limit]]
    more = encode_position(rows[limit - 1][0].position) if len(rows) > limit else None
    return Page(files, more)


def _file(entry: BatchEntry, upload: Upload | None, state: str) -> BatchFile:
    known = upload if state != DELETED else None
    return BatchFile(
        entry_id=entry.id,
        upload_id=known.id if known else None,
        filename=context().vault.open_name(entry.name_key_id, entry.name, entry.id),
        status=state,
        code=known.code if known else None,
        duplicate=entry.duplicate,
        size=known.size if known else None,
        has_picture=bool(known and known.rows and known.columns),
    )


def cancel(caller: Caller, batch_id: UUID) -> int:
    """Drop what is still queued; how many. What is done stays. Raises NotFound."""
    with writing(context().engine) as session:
        batch = get_batch(session, caller, batch_id)
        batch.closed_at = batch.closed_at or now()
        dropped = changed(
            session,
            update(Upload)
            .where(Upload.batch_id == batch_id, Upload.status == Status.QUEUED)
            .values(status=Status.FAILED, code="cancelled", finished_at=now()),
        )
        about, facts = Object("batch", batch_id), {"files": dropped}
        audit.write(session, caller, Action.BATCH_CANCEL, about, facts=facts)
    return dropped


def retry(caller: Caller, batch_id: UUID) -> list[UUID]:
    """Queue the failed files again whose originals are kept; their ids.

    Raises:
        NotFound: absent, or somebody else's.
        NothingToRetry: there is none.
    """
    kept = select(Blob.upload_id).where(Blob.kind == "original")
    query = select(Upload).where(
        Upload.batch_id == batch_id, Upload.status == Status.FAILED, Upload.id.in_(kept)
    )
    with writing(context().engine) as session:
        get_batch(session, caller, batch_id)
        again = [upload for upload in session.scalars(query) if _requeue(session, upload)]
        about, facts = Object("batch", batch_id), {"files": len(again)}
        audit.write(session, caller, Action.BATCH_RETRY, about, facts=facts)
    if not again:
        raise NothingToRetry
    return [upload.id for upload in again]


def _requeue(session: Session, upload: Upload) -> bool:
    """False where the same bytes were sent again meanwhile: that upload stands."""
    try:
        with session.begin_nested():
            upload.status, upload.code, upload.attempts = Status.QUEUED, None, 0
            upload.not_before = upload.finished_at = None
            session.flush()
    except IntegrityError:
        session.expire(upload)
        return False
    return True


def encode_position(position: int) -> str:
    """The opaque cursor behind a position."""
    return f"p{position}"


def decode_position(cursor: str | None) -> int:
    """What :func:`encode_position` made; before the first for none."""
    if cursor is None:
        return -1
    if not (cursor.startswith("p") and cursor[1:].isascii() and cursor[1:].isdigit()):
        raise CursorInvalid
    return int(cursor[1:][:9])
