"""How the upload page sends: a batch opened, each file alone as a raw body, then closed.

A file for itself keeps progress true to the byte, and one that breaks off spoils no other.
"""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, jsonify, request, url_for

from webapp.extensions import csrf
from webapp.guards import caller, needs
from webapp.headers import file_name, study_key
from webapp.services import batches, sending
from webapp.storage.models import Status
from webapp.tasks.ingest import hand_over

blueprint = Blueprint("pages_sending", __name__)
csrf.exempt(blueprint)  # the guard checks the token from its header; no form is read here


@blueprint.post("/batches")
@needs("write")
def open_batch() -> tuple[Response, int]:
    """An open batch: its id, and the page that shows it."""
    batch_id = batches.open_batch(caller())
    location = url_for("pages_batches.show", batch_id=batch_id)
    return jsonify(batch_id=str(batch_id), location=location), 201


@blueprint.post("/batches/<uuid:batch_id>/files")
@needs("write")
def add_file(batch_id: UUID) -> tuple[Response, int]:
    """One file into an open batch: answered once it is sealed and its row is written.

    ``digest`` is the SHA-256 of what arrived, so that the sender can compare.
    """
    added = sending.add_file(caller(), batch_id, request.stream, file_name(), study_key())
    hand_over(added.queued)
    body = {
        "upload_id": str(added.upload_id),
        "status": Status.QUEUED,
        "duplicate": added.duplicate,
        "digest": added.sha256.hex(),
        "files": added.files,
    }
    return jsonify(body), 202


@blueprint.get("/batches/<uuid:batch_id>/progress")
@needs("read")
def progress(batch_id: UUID) -> Response:
    """How far the work is, for the upload page."""
    status = batches.status(caller(), batch_id)
    response = jsonify(
        status=status.status,
        total_files=status.total_files,
        processed_files=status.processed_files,
        failed_files=status.failed_files,
        held_files=status.held_files,
    )
    response.cache_control.no_store = True
    return response
