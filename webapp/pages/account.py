"""A person's own account, and whether its session still stands."""

from __future__ import annotations

from flask import Blueprint, flash, jsonify, redirect, render_template, request, session, url_for
from flask_login import current_user, login_user
from flask_wtf.csrf import generate_csrf
from werkzeug.wrappers import Response

from webapp.pages.guards import for_people
from webapp.pages.people import SignedIn
from webapp.services import accounts
from webapp.services.accounts import MIN_PASSWORD, PasswordTooShort

APPEARANCES = ("system", "light", "dark")
A_YEAR = 31_536_000
NOT_CURRENT = "This is not your current password."
TOO_SHORT = f"Too short: at least {MIN_PASSWORD} characters."

blueprint = Blueprint("pages_account", __name__)


@blueprint.get("/account")
@for_people
def show() -> str:
    """Password and appearance."""
    return _page({})


@blueprint.post("/account")
@for_people
def change_password() -> Response | tuple[str, int]:
    """A new password; the person's other sessions end, this one goes on."""
    person: SignedIn = current_user
    current, new = request.form.get("current", ""), request.form.get("password", "")
    try:
        changed = accounts.change_password(person.person_id, current, new)
    except PasswordTooShort:
        return _page({"password": TOO_SHORT}), 422
    if not changed:
        return _page({"current": NOT_CURRENT}), 422
    _stay_logged_in(person)
    flash("Your password is changed. Everywhere else you are logged out.", "info")
    return redirect(url_for(".show"), 303)


@blueprint.post("/account/appearance")
@for_people
def appearance() -> Response:
    """Remember light or dark in this browser."""
    chosen = request.form.get("appearance")
    response = redirect(url_for(".show"), 303)
    if chosen in APPEARANCES:
        response.set_cookie(
            "appearance", chosen, A_YEAR, httponly=True, samesite="Lax", secure=request.is_secure
        )
    return response


@blueprint.get("/session")
@for_people
def session_state() -> Response:
    """For scripts: the session stands, and this is its token; 401 when it has ended."""
    person: SignedIn = current_user
    response = jsonify(csrf_token=generate_csrf(), person=str(person.person_id))
    response.cache_control.no_store = True
    return response


@blueprint.get("/logged-in")
@for_people
def back() -> str:
    """Where a log-in in a second tab ends: the first tab goes on by itself."""
    return render_template("auth/back.html")


def chosen_appearance() -> str:
    """``system`` unless this browser was told otherwise."""
    chosen = request.cookies.get("appearance", "system")
    return chosen if chosen in APPEARANCES else "system"


def _page(wrong: dict[str, str]) -> str:
    return render_template("auth/account.html", wrong=wrong, least=MIN_PASSWORD)


def _stay_logged_in(person: SignedIn) -> None:
    renewed = accounts.person(person.person_id)
    if renewed is None:
        return
    permanent = session.permanent
    session.clear()
    session.permanent = permanent
    login_user(SignedIn(renewed))
