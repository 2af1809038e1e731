"""Logging in and out."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

from flask import Blueprint, make_response, redirect, render_template, request, session, url_for
from flask import Response as FlaskResponse
from flask_limiter.errors import RateLimitExceeded
from flask_limiter.util import get_remote_address
from flask_login import current_user, login_user, logout_user
from werkzeug.wrappers import Response

from webapp.extensions import limiter
from webapp.guards import count_failure, public
from webapp.pages.people import SignedIn
from webapp.responses import RateLimited
from webapp.services import accounts, audit
from webapp.services.audit import Action

LOG_INS = "10/minute"
WRONG = "This address and password do not belong together. Check both and try again."
OFTEN = "Too many tries with this address. Wait a minute, then try again."

blueprint = Blueprint("pages_auth", __name__)


def _who_tries() -> str:
    """Account and address; hashed, since what is typed may be long, and is nobody's business."""
    email = accounts.normal_email(request.form.get("email", ""))
    return hashlib.sha256(f"{email}|{get_remote_address()}".encode("utf-8", "replace")).hexdigest()


@blueprint.errorhandler(RateLimitExceeded)
@blueprint.errorhandler(RateLimited)
def too_often(error: RateLimitExceeded | RateLimited) -> FlaskResponse:
    """The form again, and when it may be tried."""
    response = make_response(_form(OFTEN), 429)
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(error.facts["retry_after"])
    else:
        response.headers["Retry-After"] = str(error.limit.limit.get_expiry())
    return response


@blueprint.get("/login")
@public
def login() -> Response | str:
    """The form; somebody logged in already goes on to where they were going."""
    if current_user.is_authenticated:
        return redirect(_next(), 303)
    return _form()


@blueprint.post("/login")
@public
@limiter.limit(LOG_INS, key_func=_who_tries)
def log_in() -> Response | tuple[str, int]:
    """Check address and password, and begin a new session."""
    person = accounts.authenticate_person(
        request.form.get("email", ""), request.form.get("password", "")
    )
    if person is None:
        count_failure("log-in")
        return _form(WRONG), 422
    # Nothing of the session before, its CSRF token least of all, outlives the log-in.
    session.clear()
    session.permanent = "remember" in request.form
    login_user(SignedIn(person))
    return redirect(_next(), 303)


@blueprint.post("/logout")
@public
def logout() -> Response:
    """End the session, and what the browser remembers of its pages."""
    if current_user.is_authenticated:
        audit.note(current_user.caller(), Action.PERSON_LOG_OUT)
    logout_user()
    session.clear()
    response = redirect(url_for("pages_auth.login"), 303)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def _form(wrong: str = "") -> str:
    email = request.form.get("email", "")
    return render_template("auth/login.html", wrong=wrong, email=email, next=_asked())


def _next() -> str:
    return _asked() or url_for("pages_uploads.new")


def _asked() -> str | None:
    """Where the person was going: a path of ours, never another site."""
    target = request.args.get("next", "")
    parts = urlsplit(target)
    # Any number of slashes in front begins the name of a host, for a browser.
    ours = target.startswith("/") and not target.startswith("//")
    ours = ours and not parts.scheme and not parts.netloc
    return target if ours and target.isprintable() and "\\" not in target else None
