"""What is done with the pictures chosen in the gallery, with or without a script."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from flask import Blueprint, flash, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webapp.errors import NotFound
from webapp.guards import caller
from webapp.pages.guards import for_people
from webapp.pages.wording import counted
from webapp.responses import wants_page
from webapp.services import export, release, selection
from webapp.zip_answer import zip_answer

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

blueprint = Blueprint("pages_selection", __name__)


@blueprint.post("/gallery/download")
@for_people
def download() -> Response | tuple[str, int]:
    """One as a DICOM file, many as a ZIP. Where one of them has no file, none is sent."""
    chosen = _chosen()
    if not chosen:
        return _nothing()
    choice = selection.look(caller(), chosen)
    if choice.others:
        return render_template("studies/partly.html", choice=choice, address=_address()), 409
    if len(chosen) == 1:
        return redirect(url_for("api.upload_dicom", upload_id=chosen[0]), 303)
    return zip_answer(export.prepare(caller(), chosen))


@blueprint.post("/gallery/save")
@for_people
def save() -> Response:
    """Into the person's collection."""
    return _save(saved=True)


@blueprint.post("/gallery/unsave")
@for_people
def unsave() -> Response:
    """Out of the person's collection; they stay in the gallery."""
    return _save(saved=False)


def _save(*, saved: bool) -> Response:
    chosen = _chosen()
    if not chosen:
        return _nothing()
    count = counted(selection.save(caller(), chosen, saved=saved), "picture")
    message = f"{count} saved." if saved else f"{count} no longer among the saved."
    if not wants_page():
        return jsonify(message=message)
    flash(message, "info")
    if "instance" in request.form:
        return redirect(url_for("pages_uploads.show", upload_id=chosen[0]), 303)
    return redirect(_address(), 303)


@blueprint.post("/gallery/delete")
@for_people
def delete() -> Response | str:
    """Ask; then hide them, and half a minute later they are destroyed."""
    chosen = _chosen()
    if not chosen:
        return _nothing()
    if "sure" not in request.form:
        selection.look(caller(), chosen)
        back = request.form.get("back", "")
        return render_template("studies/delete.html", chosen=chosen, back=back, address=_address())
    moment = selection.hide(caller(), chosen)
    return redirect(url_for(".deleted", moment=(moment - EPOCH) // MICROSECOND), 303)


@blueprint.get("/gallery/deleted")
@for_people
def deleted() -> str:
    """Half a minute to take them back."""
    moment = request.args.get("moment", "")
    count = len(selection.hidden(caller(), _moment(moment)))
    seconds = release.UNDO.seconds
    return render_template("studies/deleted.html", moment=moment, count=count, seconds=seconds)


@blueprint.post("/gallery/undelete")
@for_people
def undelete() -> Response:
    """Take back what was deleted together, while there is time."""
    moment = _moment(request.form.get("moment", ""))
    before = len(selection.hidden(caller(), moment))
    back = selection.unhide(caller(), moment)
    sentence = f"{counted(back, 'picture is', 'pictures are')} back."
    if back < before:
        sentence += " The others were sent again meanwhile, so those are kept instead."
    flash(sentence, "info")
    return redirect(url_for("pages_studies.index"), 303)


def _chosen() -> list[UUID]:
    try:
        return list(dict.fromkeys(map(UUID, request.form.getlist("upload"))))
    except ValueError:
        raise NotFound from None


def _nothing() -> Response:
    flash("Tick at least one picture first.", "held")
    return redirect(_address(), 303)


def _address() -> str:
    """The gallery as it was: of what the form says only the query counts, never a site."""
    query = urlencode(parse_qsl(request.form.get("back", "")))
    return url_for("pages_studies.index") + (f"?{query}" if query else "")


def _moment(text: str) -> datetime:
    try:
        return EPOCH + int(text) * MICROSECOND
    except (ValueError, OverflowError):
        raise NotFound from None
