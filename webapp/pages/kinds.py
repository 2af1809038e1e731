"""What each error code means: the pages that a problem's ``type`` points to."""

from __future__ import annotations

from flask import Blueprint, render_template

from webapp.errors import NotFound
from webapp.guards import public
from webapp.problems import PROBLEMS

blueprint = Blueprint("pages_kinds", __name__)


@blueprint.get("/problems")
@public
def index() -> str:
    """Every code."""
    return render_template("errors/kinds.html", problems=PROBLEMS)


@blueprint.get("/problems/<code>")
@public
def show(code: str) -> str:
    """One code."""
    if code not in PROBLEMS:
        raise NotFound
    return render_template("errors/kinds.html", problems={code: PROBLEMS[code]})
