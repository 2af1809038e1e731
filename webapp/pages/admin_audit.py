"""The audit, for administrators: searched, and taken away as a file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from flask import Blueprint, Response, render_template, request, stream_with_context, url_for

from webapp.audit_export import FORMS
from webapp.errors import NotFound
from webapp.guards import caller
from webapp.pages.guards import for_admins
from webapp.services import audit, audit_search
from webapp.services.audit import Action, Actor
from webapp.services.audit_search import Wanted

PAGE = 100
FIELDS = ("id", "request", "address", "action", "actor", "outcome", "from", "until")
WORDS = {Actor.PERSON: "a person", Actor.KEY: "an API key", Actor.OPERATOR: "an operator's command",
         Actor.SYSTEM: "the service itself", Actor.NOBODY: "nobody known"}  # fmt: skip

blueprint = Blueprint("pages_admin_audit", __name__)


@blueprint.get("/admin/audit")
@for_admins
def index() -> str | tuple[str, int]:
    """Events, newest first, narrowed by the address's query."""
    given = _given()
    try:
        wanted = _wanted(given)
    except ValueError:
        return _page(given, None, "An id has 32 hexadecimal digits."), 422
    cursor = request.args.get("cursor") or None
    page = audit_search.search(wanted, PAGE, cursor)
    audit.note(caller(), Action.AUDIT_SEARCH)
    return _page(given, page)


@blueprint.get("/admin/audit.<form>")
@for_admins
def export(form: str) -> Response:
    """The same events as a file: ``csv``, or ``dicom`` messages (PS3.15 A.5)."""
    written = FORMS.get(form)
    if written is None:
        raise NotFound
    try:
        wanted = _wanted(_given())
    except ValueError:
        raise NotFound from None
    audit.note(caller(), Action.AUDIT_EXPORT, facts={"form": form})
    pieces = stream_with_context(written.write(audit_search.every(wanted)))
    response = Response(pieces, mimetype=written.media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{written.file_name}"'
    response.cache_control.no_store = True
    return response


def _page(given: dict[str, str], page: object, wrong: str = "") -> str:
    return render_template(
        "admin/audit.html",
        page=page,
        given=given,
        wrong=wrong,
        actions=[(action.value, action.value) for action in Action],
        actors=[(actor.value, WORDS[actor]) for actor in Actor],
        words=WORDS,
        here=url_for(".index"),
    )


def _given() -> dict[str, str]:
    typed = {name: request.args.get(name, "").strip() for name in FIELDS}
    return {name: text for name, text in typed.items() if text and text.isprintable()}


def _wanted(given: dict[str, str]) -> Wanted:
    """Raises ValueError for an id that is none."""
    until = _day(given.get("until"))
    return Wanted(
        id=UUID(given["id"]) if "id" in given else None,
        request_id=given.get("request"),
        address=given.get("address"),
        action=given.get("action"),
        actor=given.get("actor"),
        failed=given.get("outcome") == "failed",
        since=_day(given.get("from")),
        until=until + timedelta(days=1) if until else None,
    )


def _day(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text or "", "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
