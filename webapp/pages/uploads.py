"""Dropping files, and one instance with everything known of it."""

from __future__ import annotations

import secrets
from uuid import UUID

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webapp.config import MEGABYTE, Settings
from webapp.extensions import csrf
from webapp.guards import caller
from webapp.headers import clean_name
from webapp.pages.deidentification import PIXEL_TEXT, account
from webapp.pages.guards import for_people
from webapp.pages.htmx import render
from webapp.pages.viewing import PRESETS, view_of
from webapp.services import attributes as stored
from webapp.services import bodies, library, release
from webapp.services.records import UploadRecord
from webapp.storage.models import Status
from webapp.tasks.ingest import hand_over

blueprint = Blueprint("pages_uploads", __name__)


@blueprint.get("/uploads/new")
@for_people
def new() -> str:
    """The drop zone, with the limits in force."""
    settings: Settings = current_app.config["SETTINGS"]
    limits = {
        "file_mb": settings.max_upload_mb,
        "image_mb": settings.max_image_mb,
        "batch_mb": settings.max_batch_mb,
        "files": settings.max_batch_files,
    }
    return render_template("uploads/new.html", limits=limits)


@blueprint.post("/uploads")
@for_people
def create() -> Response:
    """What the page sends without a script: all files in one request, sealed while it is read."""
    settings: Settings = current_app.config["SETTINGS"]
    request.max_content_length = settings.max_batch_mb * MEGABYTE
    csrf.protect()
    together = secrets.token_hex(16) if "one_examination" in request.form else None
    parts = [
        bodies.Part(clean_name(part.filename), part.stream, together)
        for part in request.files.getlist("files")
        if part.filename
    ]
    if not parts:
        flash("Choose at least one file first.", "held")
        return redirect(url_for(".new"), 303)
    accepted = bodies.receive_form(caller(), parts)
    hand_over(accepted.queued)
    return redirect(url_for("pages_batches.show", batch_id=accepted.batch_id), 303)


# Flask-WTF reads the whole form before any guard: here somebody must be logged in first.
csrf.exempt(create)


@blueprint.get("/uploads/<uuid:upload_id>")
@for_people
def show(upload_id: UUID) -> str:
    """An instance: its picture, its attributes, what de-identification did."""
    upload = library.upload(caller(), upload_id)
    view = view_of(upload, request.args)
    return render_template(
        "uploads/show.html",
        upload=upload,
        view=view,
        picture=view.picture(upload) if _may_see(upload) else None,
        presets=PRESETS.get(upload.modality or "", ()),
        account=account(upload.report),
        mine=library.owns(caller(), upload_id),
        pixel_text=PIXEL_TEXT.get(upload.pixel_text, ""),
    )


def _may_see(upload: UploadRecord) -> bool:
    """Whether there is a picture, and this person may look at it; held ones are for reviewers."""
    held = upload.status == Status.HELD and caller().may_review
    return upload.has_picture and (upload.status == Status.COMPLETED or held)


@blueprint.get("/uploads/<uuid:upload_id>/attributes")
@for_people
def attributes(upload_id: UUID) -> Response:
    """Every attribute of the stored instance."""
    upload = library.upload(caller(), upload_id)
    return render(
        "uploads/attributes.html",
        "uploads/_attributes.html",
        upload=upload,
        attributes=stored.attributes(caller(), upload_id),
    )


@blueprint.get("/uploads/<uuid:upload_id>/delete")
@for_people
def ask_delete(upload_id: UUID) -> str:
    """Ask before deleting."""
    return render_template("uploads/delete.html", upload=library.upload(caller(), upload_id))


@blueprint.post("/uploads/<uuid:upload_id>/delete")
@for_people
def delete(upload_id: UUID) -> Response:
    """Hide an upload; half a minute later it is destroyed."""
    release.hide(caller(), upload_id)
    return redirect(url_for(".deleted", upload_id=upload_id), 303)


@blueprint.get("/uploads/<uuid:upload_id>/deleted")
@for_people
def deleted(upload_id: UUID) -> str:
    """Half a minute to take it back."""
    return render_template(
        "uploads/deleted.html", upload_id=upload_id, seconds=release.UNDO.seconds
    )


@blueprint.post("/uploads/<uuid:upload_id>/undelete")
@for_people
def undelete(upload_id: UUID) -> Response:
    """Take a deletion back, while there is time."""
    release.unhide(caller(), upload_id)
    flash("It is back.", "info")
    return redirect(url_for(".show", upload_id=upload_id), 303)
