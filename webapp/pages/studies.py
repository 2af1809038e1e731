"""The gallery: a person's own instances, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from webapp.guards import caller
from webapp.pages.groups import sheets
from webapp.pages.guards import for_people
from webapp.pages.htmx import render
from webapp.pages.wording import MODALITIES, STATES
from webapp.services import library
from webapp.services.library import Filters
from webapp.storage.models import Status

PAGE = 60
FIELDS = ("q", "status", "modality", "from", "until", "batch", "study", "saved")

blueprint = Blueprint("pages_studies", __name__)


@dataclass(frozen=True)
class Asked:
    """The filters of a gallery's address: as typed, and as the library wants them."""

    given: dict[str, str]
    filters: Filters

    def address(self, **more: str | None) -> str:
        """The gallery's address with these filters and ``more``."""
        query: dict[str, Any] = {**self.given, **more}
        return url_for("pages_studies.index", **query)


@blueprint.get("/gallery")
@for_people
def index() -> Response:
    """A page of the gallery; a swap with a cursor gets only what follows."""
    asked = _asked()
    cursor = request.args.get("cursor") or None
    owner = caller().as_owner()
    page = library.uploads(owner, PAGE, cursor, asked.filters)
    extents = library.extents(owner, page.items, asked.filters)
    values: dict[str, Any] = {
        "asked": asked,
        "page": page,
        "sheets": sheets(page.items, extents),
        "states": [(status.value, STATES[status]) for status in Status],
        "modalities": [(code, f"{code} · {name}") for code, name in MODALITIES.items()],
    }
    part = "studies/_rows.html" if "cursor" in request.args else "studies/_results.html"
    return render("studies/index.html", part, **values)


def _asked() -> Asked:
    given = {name: request.args[name] for name in FIELDS if request.args.get(name, "").strip()}
    status = given.get("status")
    until = _day(given.get("until"))
    filters = Filters(
        status=status if status in list(Status) else None,
        modality=given.get("modality"),
        batch_id=_id(given.get("batch")),
        study_instance_uid=given.get("study"),
        received_from=_day(given.get("from")),
        received_until=until + timedelta(days=1) if until else None,
        saved="saved" in given,
        number=given.get("q"),
    )
    return Asked(given, filters)


def _day(text: str | None) -> datetime | None:
    """Midnight (UTC) of a day as a date field sends it; none for anything else."""
    try:
        return datetime.strptime(text or "", "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def _id(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
