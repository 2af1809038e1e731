"""What administrators see: what needs somebody first, then the numbers."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request

from webapp import csv_export
from webapp.errors import NotFound
from webapp.pages.admin_needs import needs
from webapp.pages.admin_tables import TABLES
from webapp.pages.guards import for_admins
from webapp.services.statistics import BYS, By, statistics
from webapp.services.system import system

blueprint = Blueprint("pages_admin", __name__)


@blueprint.get("/admin")
@for_admins
def index() -> str:
    """The statistics, with a history by day, week or month (``?by=``)."""
    numbers, machines = statistics(_by()), system()
    return render_template(
        "admin/index.html",
        numbers=numbers,
        system=machines,
        needs=needs(numbers, machines),
        tables=[table(numbers) for table in TABLES.values()],
        bys=BYS,
    )


@blueprint.get("/admin/numbers/<name>.csv")
@for_admins
def numbers(name: str) -> Response:
    """One table of the page as CSV."""
    if name not in TABLES:
        raise NotFound
    table = TABLES[name](statistics(_by()))
    response = Response(csv_export.lines(table.head, table.rows), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response.cache_control.no_store = True
    return response


def _by() -> By:
    asked = request.args.get("by", "day")
    return next((by for by in BYS if by == asked), "day")
