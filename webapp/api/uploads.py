"""Single uploads: in, looked at, out, gone."""

from __future__ import annotations

from uuid import UUID

from flask import Response, request, url_for

from webapp import headers
from webapp.api import blueprint, schemas
from webapp.api.files import frame_answer, picture_answer, source_answer
from webapp.guards import caller, needs
from webapp.pipeline.render import RenderOptions
from webapp.services import frames, ingest, library, release
from webapp.storage.models import Status
from webapp.storage.vault import Kind


@blueprint.post("/upload")
@needs("write")
def upload() -> Response:
    incoming = ingest.Incoming(
        stream=request.stream,
        name=headers.file_name(),
        length=request.content_length,
        study_key=headers.study_key(),
        idempotency_key=headers.idempotency_key(),
    )
    received = ingest.receive(caller(), incoming)
    status = 200 if received.duplicate else 201
    if received.upload.status in (Status.QUEUED, Status.PROCESSING):
        status = 202
    location = url_for("api.upload_details", upload_id=received.upload.upload_id)
    return schemas.upload_answer(received).answer(status, Location=location)


@blueprint.get("/upload/<uuid:upload_id>/details")
@needs("read")
def upload_details(upload_id: UUID) -> Response:
    return schemas.details_with_report(library.upload(caller(), upload_id)).answer()


@blueprint.get("/upload/<uuid:upload_id>/preprocessed-dicom")
@needs("read")
def upload_dicom(upload_id: UUID) -> Response:
    instance = release.dicom(caller(), upload_id)
    stem = instance.upload.filename.rpartition(".")[0] or instance.upload.filename
    name = headers.attachment(f"{stem}.dcm", f"{upload_id}.dcm")
    return source_answer(instance.source, instance.sha256, "application/dicom", name)


@blueprint.get("/upload/<uuid:upload_id>/thumbnail")
@needs("read")
def upload_thumbnail(upload_id: UUID) -> Response:
    source, sha256 = release.picture(caller(), upload_id, Kind.THUMBNAIL)
    return source_answer(source, sha256, "image/webp")


@blueprint.get("/upload/<uuid:upload_id>/preview")
@needs("read")
def upload_preview(upload_id: UUID) -> Response:
    source, sha256 = release.picture(caller(), upload_id, Kind.PREVIEW)
    return source_answer(source, sha256, "image/webp")


@blueprint.get("/upload/<uuid:upload_id>/rendered.png")
@needs("read")
def upload_rendered(upload_id: UUID) -> Response:
    options = RenderOptions(
        frame=headers.whole_number("frame", 1, 1, 999_999_999),
        max_size=headers.whole_number("size", 0, 16, 65_535) or None,
        window=headers.window(),
        format="png",
    )
    return picture_answer(release.rendered(caller(), upload_id, options))


@blueprint.get("/upload/<uuid:upload_id>/frames/<int:frame>")
@needs("read")
def upload_frame(upload_id: UUID, frame: int) -> Response:
    known = request.if_none_match.as_set(include_weak=True)
    return frame_answer(*frames.frame(caller(), upload_id, frame, known))


@blueprint.delete("/upload/<uuid:upload_id>")
@needs("write")
def delete_upload(upload_id: UUID) -> Response:
    release.delete_upload(caller(), upload_id)
    return Response(status=204)


@blueprint.post("/save-upload")
@needs("write")
def save_upload() -> Response:
    user, upload_id = headers.user_id("user_id"), headers.uuid_parameter("upload_id")
    release.save(caller(), user, upload_id)
    return schemas.Message(message="The upload is saved.").answer()
