"""The rows of administration: what was done, how much there is, who works, what must go.

Three triggers of the migrations belong to them. Each change of ``uploads`` and
``blobs`` adds a row to ``counter_deltas``, and ``audit_events`` refuses to be
changed or deleted from. A later migration that copies one of these tables (as
Alembic's batch mode does on SQLite) must make its triggers again; a test looks.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.storage.models import Base, now

Serial = BigInteger().with_variant(Integer, "sqlite")


class AuditEvent(Base):
    """Who did, or failed to do, what to which object, when and from where.

    Ids only: no name, no value of a file. ``outcome`` is ``ok`` or the code of
    what went wrong. The sealer gives a committed row its ``position`` in the
    chain and its ``link``, once.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index(
            "ix_audit_events_unlinked",
            "id",
            sqlite_where=text("position IS NULL"),
            postgresql_where=text("position IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    request_id: Mapped[str] = mapped_column(String(32), index=True)
    address: Mapped[str] = mapped_column(String(45))
    actor: Mapped[str] = mapped_column(String(8))
    actor_id: Mapped[UUID | None] = mapped_column(index=True)
    frontend_id: Mapped[UUID | None]
    end_user_id: Mapped[UUID | None]
    action: Mapped[str] = mapped_column(String(32))
    object_kind: Mapped[str | None] = mapped_column(String(16))
    object_id: Mapped[UUID | None] = mapped_column(index=True)
    outcome: Mapped[str] = mapped_column(String(64))
    facts: Mapped[dict[str, Any] | None]
    position: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    link: Mapped[bytes | None]


class AuditKey(Base):
    """The one key that links audit events, wrapped by a master key."""

    __tablename__ = "audit_keys"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[bytes]
    key_id: Mapped[str] = mapped_column(String(64))


class CounterDelta(Base):
    """What one change of ``uploads`` or ``blobs`` adds to the counters; a trigger writes it."""

    __tablename__ = "counter_deltas"

    id: Mapped[int] = mapped_column(Serial, primary_key=True)
    day: Mapped[str] = mapped_column(String(10))
    frontend_id: Mapped[UUID | None]
    end_user_id: Mapped[UUID | None]
    state: Mapped[str | None] = mapped_column(String(16))
    code: Mapped[str | None] = mapped_column(String(64))
    modality: Mapped[str | None] = mapped_column(String(16))
    input_format: Mapped[str | None] = mapped_column(String(32))
    processing_ms: Mapped[int | None]
    uploads: Mapped[int]
    size: Mapped[int] = mapped_column(BigInteger)


class Counter(Base):
    """A folded number: how many uploads, and of how many bytes, have ``key`` under ``kind``.

    ``day`` (UTC, of receiving) is empty for all time.
    """

    __tablename__ = "counters"
    __table_args__ = (Index(None, "kind", "uploads"),)

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    uploads: Mapped[int] = mapped_column(BigInteger)
    size: Mapped[int] = mapped_column(BigInteger)


class Worker(Base):
    """A consumer that runs somewhere, and when it was last heard of."""

    __tablename__ = "workers"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    host: Mapped[str] = mapped_column(String(64))
    processes: Mapped[int]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class MasterKeySighting(Base):
    """When a master key was first seen to be the newest one."""

    __tablename__ = "master_key_sightings"

    key_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    first_seen_at: Mapped[datetime] = mapped_column(default=now)


class RetentionRule(Base):
    """Uploads of one frontend are destroyed this many days after they were received."""

    __tablename__ = "retention_rules"

    frontend_id: Mapped[UUID] = mapped_column(ForeignKey("frontends.id"), primary_key=True)
    days: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now)
