"""What is done to every file, in words that are generated from the rules themselves."""

from __future__ import annotations

from flask import Blueprint, current_app, render_template

from webapp.config import Settings
from webapp.guards import public
from webapp.pipeline.deidentify import parse_profile
from webapp.pipeline.deidentify.describe import ACTIONS, BEYOND_THE_TABLE, action, describe
from webapp.pipeline.deidentify.table import table_e1_1

blueprint = Blueprint("pages_profile", __name__)


@blueprint.get("/de-identification")
@public
def show() -> str:
    """The profile in force: its options, what it does beyond the table, and every row."""
    settings: Settings = current_app.config["SETTINGS"]
    profile = parse_profile(settings.deid_profile)
    rows = [(row.tag, row.name, action(row, profile)) for row in table_e1_1().values()]
    return render_template(
        "about/profile.html",
        profile=profile,
        text=describe(profile),
        beyond=BEYOND_THE_TABLE,
        actions=ACTIONS,
        rows=rows,
    )
