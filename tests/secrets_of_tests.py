"""The secrets of an installation under test: its administrator, its first key, its keys."""

from __future__ import annotations

ADMIN_EMAIL = "admin@example.org"
ADMIN_PASSWORD = "correct horse battery staple"
API_KEY = "first-frontend-0123456789-0123456789"

MASTER_KEYS = "test:" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="
SECRET_KEY = "0123456789abcdef0123456789abcdef"


def bearer(key: str = API_KEY, user: str | None = None, **more: str) -> dict[str, str]:
    """Headers of a call with ``key``, for its end user ``user``; others with ``_`` for ``-``."""
    headers = {"Authorization": f"Bearer {key}"}
    if user is not None:
        headers["X-User-ID"] = user
    return headers | {name.replace("_", "-"): value for name, value in more.items()}
