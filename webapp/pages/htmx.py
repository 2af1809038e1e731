"""Whether a request wants the whole page or only its part."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, make_response, render_template, request

CONFIG = json.dumps(
    {
        # Inline styles and eval are refused by the policy, so htmx must not try.
        "includeIndicatorStyles": False,
        "allowEval": False,
        "selfRequestsOnly": True,
        # htmx would keep whole pages, with names of files, in the browser's storage.
        "historyCacheSize": 0,
        "refreshOnHistoryMiss": True,
        "scrollBehavior": "auto",
        "responseHandling": [
            {"code": "204", "swap": False},
            {"code": "[23]..", "swap": True},
            {"code": "[45]..", "swap": False, "error": True},
        ],
    }
)


def wants_part() -> bool:
    """True for a swap; going back through the history must get a whole page."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and "HX-History-Restore-Request" not in headers


def render(whole: str, part: str, **values: Any) -> Response:
    """``part`` for a swap, else ``whole``, which includes it."""
    response = make_response(render_template(part if wants_part() else whole, **values))
    response.vary.update(("HX-Request", "HX-History-Restore-Request", "Cookie"))
    return response
