"""The rows: who owns what, what came in, and where its sealed bytes lie.

The row is the truth. The queue only hints that one waits, and a blob that no
row names is an orphan.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    String,
    Uuid,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class Moment(TypeDecorator[datetime]):
    """A time in UTC on either database; SQLite forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Moment(), dict[str, Any]: JSON(), UUID: Uuid()}


class Status(StrEnum):
    """Where an upload stands."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    HELD = "held"
    FAILED = "failed"


UNFINISHED = text("uploads.status IN ('queued', 'processing')")
"""As the partial index says it: SQLite uses that only for the very same literals."""


class Role(StrEnum):
    """What a person who logs in may do."""

    CLINICIAN = "clinician"
    REVIEWER = "reviewer"
    ADMIN = "admin"


class Frontend(Base):
    """Who owns end users, uploads and keys: an external application, or the people who log in.

    ``secret`` is its pseudonym secret, wrapped by a master key: derived from
    nothing and never rotated, so that pseudonyms outlive every key.
    """

    __tablename__ = "frontends"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    of_people: Mapped[bool] = mapped_column(default=False)
    secret: Mapped[bytes]
    secret_key_id: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)


class ApiKey(Base):
    """Authenticates a frontend; only its SHA-256 is kept."""

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    frontend_id: Mapped[UUID] = mapped_column(ForeignKey("frontends.id"), index=True)
    prefix: Mapped[str] = mapped_column(String(12))
    sha256: Mapped[bytes] = mapped_column(unique=True)
    scopes: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class EndUser(Base):
    """A frontend's own user; two frontends' ``42`` are two people.

    The empty ``external_id`` is nobody: what a frontend uploads for no user in
    particular belongs to it until it is assigned.
    """

    __tablename__ = "end_users"
    __table_args__ = (Index(None, "frontend_id", "external_id", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    frontend_id: Mapped[UUID] = mapped_column(ForeignKey("frontends.id"))
    external_id: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(default=now)


class Person(Base):
    """Somebody who logs in; what they upload belongs to their end user.

    ``session_epoch`` rises with each change of password: older sessions end.
    """

    __tablename__ = "people"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(16), default=Role.CLINICIAN)
    active: Mapped[bool] = mapped_column(default=True)
    session_epoch: Mapped[int] = mapped_column(default=0)
    end_user_id: Mapped[UUID] = mapped_column(ForeignKey("end_users.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_login_at: Mapped[datetime | None]


class Batch(Base):
    """Many uploads that came together; open until its sender closes it."""

    __tablename__ = "batches"
    __table_args__ = (
        Index(None, "frontend_id", "created_at", "id"),
        Index(None, "end_user_id", "created_at", "id"),
        Index(None, "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    frontend_id: Mapped[UUID] = mapped_column(ForeignKey("frontends.id"))
    end_user_id: Mapped[UUID] = mapped_column(ForeignKey("end_users.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    files: Mapped[int] = mapped_column(default=0)
    size: Mapped[int] = mapped_column(BigInteger, default=0)


class Upload(Base):
    """One file that came in, and the work on it.

    Live uploads of one owner, with the same bytes and profile, are unique. The
    ``digest`` is keyed, so that nobody learns what another holds. The original
    name is sealed: it often holds a patient's.
    """

    __tablename__ = "uploads"
    __table_args__ = (
        Index(None, "frontend_id", "created_at", "id"),
        Index(None, "end_user_id", "created_at", "id"),
        Index(None, "created_at", "id"),
        Index(
            "uq_uploads_same",
            "end_user_id",
            "digest",
            "profile",
            unique=True,
            sqlite_where=text("status <> 'failed' AND hidden_at IS NULL"),
            postgresql_where=text("status <> 'failed' AND hidden_at IS NULL"),
        ),
        Index(
            "ix_uploads_failed",
            "finished_at",
            sqlite_where=text("status = 'failed'"),
            postgresql_where=text("status = 'failed'"),
        ),
        # Partial: as a whole it would tempt SQLite away from the order of the lists.
        Index(
            "ix_uploads_hidden",
            "hidden_at",
            sqlite_where=text("hidden_at IS NOT NULL"),
            postgresql_where=text("hidden_at IS NOT NULL"),
        ),
        Index(
            "ix_uploads_held",
            "created_at",
            sqlite_where=text("status = 'held'"),
            postgresql_where=text("status = 'held'"),
        ),
        Index(
            "ix_uploads_waiting",
            "status",
            "not_before",
            sqlite_where=text("status IN ('queued', 'processing')"),
            postgresql_where=text("status IN ('queued', 'processing')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    frontend_id: Mapped[UUID] = mapped_column(ForeignKey("frontends.id"))
    end_user_id: Mapped[UUID] = mapped_column(ForeignKey("end_users.id"))
    batch_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("batches.id", ondelete="SET NULL"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]
    saved_at: Mapped[datetime | None]
    hidden_at: Mapped[datetime | None]

    name: Mapped[bytes]
    name_key_id: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    digest: Mapped[bytes | None]
    profile: Mapped[str] = mapped_column(String(255))
    study_group: Mapped[bytes | None]

    status: Mapped[str] = mapped_column(String(16), default=Status.QUEUED)
    code: Mapped[str | None] = mapped_column(String(64))
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None]
    lease: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]

    input_format: Mapped[str | None] = mapped_column(String(32))
    sop_class_uid: Mapped[str | None] = mapped_column(String(64))
    sop_instance_uid: Mapped[str | None] = mapped_column(String(64), index=True)
    study_instance_uid: Mapped[str | None] = mapped_column(String(64), index=True)
    series_instance_uid: Mapped[str | None] = mapped_column(String(64))
    transfer_syntax_uid: Mapped[str | None] = mapped_column(String(64))
    modality: Mapped[str | None] = mapped_column(String(16))
    rows: Mapped[int | None]
    columns: Mapped[int | None]
    frames: Mapped[int | None]
    pixel_text: Mapped[str] = mapped_column(String(16), default="not examined")
    report: Mapped[dict[str, Any] | None]

    processing_ms: Mapped[int | None]
    diagnosis: Mapped[str | None] = mapped_column(String(255))
    confidence: Mapped[float | None]
    model_name: Mapped[str | None] = mapped_column(String(64))
    model_version: Mapped[str | None] = mapped_column(String(32))
    model_mock: Mapped[bool | None]


class BatchEntry(Base):
    """One file of a batch as its sender listed it.

    Two entries may point to one upload (the same bytes twice), and an entry
    outlives a deleted upload.
    """

    __tablename__ = "batch_entries"
    __table_args__ = (Index(None, "batch_id", "position", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"))
    position: Mapped[int]
    upload_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("uploads.id", ondelete="SET NULL"), index=True
    )
    name: Mapped[bytes]
    name_key_id: Mapped[str] = mapped_column(String(64))
    duplicate: Mapped[bool] = mapped_column(default=False)


class Blob(Base):
    """Where sealed bytes lie, and the wrapped data key that opens them.

    Rotation re-wraps ``data_key``; the bytes stay as they are. Without the row
    they can never be read again.
    """

    __tablename__ = "blobs"
    __table_args__ = (Index(None, "upload_id", "kind", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    upload_id: Mapped[UUID] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    location: Mapped[str] = mapped_column(String(255), unique=True)
    data_key: Mapped[bytes]
    master_key_id: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Chore(Base):
    """Something done now and then by one process of all; the migration makes its row.

    ``due_at`` is when it is to be done next. Of ``backup`` it is until when no
    stored bytes may be removed.
    """

    __tablename__ = "chores"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    due_at: Mapped[datetime]


class IdempotencyKey(Base):
    """What a POST with an ``Idempotency-Key`` made, so that a repeated one gets the same answer.

    ``digest`` is keyed, over names and contents. The row goes with what it points to.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "end_user_id", "key", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    end_user_id: Mapped[UUID] = mapped_column(ForeignKey("end_users.id"))
    key: Mapped[str] = mapped_column(String(255))
    digest: Mapped[bytes]
    upload_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("uploads.id", ondelete="CASCADE"), index=True
    )
    batch_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("batches.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)


# The tables of administration belong to the same schema.
import webapp.storage.admin_models  # noqa: E402, F401
