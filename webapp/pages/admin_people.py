"""People, as administrators manage them."""

from __future__ import annotations

import re
import secrets
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from webapp.guards import caller
from webapp.pages.guards import for_admins
from webapp.services import accounts, people
from webapp.services.accounts import AlreadyExists
from webapp.services.people import PASSWORD_BYTES, LastAdministrator
from webapp.storage.models import Role

EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
LAST = "Nobody else is an active administrator, so this account stays as it is."
ROLES = {
    Role.CLINICIAN: "Clinician",
    Role.REVIEWER: "Reviewer: may look at held files",
    Role.ADMIN: "Administrator: may do everything",
}

blueprint = Blueprint("pages_admin_people", __name__)


@blueprint.get("/admin/people")
@for_admins
def index() -> str:
    """Everybody, and a form for one more."""
    return _page()


@blueprint.post("/admin/people")
@for_admins
def create() -> Response | str | tuple[str, int]:
    """A new account; its first password is shown this once."""
    email, role = request.form.get("email", "").strip(), _role()
    if not (EMAIL.fullmatch(email) and email.isprintable()):
        return _page(wrong="This is not an e-mail address."), 422
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    try:
        accounts.create_person(email, password, role, caller())
    except AlreadyExists:
        return _page(wrong="Somebody has this address already."), 422
    return _secret(email, password)


@blueprint.get("/admin/people/<uuid:person_id>")
@for_admins
def show(person_id: UUID) -> str:
    """One account: role, password, whether it is active."""
    return render_template("admin/person.html", person=people.get(person_id), roles=ROLES)


@blueprint.post("/admin/people/<uuid:person_id>/role")
@for_admins
def role(person_id: UUID) -> Response:
    """Another role, in force with the person's next request."""
    try:
        people.set_role(person_id, _role(), caller())
    except LastAdministrator:
        flash(LAST, "held")
    else:
        flash("The role is changed.", "info")
    return redirect(url_for(".show", person_id=person_id), 303)


@blueprint.post("/admin/people/<uuid:person_id>/deactivate")
@for_admins
def deactivate(person_id: UUID) -> Response:
    """Keep a person out, at once."""
    try:
        people.deactivate(person_id, caller())
    except LastAdministrator:
        flash(LAST, "held")
    else:
        flash("The account is deactivated; its sessions have ended.", "info")
    return redirect(url_for(".show", person_id=person_id), 303)


@blueprint.post("/admin/people/<uuid:person_id>/activate")
@for_admins
def activate(person_id: UUID) -> Response:
    """Let a person in again."""
    people.activate(person_id, caller())
    flash("The account is active again.", "info")
    return redirect(url_for(".show", person_id=person_id), 303)


@blueprint.post("/admin/people/<uuid:person_id>/reset")
@for_admins
def reset(person_id: UUID) -> str:
    """A new password, shown this once; the person's sessions end."""
    person = people.get(person_id)
    return _secret(person.email, people.reset_password(person_id, caller()))


def _role() -> Role:
    asked = request.form.get("role", "")
    return Role(asked) if asked in list(Role) else Role.CLINICIAN


def _page(wrong: str = "") -> str:
    return render_template(
        "admin/people.html",
        people=people.everybody(),
        roles=ROLES,
        wrong=wrong,
        email=request.form.get("email", ""),
    )


def _secret(email: str, password: str) -> str:
    return render_template(
        "admin/secret.html",
        title="A new password",
        about=f"For {email}. Hand it over by a safe way; they change it under Account.",
        label="Password",
        secret=password,
        back=url_for(".index"),
    )
