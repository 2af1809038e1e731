"""Finding audit events: by who, what, when, from where, and by request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from webapp.services.audit import OK
from webapp.services.context import context
from webapp.services.records import CursorInvalid, Page
from webapp.storage.admin_models import AuditEvent
from webapp.storage.database import reading
from webapp.storage.models import Person

SLICE = 1000


@dataclass(frozen=True)
class Wanted:
    """Which events; none of a field means any. ``id`` is any id of the event."""

    id: UUID | None = None
    request_id: str | None = None
    address: str | None = None
    action: str | None = None
    actor: str | None = None
    failed: bool = False
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Event:
    """An act as administrators see it. ``email`` of a person who acted, where still known."""

    id: int
    at: datetime
    request_id: str
    address: str
    actor: str
    actor_id: UUID | None
    email: str | None
    frontend_id: UUID | None
    end_user_id: UUID | None
    action: str
    object_kind: str | None
    object_id: UUID | None
    outcome: str
    facts: dict[str, Any] | None
    linked: bool


def search(wanted: Wanted, limit: int, cursor: str | None = None) -> Page[Event]:
    """A page of events, newest first.

    Raises:
        CursorInvalid: the cursor is not one of ours.
    """
    found = _newest_first(wanted, limit + 1, _decode(cursor))
    more = f"e{found[limit - 1].id}" if len(found) > limit else None
    return Page(found[:limit], more)


def every(wanted: Wanted) -> Iterator[Event]:
    """All events that are wanted, newest first, read a slice at a time."""
    before: int | None = None
    while True:
        found = _newest_first(wanted, SLICE, before)
        yield from found
        if len(found) < SLICE:
            return
        before = found[-1].id


def _newest_first(wanted: Wanted, limit: int, before: int | None) -> list[Event]:
    query = (
        select(AuditEvent, Person.email)
        .outerjoin(Person, Person.id == AuditEvent.actor_id)
        .where(*_conditions(wanted))
    )
    if before is not None:
        query = query.where(AuditEvent.id < before)
    with reading(context().engine) as session:
        rows = session.execute(query.order_by(AuditEvent.id.desc()).limit(limit)).all()
    return [_event(row, email) for row, email in rows]


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    equal: tuple[tuple[InstrumentedAttribute[str], str | None], ...] = (
        (AuditEvent.request_id, wanted.request_id),
        (AuditEvent.address, wanted.address),
        (AuditEvent.action, wanted.action),
        (AuditEvent.actor, wanted.actor),
    )
    conditions: list[ColumnElement[bool]] = [c == v for c, v in equal if v is not None]
    if wanted.id is not None:
        conditions.append(or_(AuditEvent.object_id == wanted.id, AuditEvent.actor_id == wanted.id))
    if wanted.failed:
        conditions.append(AuditEvent.outcome != OK)
    if wanted.since:
        conditions.append(AuditEvent.at >= wanted.since)
    if wanted.until:
        conditions.append(AuditEvent.at < wanted.until)
    return conditions


def _event(row: AuditEvent, email: str | None) -> Event:
    same = {
        name: getattr(row, name)
        for name in Event.__dataclass_fields__
        if name not in ("email", "linked")
    }
    return Event(email=email, linked=row.position is not None, **same)


def _decode(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.startswith("e") and cursor[1:].isascii() and cursor[1:].isdigit()):
        raise CursorInvalid
    return min(int(cursor[1:][:18]), 2**62)
