"""How long each frontend's uploads stay, seen before it happens."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webapp.guards import caller
from webapp.pages.guards import for_admins
from webapp.services import retention
from webapp.services.retention import MOST_DAYS, DaysInvalid

blueprint = Blueprint("pages_admin_retention", __name__)


@blueprint.get("/admin/retention")
@for_admins
def index() -> str:
    """Every frontend with its rule, and a form to see what another would do."""
    return _page()


@blueprint.get("/admin/retention/<uuid:frontend_id>")
@for_admins
def preview(frontend_id: UUID) -> str | tuple[str, int]:
    """What a rule of ``?days=`` would destroy now, and the button that puts it in force."""
    try:
        seen = retention.preview(frontend_id, _days())
    except DaysInvalid:
        return _page(f"A whole number of days from 1 to {MOST_DAYS:,}."), 422
    return render_template("admin/retention_preview.html", preview=seen)


@blueprint.post("/admin/retention/<uuid:frontend_id>")
@for_admins
def put(frontend_id: UUID) -> Response | tuple[str, int]:
    """Put a rule in force; the next sweep begins."""
    try:
        retention.set_rule(frontend_id, _days(), caller())
    except DaysInvalid:
        return _page(f"A whole number of days from 1 to {MOST_DAYS:,}."), 422
    flash("The rule is in force. What is due goes with the next sweeps.", "info")
    return redirect(url_for(".index"), 303)


@blueprint.post("/admin/retention/<uuid:frontend_id>/remove")
@for_admins
def remove(frontend_id: UUID) -> Response:
    """Keep everything of a frontend."""
    retention.remove_rule(frontend_id, caller())
    flash("The rule is gone. Nothing of this frontend is destroyed by age any more.", "info")
    return redirect(url_for(".index"), 303)


def _days() -> int:
    text = request.values.get("days", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _page(wrong: str = "") -> str:
    return render_template("admin/retention.html", rules=retention.rules(), wrong=wrong)
