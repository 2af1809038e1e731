"""Whether the process is up, and whether it can work."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, jsonify
from sqlalchemy import text

from webapp.api import blueprint
from webapp.errors import ServiceError
from webapp.extensions import huey
from webapp.guards import public
from webapp.problems import RETRY_SECONDS
from webapp.responses import PROBLEM_JSON, problem_body
from webapp.services.context import context
from webapp.storage.database import reading


@blueprint.get("/healthz")
@public
def healthz() -> Response:
    return jsonify(status="ok")


@blueprint.get("/readyz")
@public
def readyz() -> Response:
    checks = {
        "database": _works(_ask_database),
        "queue": "ok" if huey.reachable() else "away",
        "storage": _works(lambda: context().vault.store.check()),
    }
    if set(checks.values()) == {"ok"}:
        return jsonify(status="ok", **checks)
    response = jsonify(problem_body("unavailable", {}) | {"checks": checks})
    response.status_code, response.mimetype = 503, PROBLEM_JSON
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _works(check: Callable[[], None]) -> str:
    try:
        check()
    except ServiceError as error:
        return error.code
    return "ok"


def _ask_database() -> None:
    with reading(context().engine) as session:
        session.execute(text("SELECT 1"))
