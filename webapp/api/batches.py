"""Many files at once: in, watched, listed, cancelled, tried again."""

from __future__ import annotations

from uuid import UUID

from flask import Response, request, url_for

from webapp import headers
from webapp.api import blueprint, schemas
from webapp.guards import caller, needs
from webapp.services import batches, bodies, intake
from webapp.tasks.ingest import hand_over

LIMIT = 200
MOST = 1000


@blueprint.post("/upload/batch")
@needs("write")
def upload_batch() -> Response:
    accepted = _accepted()
    hand_over(accepted.queued)
    status_url = url_for("api.batch_status", batch_id=accepted.batch_id)
    return schemas.BatchAccepted(
        batch_id=accepted.batch_id,
        message="The files were accepted and will be processed.",
        total_files=accepted.total_files,
    ).answer(202, Location=status_url)


def _accepted() -> intake.Accepted:
    key = headers.idempotency_key()
    if request.mimetype == "multipart/form-data":
        return bodies.receive_form(caller(), _parts(), key)
    return bodies.receive_json(caller(), request.stream, request.content_length, key)


def _parts() -> list[bodies.Part]:
    study_key = request.form.get("study_key") or None
    return [
        bodies.Part(headers.clean_name(part.filename or ""), part.stream, study_key)
        for _, part in request.files.items(multi=True)
    ]


@blueprint.get("/upload/batch/<uuid:batch_id>/status")
@needs("read")
def batch_status(batch_id: UUID) -> Response:
    answer = schemas.batch_status(batches.status(caller(), batch_id)).answer()
    answer.add_etag()
    answer.make_conditional(request)
    return answer


@blueprint.get("/upload/batch/<uuid:batch_id>/files")
@needs("read")
def batch_files(batch_id: UUID) -> Response:
    limit = headers.whole_number("limit", LIMIT, 1, MOST)
    page = batches.entries(caller(), batch_id, limit, headers.cursor())
    return schemas.BatchFiles(
        batch_id=batch_id,
        files=[schemas.batch_file(entry) for entry in page.items],
        count=len(page.items),
        next=page.next,
    ).answer()


@blueprint.delete("/upload/batch/<uuid:batch_id>")
@needs("write")
def cancel_batch(batch_id: UUID) -> Response:
    batches.cancel(caller(), batch_id)
    return schemas.batch_status(batches.status(caller(), batch_id)).answer()


@blueprint.post("/upload/batch/<uuid:batch_id>/retry")
@needs("write")
def retry_batch(batch_id: UUID) -> Response:
    hand_over(batches.retry(caller(), batch_id))
    return schemas.batch_status(batches.status(caller(), batch_id)).answer(202)
