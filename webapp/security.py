"""What every answer tells the browser not to do.

Pages hold names of files and pictures of patients: nothing is fetched from
elsewhere, nothing inline is run, no other site may frame or read them.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response, request
from flask.sessions import SecureCookieSessionInterface
from flask_cors import CORS

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Flask-WTF compares the referrer under https, so it must at least reach ourselves.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
}
FOREVER = 31_536_000
PREFLIGHT_SECONDS = 600
ALLOWED = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Range",
    "X-File-Name",
    "X-Study-Key",
    "X-User-ID",
]
EXPOSED = [
    "Content-Disposition",
    "ETag",
    "Location",
    "Retry-After",
    "X-Frame-Description",
    "X-Request-ID",
]


class CookieSession(SecureCookieSessionInterface):
    """The session cookie is ``Secure`` whenever the request came over https."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure or super().get_cookie_secure(app)


def secure(app: Flask) -> None:
    """Give every answer of ``app`` its headers, and its cookies their flags."""
    app.session_interface = CookieSession()
    app.config.update(
        SESSION_COOKIE_NAME="session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        # A page may stay open for a day of uploads; its token ends with the session.
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.after_request(_add_headers)


def allow_origins(app: Flask, origins: Sequence[str]) -> None:
    """Let pages of these origins call with a Bearer token; never with this site's cookies."""
    if origins:
        CORS(
            app,
            origins=list(origins),
            supports_credentials=False,
            allow_headers=ALLOWED,
            expose_headers=EXPOSED,
            max_age=PREFLIGHT_SECONDS,
        )


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if "Cache-Control" not in response.headers:
        response.cache_control.private = True
        response.cache_control.no_cache = True
    if request.endpoint == "static" and "/dist/" in request.path:
        response.headers["Cache-Control"] = f"public, max-age={FOREVER}, immutable"
    return response
