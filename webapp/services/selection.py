"""What a person does to many uploads at once: keep, no longer keep, delete, take back.

Only ever to one's own: an administrator's gallery is not everybody's. All of a choice
is done, or nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.errors import NotFound
from webapp.services import audit
from webapp.services.accounts import Caller
from webapp.services.audit import Action, Object
from webapp.services.context import context
from webapp.services.export import distinct
from webapp.services.library import visible, visible_uploads
from webapp.storage.database import changed, reading, writing
from webapp.storage.models import Status, Upload, now

_AT_ONCE = 500


@dataclass(frozen=True)
class Choice:
    """Uploads that were chosen: which can be downloaded, and how many of each other state."""

    ready: Sequence[UUID]
    others: dict[Status, int]


def look(caller: Caller, upload_ids: Iterable[UUID]) -> Choice:
    """What a choice holds.

    Raises:
        NotFound: one of them is absent, or somebody else's.
        SelectionEmpty, SelectionTooLarge: as :func:`webapp.services.export.distinct`.
    """
    chosen = distinct(upload_ids)
    query = select(Upload.id, Upload.status).where(visible_uploads(caller.as_owner()))
    with reading(context().engine) as session:
        found = {
            upload_id: Status(status)
            for some in _parts(chosen)
            for upload_id, status in session.execute(query.where(Upload.id.in_(some)))
        }
    if len(found) < len(chosen):
        raise NotFound
    states = [found[upload_id] for upload_id in chosen]
    ready = [one for one, state in zip(chosen, states, strict=True) if state is Status.COMPLETED]
    others = {state: states.count(state) for state in dict.fromkeys(states)}
    others.pop(Status.COMPLETED, None)
    return Choice(ready, others)


def save(caller: Caller, upload_ids: Iterable[UUID], *, saved: bool) -> int:
    """Put uploads into the caller's collection, or take them out of it; how many were chosen.

    Repeating it changes nothing: what is saved already keeps the time it was saved at.

    Raises:
        As :func:`look`.
    """
    action = Action.UPLOAD_SAVE if saved else Action.UPLOAD_UNSAVE
    with writing(context().engine) as session:
        chosen = _owned(session, caller, upload_ids)
        for some in _parts(chosen):
            of_these = update(Upload).where(Upload.id.in_(some))
            if saved:
                of_these = of_these.where(Upload.saved_at.is_(None))
            session.execute(of_these.values(saved_at=now() if saved else None))
        audit.write(session, caller, action, *_objects(chosen))
    return len(chosen)


def hide(caller: Caller, upload_ids: Iterable[UUID]) -> datetime:
    """Delete, with half a minute to think it over; the moment, which names what was deleted.

    Raises:
        As :func:`look`.
    """
    moment = now()
    with writing(context().engine) as session:
        chosen = _owned(session, caller, upload_ids)
        for some in _parts(chosen):
            hiding = update(Upload).where(Upload.id.in_(some)).values(hidden_at=moment)
            session.execute(hiding)
        audit.write(session, caller, Action.UPLOAD_DELETE, *_objects(chosen))
    return moment


def hidden(caller: Caller, moment: datetime) -> list[UUID]:
    """What the caller deleted at this moment, and is not destroyed yet."""
    with reading(context().engine) as session:
        return _hidden(session, caller, moment)


def unhide(caller: Caller, moment: datetime) -> int:
    """Take back what was deleted at this moment; how many are there again.

    What was sent anew meanwhile stays deleted: the same file is not kept twice.

    Raises:
        NotFound: too late for all of them.
    """
    with writing(context().engine) as session:
        back = [one for one in _hidden(session, caller, moment) if _unhidden(session, one)]
        if not back:
            raise NotFound
        audit.write(session, caller, Action.UPLOAD_RESTORE, *_objects(back))
    return len(back)


def _hidden(session: Session, caller: Caller, moment: datetime) -> list[UUID]:
    mine = visible(caller.as_owner(), Upload)
    return list(session.scalars(select(Upload.id).where(mine, Upload.hidden_at == moment)))


def _unhidden(session: Session, upload_id: UUID) -> bool:
    back = update(Upload).where(Upload.id == upload_id, Upload.hidden_at.is_not(None))
    try:
        with session.begin_nested():
            return changed(session, back.values(hidden_at=None)) == 1
    except IntegrityError:
        return False


def _owned(session: Session, caller: Caller, upload_ids: Iterable[UUID]) -> list[UUID]:
    chosen = distinct(upload_ids)
    mine = select(Upload.id).where(visible_uploads(caller.as_owner()))
    found = [
        one for some in _parts(chosen) for one in session.scalars(mine.where(Upload.id.in_(some)))
    ]
    if len(found) < len(chosen):
        raise NotFound
    return found


def _parts(chosen: Sequence[UUID]) -> Iterable[Sequence[UUID]]:
    """A database takes only so many values in one statement."""
    return (chosen[start : start + _AT_ONCE] for start in range(0, len(chosen), _AT_ONCE))


def _objects(chosen: Iterable[UUID]) -> tuple[Object, ...]:
    return tuple(Object("upload", upload_id) for upload_id in chosen)
