"""Who calls, and whether they may: every route names its guard.

A guard runs before anything of the body is read. On routes that take files
nothing may touch ``request.form`` before the file is sealed, so a session's
CSRF token is read from its header alone there.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from flask import current_app, g, request
from flask_login import current_user
from flask_wtf.csrf import validate_csrf
from limits import RateLimitItem, parse
from redis.exceptions import RedisError
from wtforms.validators import ValidationError

from webapp.config import Settings
from webapp.errors import Rejected
from webapp.extensions import limiter
from webapp.responses import NotAllowed, NotAuthenticated, RateLimited
from webapp.services import accounts, audit
from webapp.services.accounts import Caller
from webapp.services.audit import Action

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

FAILED_AUTHENTICATION = parse("60/minute")
USER_ID = re.compile(r"[!-.0-~]{1,128}")
SAFE = ("GET", "HEAD", "OPTIONS")


class UserIdInvalid(Rejected):
    """``X-User-ID`` is not 1-128 visible ASCII characters without a slash."""

    code = "user-id-invalid"


class FormExpired(Rejected):
    """An unsafe request of a session without its CSRF token."""

    code = "csrf"


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Anybody may call."""
    view.guard = "public"  # type: ignore[attr-defined]
    return view


def needs(*scopes: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Only a caller with all of ``scopes``, by key or by session."""

    def guarded(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def inner(*args: P.args, **kwargs: P.kwargs) -> R:
            g.caller = authenticate()
            if not (g.caller.is_admin or g.caller.scopes.issuperset(scopes)):
                raise NotAllowed
            return view(*args, **kwargs)

        inner.guard = " ".join(scopes)  # type: ignore[attr-defined]
        return inner

    return guarded


def needs_admin(view: Callable[P, R]) -> Callable[P, R]:
    """Only administrators; a known caller who is none gets 403."""

    @wraps(view)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        g.caller = authenticate()
        if not g.caller.is_admin:
            raise NotAllowed
        return view(*args, **kwargs)

    inner.guard = "admin"  # type: ignore[attr-defined]
    return inner


def caller() -> Caller:
    """The caller of this request, once its guard has run."""
    found: Caller = g.caller
    return found


def authenticate() -> Caller:
    """The caller of this request.

    Raises:
        NotAuthenticated: neither a valid key nor a session.
        RateLimited: too many failures from this address.
        UserIdInvalid, FormExpired: a malformed header.
    """
    header = request.headers.get("Authorization")
    if header is not None:
        return _by_key(header)
    if current_user.is_authenticated:
        if request.method not in SAFE:
            _check_csrf_header()
        found: Caller = current_user.caller()
        return found
    raise _refused()


def _by_key(header: str) -> Caller:
    scheme, _, raw = header.partition(" ")
    user = request.headers.get("X-User-ID")
    if user is not None and not USER_ID.fullmatch(user):
        raise UserIdInvalid
    if scheme.lower() == "bearer":
        found = accounts.authenticate_key(raw.strip(), user)
        if found:
            _limit_key(found.key_id)
            return found
    raise _refused()


def _limit_key(key_id: UUID | None) -> None:
    settings: Settings = current_app.config["SETTINGS"]
    if settings.rate_limit_per_key is None:
        return
    rate = parse(settings.rate_limit_per_key)
    if not _within(rate, "key", str(key_id)):
        raise RateLimited(retry_after=rate.get_expiry())


def _within(rate: RateLimitItem, *of: str) -> bool:
    """Count; whether the limit still holds. Where the counts are away, nobody is slowed."""
    try:
        return limiter.limiter.hit(rate, *of)
    except (RedisError, sqlite3.Error):
        log.warning("rate limits are not counted: what counts them is away")
        return True


def count_failure(kind: str) -> None:
    """Count somebody who could not say who they are; only failures are ever slowed by it.

    Raises:
        RateLimited: this address has failed too often in this minute.
    """
    settings: Settings = current_app.config["SETTINGS"]
    address = request.remote_addr or "-"
    if settings.rate_limits == "on" and not _within(FAILED_AUTHENTICATION, kind, address):
        raise RateLimited(retry_after=FAILED_AUTHENTICATION.get_expiry())


def _refused() -> Rejected:
    if "Authorization" in request.headers:
        count_failure("authentication")
        audit.note(None, Action.KEY_REFUSED, outcome=NotAuthenticated.code)
    return NotAuthenticated()


def _check_csrf_header() -> None:
    if not current_app.config.get("WTF_CSRF_ENABLED", True):
        return
    try:
        validate_csrf(request.headers.get("X-CSRFToken"))
    except ValidationError:
        raise FormExpired from None


def guard_of(view: Any) -> str | None:
    """The guard that a view names; none is a fault that a test finds."""
    return getattr(view, "guard", None)
