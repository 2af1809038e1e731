"""What one process of all does now and then, and when nothing may be removed.

A chore is a row that says when it is due: whoever moves that time on, by a
conditional update, does it. Nothing stays locked when a process is killed.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from sqlalchemy import select, update

from webapp.services.context import context
from webapp.storage.database import changed, reading, writing
from webapp.storage.models import Chore, now

HOLD = timedelta(minutes=15)
"""How long a backup that does not say so again may keep others from removing blobs."""


class Name(StrEnum):
    """The rows there are."""

    ORPHANS = "orphans"
    BACKUP = "backup"


def claim(name: Name, period: timedelta) -> bool:
    """Whether the chore is due and now ours; it is due again after ``period``."""
    moment = now()
    with reading(context().engine) as session:
        due_at = session.scalar(select(Chore.due_at).where(Chore.name == name))
    if due_at is None or due_at > moment:
        return False
    with writing(context().engine) as session:
        ours = update(Chore).where(Chore.name == name, Chore.due_at <= moment)
        return changed(session, ours.values(due_at=moment + period)) == 1


def move_on(name: Name, period: timedelta) -> None:
    """It is due after ``period`` from now, whoever claimed it."""
    with writing(context().engine) as session:
        session.execute(update(Chore).where(Chore.name == name).values(due_at=now() + period))


def hold_removals() -> None:
    """For a quarter of an hour, no bytes that a row named may be removed."""
    move_on(Name.BACKUP, HOLD)


def allow_removals() -> None:
    """The backup is over; what was not removed meanwhile is left to the sweep of orphans."""
    move_on(Name.BACKUP, timedelta(0))


def removals_held() -> bool:
    """Whether a backup runs. Ask after the rows are gone, and before the bytes go.

    A backup holds removals before it looks at the rows: whoever is told here
    that none runs removed rows that no backup has seen.
    """
    with reading(context().engine) as session:
        until = session.scalar(select(Chore.due_at).where(Chore.name == Name.BACKUP))
    return until is not None and until > now()
