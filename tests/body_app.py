"""A small app behind the body guard, for tests over real sockets and without."""

from __future__ import annotations

import json

from flask import Flask, request
from werkzeug.exceptions import HTTPException

from webapp.body import BodyGuard, SealingRequest
from webapp.errors import Rejected


def create_app() -> Flask:
    """Answers JSON: what was read, or ``{"code": ...}`` with status 400."""
    app = Flask(__name__)
    app.request_class = SealingRequest
    app.config["MAX_FORM_PARTS"] = 5000
    app.add_url_rule("/stream", view_func=_stream, methods=["POST"])
    app.add_url_rule("/data", view_func=_data, methods=["POST"])
    app.add_url_rule("/json", "json", lambda: {"json": request.get_json()}, methods=["POST"])
    app.add_url_rule("/form", view_func=_form, methods=["POST"])
    app.add_url_rule("/early", "early", lambda: ({"early": True}, 401), methods=["POST"])
    app.add_url_rule("/limited", view_func=_limited, methods=["POST"])
    app.register_error_handler(Rejected, lambda error: ({"code": error.code}, 400))
    app.register_error_handler(HTTPException, lambda error: ({"code": error.name}, error.code))
    return app


def _stream() -> dict[str, int]:
    size = 0
    while piece := request.stream.read(10_000):
        size += len(piece)
    return {"size": size}


def _data() -> dict[str, int]:
    return {"size": len(request.get_data())}


def _form() -> str:
    files = {part.filename: len(part.read()) for part in request.files.getlist("files")}
    return json.dumps({"fields": request.form.to_dict(), "files": files})


def _limited() -> dict[str, int]:
    request.max_content_length = 1000
    return {"size": len(request.get_data())}


plain = create_app()
app = BodyGuard(plain.wsgi_app)
impatient = BodyGuard(plain.wsgi_app, drain_bytes=1 << 20, drain_seconds=0.2)
