"""What is held until a person has looked at it."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from webapp.guards import caller
from webapp.pages.guards import for_reviewers
from webapp.services import library
from webapp.services.library import Filters
from webapp.storage.models import Status

PAGE = 50

blueprint = Blueprint("pages_review", __name__)


@blueprint.get("/review")
@for_reviewers
def index() -> str:
    """The held files, newest first."""
    cursor = request.args.get("cursor") or None
    page = library.uploads(caller(), PAGE, cursor, Filters(status=Status.HELD))
    return render_template("review/index.html", page=page)
