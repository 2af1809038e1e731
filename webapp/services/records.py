"""What services answer: plain values, detached from any session."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from webapp.errors import Rejected
from webapp.storage.models import Status, Upload
from webapp.storage.spool import Vault

Item = TypeVar("Item")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class CursorInvalid(Rejected):
    """A cursor that this service did not give out."""

    code = "cursor-invalid"


@dataclass(frozen=True)
class Page(Generic[Item]):
    """A stretch of a list, and the cursor of what follows; none at the end."""

    items: Sequence[Item]
    next: str | None = None


@dataclass(frozen=True)
class UploadRecord:
    """An upload as its owner sees it. ``size`` is in bytes, as received."""

    upload_id: UUID
    batch_id: UUID | None
    filename: str
    status: Status
    code: str | None
    created_at: datetime
    finished_at: datetime | None
    saved_at: datetime | None
    size: int
    input_format: str | None
    profile: str
    sop_class_uid: str | None
    sop_instance_uid: str | None
    study_instance_uid: str | None
    series_instance_uid: str | None
    transfer_syntax_uid: str | None
    modality: str | None
    rows: int | None
    columns: int | None
    frames: int | None
    pixel_text: str
    diagnosis: str | None
    confidence: float | None
    model_name: str | None
    model_version: str | None
    model_mock: bool | None
    report: dict[str, Any] | None

    @property
    def has_picture(self) -> bool:
        """Whether there is anything to show of it."""
        return bool(self.rows and self.columns)


_SAME = [
    name
    for name in UploadRecord.__dataclass_fields__
    if name not in ("upload_id", "filename", "status")
]


def record_of(upload: Upload, vault: Vault) -> UploadRecord:
    """The record of a row, its name opened."""
    return UploadRecord(
        upload_id=upload.id,
        filename=vault.open_name(upload.name_key_id, upload.name, upload.id),
        status=Status(upload.status),
        **{name: getattr(upload, name) for name in _SAME},
    )


def encode_cursor(moment: datetime, row_id: UUID) -> str:
    """An opaque cursor behind a row of a list that is ordered by time and id."""
    micro = (moment - EPOCH) // MICROSECOND
    return base64.urlsafe_b64encode(micro.to_bytes(8, "big") + row_id.bytes).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    """What :func:`encode_cursor` made.

    Raises:
        CursorInvalid: it made no such thing.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return EPOCH + int.from_bytes(raw[:8], "big") * MICROSECOND, UUID(bytes=raw[8:])
    except (binascii.Error, ValueError, OverflowError):
        raise CursorInvalid from None
