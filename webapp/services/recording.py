"""What a file's row says: made once, the same for requests and workers."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, String, and_, select

from webapp.services import accounts
from webapp.services.accounts import Caller
from webapp.services.context import context
from webapp.services.processing import Order, Product
from webapp.services.records import UploadRecord, record_of
from webapp.storage.database import reading
from webapp.storage.models import Status, Upload, now

MOST = (1 << 31) - 1
"""What a column of whole numbers holds."""


def finished_values(product: Product) -> dict[str, Any]:
    """The columns that a product fills, as far as its values fit into them."""
    return {name: _fitting(name, value) for name, value in _values(product).items()}


def _fitting(name: str, value: Any) -> Any:
    """A value that a file gives need not be what its attribute may hold: the row says less then."""
    if isinstance(value, str):
        kind = Upload.__table__.c[name].type
        fitting = value.replace("\0", "")[: kind.length if isinstance(kind, String) else None]
        return value if fitting == value else fitting
    if isinstance(value, int) and not -MOST <= value <= MOST:
        return None
    return value


def _values(product: Product) -> dict[str, Any]:
    instance, diagnosis, model = product.deidentified.instance, product.diagnosis, context().model
    return {
        "status": Status.HELD if product.held else Status.COMPLETED,
        "code": "identifier-suspected" if product.held else None,
        "finished_at": now(),
        "processing_ms": product.milliseconds,
        "input_format": product.input_format,
        "sop_class_uid": instance.sop_class_uid,
        "sop_instance_uid": instance.sop_instance_uid,
        "study_instance_uid": instance.study_instance_uid,
        "series_instance_uid": instance.series_instance_uid,
        "transfer_syntax_uid": instance.transfer_syntax_uid,
        "modality": instance.modality,
        "rows": instance.rows,
        "columns": instance.columns,
        "frames": instance.number_of_frames or (1 if instance.has_pixels else None),
        "report": product.deidentified.report.as_dict() | {"conversion": list(product.notes)},
        "diagnosis": diagnosis.label if diagnosis else None,
        "confidence": diagnosis.confidence if diagnosis else None,
        "model_name": model.name,
        "model_version": model.version,
        "model_mock": model.mock,
    }


def order_for(caller: Caller, study_key: str | None) -> Order:
    """How this caller's files are processed."""
    pseudonyms = accounts.pseudonyms_of(caller.frontend_id)
    group = pseudonyms.group(study_key) if study_key else None
    return Order(context().profile, pseudonyms, group)


def find_same(caller: Caller, digest: bytes) -> UploadRecord | None:
    """The live upload of the same bytes by the same user under the same profile."""
    with reading(context().engine) as session:
        user_id = accounts.known_user(session, caller)
        query = select(Upload).where(live_of(user_id), Upload.digest == digest)
        found = session.scalar(query)
    return record_of(found, context().vault) if found else None


def live_of(end_user_id: UUID | None) -> ColumnElement[bool]:
    """The uploads that count as first of their bytes; a failed or deleted one does not."""
    return and_(
        Upload.end_user_id == end_user_id,
        Upload.profile == context().profile.name,
        Upload.status != Status.FAILED,
        Upload.hidden_at.is_(None),
    )


def new_upload(
    caller: Caller, name: str, size: int, digest: bytes | None, upload_id: UUID | None = None
) -> Upload:
    """The row of a file that came in, its name sealed; owner and status are the caller's to set."""
    upload_id = upload_id or uuid4()
    key_id, sealed = context().vault.seal_name(name, upload_id)
    return Upload(
        id=upload_id,
        frontend_id=caller.frontend_id,
        name=sealed,
        name_key_id=key_id,
        size=size,
        digest=digest,
        profile=context().profile.name,
        created_at=now(),
        pixel_text="not examined",
    )
