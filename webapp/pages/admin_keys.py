"""API keys, as administrators manage them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webapp.guards import caller
from webapp.pages.guards import for_admins
from webapp.services import accounts, api_keys
from webapp.services.accounts import SCOPES, AlreadyExists
from webapp.services.api_keys import GRACE_DAYS, KeyNotValid
from webapp.storage.models import now

LONGEST_NAME = 128
LIVES = {"": "Never", "30": "In 30 days", "90": "In 90 days", "365": "In a year"}
SCOPE_WORDS = {
    "read": "read",
    "write": "write",
    "review": "review held files",
    "admin": "administer: sees and may do everything",
}

blueprint = Blueprint("pages_admin_keys", __name__)


@blueprint.get("/admin/keys")
@for_admins
def index() -> str:
    """Every key by frontend, and a form for one more."""
    return _page()


@blueprint.post("/admin/keys")
@for_admins
def create() -> str | tuple[str, int]:
    """A new key, shown this once; its frontend is made where it is new."""
    name, life = request.form.get("name", "").strip(), request.form.get("life", "")
    scopes = tuple(scope for scope in SCOPES if scope in request.form.getlist("scope"))
    wrong = _wrong(name, scopes)
    if wrong:
        return _page(wrong), 422
    ends = now() + timedelta(days=int(life)) if life and life in LIVES else None
    try:
        raw = accounts.create_key(name, scopes, expires_at=ends, by=caller())
    except AlreadyExists:
        return _page({"name": "Somebody makes this frontend just now; try again."}), 422
    return _secret(name, raw)


def _wrong(name: str, scopes: tuple[str, ...]) -> dict[str, str]:
    wrong = {}
    if not (0 < len(name) <= LONGEST_NAME and name.isprintable()):
        wrong["name"] = f"A name of 1 to {LONGEST_NAME} characters."
    if name == accounts.PEOPLE:
        wrong["name"] = "This name belongs to the people who log in."
    if not scopes:
        wrong["scopes"] = "A key needs at least one permission."
    return wrong


@blueprint.post("/admin/keys/<uuid:key_id>/rotate")
@for_admins
def rotate(key_id: UUID) -> str | Response:
    """A successor, shown this once; the old key goes on for a week."""
    try:
        raw = api_keys.rotate(key_id, GRACE_DAYS, caller())
    except KeyNotValid:
        flash("This key is revoked or has run out already.", "held")
        return redirect(url_for(".index"), 303)
    return _secret(api_keys.get(key_id).frontend, raw, f"The old one works {GRACE_DAYS} days more.")


@blueprint.get("/admin/keys/<uuid:key_id>/revoke")
@for_admins
def ask_revoke(key_id: UUID) -> str:
    """Ask before revoking."""
    return render_template("admin/revoke.html", key=api_keys.get(key_id))


@blueprint.post("/admin/keys/<uuid:key_id>/revoke")
@for_admins
def revoke(key_id: UUID) -> Response:
    """End a key with its next request."""
    api_keys.revoke(key_id, caller())
    flash("The key is revoked.", "info")
    return redirect(url_for(".index"), 303)


def _page(wrong: dict[str, str] | None = None) -> str:
    return render_template(
        "admin/keys.html",
        keys=api_keys.every_key(),
        wrong=wrong or {},
        name=request.form.get("name", ""),
        chosen=request.form.getlist("scope") or ["read", "write"],
        scopes=SCOPE_WORDS,
        lives=list(LIVES.items()),
    )


def _secret(frontend: str, raw: str, more: str = "") -> str:
    return render_template(
        "admin/secret.html",
        title="A new API key",
        about=f"For {frontend}. It belongs on a server, never in a web page. {more}",
        label="API key",
        secret=raw,
        back=url_for(".index"),
    )
