"""Who works: a row for each consumer, written anew at every sweep."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select

from webapp.services.context import context
from webapp.storage.admin_models import MasterKeySighting, Worker
from webapp.storage.database import reading, upserting, writing
from webapp.storage.models import now

ALIVE = timedelta(seconds=35)
FORGOTTEN = timedelta(days=1)


@dataclass(frozen=True)
class WorkerRecord:
    """A consumer, and when it was last heard of."""

    host: str
    processes: int
    started_at: datetime
    seen_at: datetime

    @property
    def alive(self) -> bool:
        return now() - self.seen_at < ALIVE


def beat(worker_id: UUID, processes: int) -> None:
    """Say that this consumer runs; forget those that have been silent for a day."""
    moment, newest = now(), context().keyring.newest_id
    with writing(context().engine) as session:
        heard = upserting(session, Worker).values(
            id=worker_id,
            host=socket.gethostname()[:64],
            processes=processes,
            started_at=moment,
            seen_at=moment,
        )
        session.execute(
            heard.on_conflict_do_update(index_elements=["id"], set_={"seen_at": moment})
        )
        session.execute(delete(Worker).where(Worker.seen_at < moment - FORGOTTEN))
        seen = upserting(session, MasterKeySighting).values(key_id=newest, first_seen_at=moment)
        session.execute(seen.on_conflict_do_nothing())


def gone(worker_id: UUID) -> None:
    """A consumer that ends says so."""
    with writing(context().engine) as session:
        session.execute(delete(Worker).where(Worker.id == worker_id))


def workers() -> list[WorkerRecord]:
    """The consumers of the last day, those heard of last first."""
    with reading(context().engine) as session:
        rows = session.scalars(select(Worker).order_by(Worker.seen_at.desc())).all()
    return [WorkerRecord(row.host, row.processes, row.started_at, row.seen_at) for row in rows]


def newest_key_since() -> datetime | None:
    """When the newest master key was first seen; none before the first sweep."""
    newest = context().keyring.newest_id
    with reading(context().engine) as session:
        return session.scalar(
            select(MasterKeySighting.first_seen_at).where(MasterKeySighting.key_id == newest)
        )
