"""Batches: how far each is, file by file, and what to do about those that failed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webapp.guards import caller
from webapp.pages.guards import for_people
from webapp.pages.htmx import render
from webapp.pages.wording import counted
from webapp.services import batches, library
from webapp.services.batches import BatchStatus, NothingToRetry
from webapp.services.library import Filters
from webapp.services.records import UploadRecord
from webapp.storage.models import Status
from webapp.tasks.ingest import hand_over

LISTED = 25
FILES = 100
TROUBLE = 20
STEPS = 4

blueprint = Blueprint("pages_batches", __name__)


@blueprint.get("/batches")
@for_people
def index() -> str:
    """The caller's batches, newest first."""
    cursor = request.args.get("cursor") or None
    page = batches.batches(caller().as_owner(), LISTED, cursor)
    return render_template("batches/index.html", page=page, cursor=cursor)


@blueprint.get("/batches/<uuid:batch_id>")
@for_people
def show(batch_id: UUID) -> Response:
    """A batch; while it runs, its part asks for itself again."""
    cursor = request.args.get("cursor") or None
    batch = batches.status(caller(), batch_id)
    values: dict[str, Any] = {
        "batch": batch,
        "files": batches.entries(caller(), batch_id, FILES, cursor),
        "cursor": cursor,
        "page_size": FILES,
        "here": url_for(".show", batch_id=batch_id, cursor=cursor),
        "headline": _headline(batch),
        "spoken": _spoken(batch),
        "parts": _parts(batch),
        "trouble": _trouble(batch),
    }
    return render("batches/show.html", "batches/_status.html", **values)


@blueprint.post("/batches/<uuid:batch_id>/close")
@for_people
def close(batch_id: UUID) -> Response:
    """No more files come; a page that is left says so too, by a beacon."""
    batches.close_batch(caller(), batch_id)
    return Response(status=204)


@blueprint.post("/batches/<uuid:batch_id>/retry")
@for_people
def retry(batch_id: UUID) -> Response:
    """Queue again every failed file whose original is still kept."""
    try:
        again = batches.retry(caller(), batch_id)
    except NothingToRetry:
        flash("None of the failed files is kept any more. Please send them again.", "held")
    else:
        hand_over(again)
        flash(f"{counted(len(again), 'file')} will be tried again.", "info")
    return redirect(url_for(".show", batch_id=batch_id), 303)


@blueprint.post("/batches/<uuid:batch_id>/cancel")
@for_people
def cancel(batch_id: UUID) -> Response:
    """Drop what is still queued."""
    cancelled = batches.cancel(caller(), batch_id)
    flash(f"{counted(cancelled, 'queued file')} cancelled. What was done stays.", "info")
    return redirect(url_for(".show", batch_id=batch_id), 303)


def _trouble(batch: BatchStatus) -> list[UploadRecord]:
    """The failed files of a batch too long to be seen at once."""
    if not batch.failed_files or batch.total_files <= FILES:
        return []
    wanted = Filters(batch_id=batch.batch_id, status=Status.FAILED)
    return list(library.uploads(caller(), TROUBLE, None, wanted).items)


def _parts(batch: BatchStatus) -> list[tuple[str, str, int]]:
    """The addends of the batch's account; they make up its total exactly."""
    good = batch.processed_files - batch.failed_files - batch.held_files
    parts = [
        ("completed", "completed", good),
        ("held", "held for review", batch.held_files),
        ("failed", "failed", batch.failed_files),
    ]
    if not batch.done:
        parts.append(("queued", "still to do", batch.total_files - batch.processed_files))
    return parts


def _headline(batch: BatchStatus) -> str:
    if batch.done and not batch.total_files:
        return "Nothing came"
    if batch.done and not batch.failed_files:
        return "Done"
    if batch.done:
        return "None could be used" if batch.status == "failed" else "Done, with failures"
    return "De-identifying" if batch.processed_files < batch.total_files else "Waiting for files"


def _spoken(batch: BatchStatus) -> str:
    """What a screen reader is told: at each quarter and at the end, not at each file."""
    if batch.done:
        return f"{_headline(batch)}: {counted(batch.total_files, 'file')} processed."
    step = int(batch.progress_percentage * STEPS // 100)
    return f"{step * 100 // STEPS} % processed" if step else "Processing has begun"
