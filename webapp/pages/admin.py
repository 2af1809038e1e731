"""What administrators see: what needs somebody first, then the numbers."""

from __future__ import annotations

from flask import Blueprint, render_template

from webapp.guards import caller
from webapp.pages.charts import bars
from webapp.pages.guards import for_admins
from webapp.pages.wording import STATES
from webapp.services import library
from webapp.services.overview import overview

blueprint = Blueprint("pages_admin", __name__)


@blueprint.get("/admin")
@for_admins
def index() -> str:
    """Totals by state, as a chart and as its table."""
    numbers = overview(caller())
    rows = [(STATES[status], count, status.value) for status, count in numbers.by_status.items()]
    return render_template(
        "admin/index.html", numbers=numbers, chart=bars(rows), stats=library.stats(caller())
    )
