"""Who may see a page. Every view names its guard; a test asks each for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import g, redirect, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from webapp.responses import NotAllowed, NotAuthenticated, wants_page
from webapp.services.accounts import Caller

P = ParamSpec("P")
R = TypeVar("R")
View = Callable[P, R]
Guarded = Callable[P, R | Response]


def for_people(view: View[P, R]) -> Guarded[P, R]:
    """Only somebody who is logged in; a browser is led to the log-in page and back."""
    return _guarded(view, "person", lambda caller: True)


def for_reviewers(view: View[P, R]) -> Guarded[P, R]:
    """Only a reviewer or an administrator."""
    return _guarded(view, "reviewer", lambda caller: caller.may_review)


def for_admins(view: View[P, R]) -> Guarded[P, R]:
    """Only an administrator."""
    return _guarded(view, "admin", lambda caller: caller.is_admin)


def _guarded(view: View[P, R], name: str, allowed: Callable[[Caller], bool]) -> Guarded[P, R]:
    @wraps(view)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R | Response:
        if not current_user.is_authenticated:
            return _to_log_in()
        g.caller = current_user.caller()
        if not allowed(g.caller):
            raise NotAllowed
        return view(*args, **kwargs)

    inner.guard = name  # type: ignore[attr-defined]
    return inner


def _to_log_in() -> Response:
    """Lead a browser to the log-in page. A script must get 401: it would follow, and take
    that page's 200 for its own."""
    if "X-CSRFToken" in request.headers or not wants_page():
        raise NotAuthenticated
    reads = request.method in ("GET", "HEAD")
    here = request.full_path.rstrip("?") if reads else url_for("pages_uploads.new")
    return redirect(url_for("pages_auth.login", next=here), 303)
