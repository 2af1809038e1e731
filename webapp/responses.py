"""Errors as answers: problem+json for programs, a page for people."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, jsonify, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from webapp import failed_acts
from webapp.errors import NotFound, Rejected, ServiceError, Unavailable
from webapp.problems import PROBLEMS, code_for_status, detail_of, problem_for

log = logging.getLogger(__name__)
PROBLEM_JSON = "application/problem+json"


class NotAuthenticated(Rejected):
    """No valid key and nobody logged in."""

    code = "unauthorized"


class NotAllowed(Rejected):
    """A known caller without the permission."""

    code = "forbidden"


class RateLimited(Rejected):
    """Too many tries. ``retry_after`` seconds."""

    code = "rate-limited"


def init_app(app: Flask) -> None:
    """Answer every error in the contract's form."""
    app.register_error_handler(ServiceError, _on_service_error)
    app.register_error_handler(CSRFError, lambda _error: answer("csrf", {}))
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(Exception, _on_bug)


def problem_body(code: str, facts: dict[str, int | str]) -> dict[str, Any]:
    """The members of a problem+json document."""
    problem = problem_for(code)
    return {
        "type": f"/problems/{code}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail_of(code, facts),
        "code": code,
        "request_id": g.get("request_id", "-"),
    }


def answer(code: str, facts: dict[str, int | str]) -> Response:
    """The answer to an error, for whoever asked."""
    body = problem_body(code, facts)
    if wants_page():
        response = Response(render_template("errors/problem.html", problem=body))
    else:
        response = jsonify(body)
        response.mimetype = PROBLEM_JSON
    response.status_code = body["status"]
    retry_after = facts.get("retry_after", problem_for(code).retry_after)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if code == "unauthorized":
        response.headers["WWW-Authenticate"] = 'Bearer realm="api"'
    return response


def wants_page() -> bool:
    """Whether a person's browser asks for a page, and not a program for an answer."""
    if "Authorization" in request.headers or "HX-Request" in request.headers:
        return False
    accepted = request.accept_mimetypes
    names_html = any(media_type == "text/html" for media_type, _quality in accepted)
    return names_html and accepted["text/html"] >= accepted["application/json"]


def _on_service_error(error: ServiceError) -> Response:
    failed_acts.note(error)
    if not isinstance(error, Rejected | Unavailable | NotFound):
        log.error("an error of this service: %s", error.code)
    return answer(error.code if error.code in PROBLEMS else "internal", error.facts)


def _on_http_error(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return error
    response = answer(code_for_status(error.code), {})
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after"):
            response.headers[name] = value
    return response


def _on_bug(_error: Exception) -> Response:
    log.exception("a bug while answering %s", request.url_rule or "an unknown address")
    return answer("internal", {})
