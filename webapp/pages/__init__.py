"""The pages people see: server-rendered, whole without a script, quicker with one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Flask, redirect, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from webapp.extensions import login_manager
from webapp.pages import (
    account,
    admin,
    admin_audit,
    admin_keys,
    admin_people,
    admin_retention,
    auth,
    batches,
    kinds,
    profile,
    review,
    selection,
    sending,
    studies,
    uploads,
)
from webapp.pages.account import chosen_appearance
from webapp.pages.advice import explain
from webapp.pages.htmx import CONFIG
from webapp.pages.people import init_people
from webapp.pages.wording import init_wording

PRODUCT = "Intake"
ADMINISTRATION = (admin, admin_people, admin_keys, admin_audit, admin_retention)
BLUEPRINTS = (auth, account, uploads, sending, batches, studies, selection, review, kinds, profile)


@dataclass(frozen=True)
class Item:
    """An entry of the main navigation."""

    label: str
    href: str
    here: bool


def init_app(app: Flask) -> None:
    """Give ``app`` its pages, the words they use and the people who log in."""
    init_people(login_manager)
    init_wording(app)
    app.context_processor(_context)
    for module in (*BLUEPRINTS, *ADMINISTRATION):
        app.register_blueprint(module.blueprint)


def home() -> Response:
    """Where a browser that asks for nothing in particular goes."""
    return redirect(url_for("pages_uploads.new"), 303)


def _context() -> dict[str, Any]:
    return {
        "product": PRODUCT,
        "htmx_config": CONFIG,
        "appearance": chosen_appearance(),
        "navigation": _navigation,
        "explain": explain,
    }


def _navigation() -> list[Item]:
    caller = current_user.caller()
    items = [
        ("Upload", "pages_uploads.new", True),
        ("Batches", "pages_batches.index", True),
        ("Gallery", "pages_studies.index", True),
        ("Review", "pages_review.index", caller.may_review),
        ("Admin", "pages_admin.index", caller.is_admin),
    ]
    return [
        Item(label, url_for(endpoint), _is_here(endpoint))
        for label, endpoint, shown in items
        if shown
    ]


def _is_here(endpoint: str) -> bool:
    """Administration has pages of its own; everything else is one."""
    of_admins = endpoint == "pages_admin.index"
    if of_admins and request.blueprint:
        return request.blueprint.startswith("pages_admin")
    return request.endpoint == endpoint
