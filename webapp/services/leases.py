"""Who works on a row, and until when.

A worker claims a queued row by a conditional update, renews its lease while it
works, and completes the row only while the lease is still its own: run at
least once, stored once. A lease that ran out goes back to the queue.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from flask import Flask, current_app
from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from webapp.errors import Unavailable
from webapp.failpoints import constant
from webapp.services import counters
from webapp.services.context import context
from webapp.storage.database import changed, reading, writing
from webapp.storage.models import UNFINISHED, Batch, Blob, Status, Upload, now

LEASE = timedelta(seconds=constant("lease", 60))
HEARTBEAT_SECONDS = constant("heartbeat", 15)
MAX_ATTEMPTS = 5
BACKOFF = timedelta(seconds=constant("backoff", 5))


@dataclass(frozen=True)
class Claim:
    """A row that is being worked on, and the token that proves it."""

    upload: Upload
    original: Blob | None
    lease: UUID


def claim(upload_id: UUID) -> Claim | None:
    """Take a queued row; none when it is gone, taken, finished or must still wait."""
    lease = uuid4()
    with writing(context().engine) as session:
        taken = changed(
            session,
            update(Upload)
            .where(Upload.id == upload_id, Upload.status == Status.QUEUED, _due())
            .values(
                status=Status.PROCESSING,
                lease=lease,
                lease_until=now() + LEASE,
                attempts=Upload.attempts + 1,
            ),
        )
        if not taken:
            return None
        upload = session.get_one(Upload, upload_id)
        _mark_started(session, upload.batch_id)
        original = session.scalar(
            select(Blob).where(Blob.upload_id == upload_id, Blob.kind == "original")
        )
    return Claim(upload, original, lease)


def _mark_started(session: Session, batch_id: UUID | None) -> None:
    session.execute(
        update(Batch)
        .where(Batch.id == batch_id, Batch.started_at.is_(None))
        .values(started_at=now())
    )


def _due() -> ColumnElement[bool]:
    return or_(Upload.not_before.is_(None), Upload.not_before <= now())


def owned(upload_id: UUID, lease: UUID) -> ColumnElement[bool]:
    """The condition under which a row may be completed."""
    return and_(Upload.id == upload_id, Upload.lease == lease, Upload.status == Status.PROCESSING)


@contextmanager
def heartbeat(upload_id: UUID, lease: UUID) -> Iterator[None]:
    """Renew the lease every 15 s for as long as the block runs."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    done = threading.Event()
    thread = threading.Thread(target=_beat, args=(app, upload_id, lease, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()


def _beat(app: Flask, upload_id: UUID, lease: UUID, done: threading.Event) -> None:
    with app.app_context():
        while not done.wait(HEARTBEAT_SECONDS):
            try:
                renew(upload_id, lease)
            except Unavailable as error:
                app.logger.warning("a lease could not be renewed: %s", error.code)


def renew(upload_id: UUID, lease: UUID) -> None:
    """Move the end of a lease that is still held."""
    with writing(context().engine) as session:
        session.execute(
            update(Upload).where(owned(upload_id, lease)).values(lease_until=now() + LEASE)
        )


def put_back(upload: Upload, lease: UUID, code: str) -> None:
    """Something was away: wait twice as long each time, and give up after five attempts."""
    if upload.attempts >= MAX_ATTEMPTS:
        fail(upload.id, lease, code)
        return
    with writing(context().engine) as session:
        session.execute(
            update(Upload)
            .where(owned(upload.id, lease))
            .values(
                status=Status.QUEUED,
                lease=None,
                lease_until=None,
                not_before=now() + BACKOFF * 2 ** (upload.attempts - 1),
            )
        )


def fail(upload_id: UUID, lease: UUID, code: str) -> None:
    """The row ends ``failed`` with the reason, if it is still ours."""
    with writing(context().engine) as session:
        session.execute(update(Upload).where(owned(upload_id, lease)).values(**_failed(code)))


def _failed(code: str) -> dict[str, object]:
    return {
        "status": Status.FAILED,
        "code": code,
        "lease": None,
        "lease_until": None,
        "finished_at": now(),
    }


def return_expired() -> int:
    """Give back what dead workers held; how many rows. Five lost attempts are a failure."""
    expired = and_(UNFINISHED, Upload.status == Status.PROCESSING, Upload.lease_until < now())
    with reading(context().engine) as session:
        if not session.scalar(select(func.count()).select_from(Upload).where(expired)):
            return 0
    with writing(context().engine) as session:
        session.execute(
            update(Upload)
            .where(expired, Upload.attempts >= MAX_ATTEMPTS)
            .values(**_failed("attempts-exhausted"))
        )
        returned = changed(
            session,
            update(Upload)
            .where(expired)
            .values(status=Status.QUEUED, lease=None, lease_until=None),
        )
        counters.happened(session, "lease-returned", returned, f"{now():%Y-%m-%d}")
    return returned


def waiting(beyond: int) -> list[UUID]:
    """The oldest rows that are due, as many as the queue is short of.

    Args:
        beyond: how many tasks the queue still holds. Each row has one, so only
            the difference can have been lost; the oldest are the likeliest.
    """
    due = and_(UNFINISHED, Upload.status == Status.QUEUED, _due())
    with reading(context().engine) as session:
        missing = (session.scalar(select(func.count()).where(due)) or 0) - beyond
        if missing <= 0:
            return []
        return list(
            session.scalars(select(Upload.id).where(due).order_by(Upload.created_at).limit(missing))
        )
