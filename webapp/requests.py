"""What every request begins and ends with: its id, in the log and in the answer."""

from __future__ import annotations

import logging
import time
from urllib.parse import unquote
from uuid import uuid4

from flask import Flask, Response, g, request

from webapp.errors import Rejected
from webapp.logs import request_id
from webapp.services.audit import Actor, Origin, origin

log = logging.getLogger("webapp.requests")

FORM_LIMIT = 1 << 20
TAKES_FILES = ("/upload", "/upload/batch", "/uploads")


class AddressMalformed(Rejected):
    """A path or query with a NUL in it, which no text of ours and no database holds."""

    code = "bad-request"


def init_app(app: Flask) -> None:
    """Number each request, bound the bodies of forms, and log one line for each."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_forget)


def _begin() -> None:
    g.request_id = uuid4().hex
    g.began = time.monotonic()
    request_id.set(g.request_id)
    origin.set(Origin(Actor.NOBODY, g.request_id, (request.remote_addr or "-")[:45]))
    rule = request.url_rule.rule if request.url_rule else ""
    if rule not in TAKES_FILES and not rule.endswith("/files"):
        request.max_content_length = FORM_LIMIT
    if "\0" in request.path or "\0" in unquote(request.query_string.decode("latin-1")):
        raise AddressMalformed


def _end(response: Response) -> Response:
    """The rule, never the path or query: they can hold an id that names somebody."""
    response.headers["X-Request-ID"] = g.get("request_id", "-")
    took = 1000 * (time.monotonic() - g.get("began", time.monotonic()))
    rule = request.url_rule.rule if request.url_rule else "-"
    log.info("%s %s %d %.0f ms", request.method, rule, response.status_code, took)
    return response


def _forget(_error: BaseException | None) -> None:
    """What the thread logs next is no longer about this request."""
    request_id.set("-")
    origin.set(Origin())
