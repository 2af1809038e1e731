"""``/metrics`` for Prometheus, with a token of its own."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Response, current_app, request

from webapp import metrics
from webapp.api import blueprint
from webapp.config import Settings
from webapp.errors import NotFound
from webapp.responses import NotAuthenticated

P = ParamSpec("P")
R = TypeVar("R")


def needs_token(view: Callable[P, R]) -> Callable[P, R]:
    """Only with ``METRICS_TOKEN`` as a Bearer token; without that setting there is nothing."""

    @wraps(view)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        settings: Settings = current_app.config["SETTINGS"]
        if settings.metrics_token is None:
            raise NotFound
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        wanted = settings.metrics_token.get_secret_value().encode()
        same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), wanted)
        if scheme.lower() != "bearer" or not same:
            raise NotAuthenticated
        return view(*args, **kwargs)

    inner.guard = "metrics token"  # type: ignore[attr-defined]
    return inner


@blueprint.get("/metrics")
@needs_token
def read() -> Response:
    content, media_type = metrics.page()
    return Response(content, content_type=media_type)
