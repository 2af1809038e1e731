"""What each endpoint answers, field by field."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response, url_for
from pydantic import BaseModel, ConfigDict

from webapp.problems import problem_for
from webapp.services.batches import BatchFile, BatchStatus
from webapp.services.ingest import Received
from webapp.services.records import UploadRecord


class Schema(BaseModel):
    model_config = ConfigDict(from_attributes=True, protected_namespaces=())

    def answer(self, status: int = 200, **headers: str) -> Response:
        """The JSON answer."""
        response = Response(self.model_dump_json(), status, mimetype="application/json")
        for name, value in headers.items():
            response.headers[name] = value
        return response


class ModelInfo(Schema):
    """Which model gave the diagnosis; a mock says so."""

    name: str
    version: str
    mock: bool


class ErrorInfo(Schema):
    """Why a file failed or is held."""

    code: str
    title: str


class UploadAnswer(Schema):
    """A single upload. ``confidence`` is 0 to 1."""

    upload_id: UUID
    message: str
    status: str
    duplicate: bool
    diagnosis: str | None
    confidence: float | None
    model: ModelInfo | None
    sop_instance_uid: str | None
    study_instance_uid: str | None
    links: dict[str, str]


class Details(Schema):
    """The record of an upload; lists leave ``report`` out."""

    upload_id: UUID
    batch_id: UUID | None
    filename: str
    status: str
    error: ErrorInfo | None
    created_at: datetime
    finished_at: datetime | None
    saved: bool
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
    model: ModelInfo | None
    links: dict[str, str]


class DetailsWithReport(Details):
    """The record, with what de-identification did: actions counted, never a value."""

    report: dict[str, Any] | None


class BatchAccepted(Schema):
    """A batch that was taken."""

    batch_id: UUID
    message: str
    total_files: int
    status: str = "queued"


class BatchStatusAnswer(Schema):
    """How far a batch is; held and failed files count as processed."""

    batch_id: UUID
    status: str
    total_files: int
    processed_files: int
    failed_files: int
    held_files: int
    progress_percentage: float


class BatchFileAnswer(Schema):
    """One entry of a batch."""

    upload_id: UUID | None
    filename: str
    status: str
    error: ErrorInfo | None
    duplicate: bool


class BatchFiles(Schema):
    """The entries of a batch, as listed by its sender."""

    batch_id: UUID
    files: list[BatchFileAnswer]
    count: int
    next: str | None


class UserUploads(Schema):
    """A user's uploads, newest first."""

    user_id: str
    uploads: list[Details]
    count: int
    next: str | None


class UserBatches(Schema):
    """A user's batches, newest first."""

    user_id: str
    batches: list[BatchStatusAnswer]
    count: int
    next: str | None


class StatsAnswer(Schema):
    """Totals within what the caller may see."""

    total_uploads: int
    unique_users: int
    latest_upload: datetime | None
    earliest_upload: datetime | None


class Message(Schema):
    """It was done."""

    message: str


def upload_answer(received: Received) -> UploadAnswer:
    """The answer to a single upload."""
    record = received.upload
    return UploadAnswer(
        upload_id=record.upload_id,
        message=_message(received),
        status=record.status,
        duplicate=received.duplicate,
        diagnosis=record.diagnosis,
        confidence=record.confidence,
        model=_model(record),
        sop_instance_uid=record.sop_instance_uid,
        study_instance_uid=record.study_instance_uid,
        links=_links(record.upload_id),
    )


def _message(received: Received) -> str:
    if received.duplicate:
        return "This file was uploaded before; this is the first upload."
    return {
        "completed": "The file was converted, de-identified and stored.",
        "held": "The file was stored and waits for a person to look at it.",
    }.get(received.upload.status, "The file is being processed.")


def details(record: UploadRecord) -> Details:
    """The record without its report, as lists give it."""
    return Details.model_validate(_fields(record))


def details_with_report(record: UploadRecord) -> DetailsWithReport:
    """The record with its report."""
    return DetailsWithReport.model_validate(_fields(record) | {"report": record.report})


def _fields(record: UploadRecord) -> dict[str, Any]:
    same = {name: getattr(record, name, None) for name in Details.model_fields}
    return same | {
        "error": error_info(record.code),
        "saved": record.saved_at is not None,
        "model": _model(record),
        "links": _links(record.upload_id),
    }


def error_info(code: str | None) -> ErrorInfo | None:
    """A code with its title."""
    return ErrorInfo(code=code, title=problem_for(code).title) if code else None


def _model(record: UploadRecord) -> ModelInfo | None:
    if record.model_name is None:
        return None
    return ModelInfo(
        name=record.model_name, version=record.model_version or "", mock=bool(record.model_mock)
    )


def _links(upload_id: UUID) -> dict[str, str]:
    return {
        "details": url_for("api.upload_details", upload_id=upload_id),
        "dicom": url_for("api.upload_dicom", upload_id=upload_id),
        "thumbnail": url_for("api.upload_thumbnail", upload_id=upload_id),
    }


def batch_status(status: BatchStatus) -> BatchStatusAnswer:
    """The state of a batch."""
    return BatchStatusAnswer.model_validate(status)


def batch_file(entry: BatchFile) -> BatchFileAnswer:
    """One entry of a batch."""
    return BatchFileAnswer(
        upload_id=entry.upload_id,
        filename=entry.filename,
        status=entry.status,
        error=error_info(entry.code),
        duplicate=entry.duplicate,
    )
