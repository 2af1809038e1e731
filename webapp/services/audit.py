"""Who did, or failed to do, what: one row an act, and never a patient's data.

What changes something is recorded by :func:`write` in the act's own
transaction: both are there or neither. What changes nothing (a picture that
was looked at, a refused log-in) has no transaction; :func:`note` writes it
before the answer begins, all that wait at that moment in one. Its commit does
not wait for the disk: it survives the death of any process at any moment, and
a loss of power as soon as anything else was committed, which the sealer does
every two seconds.
"""

from __future__ import annotations

import logging
import threading
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from webapp.services.context import context
from webapp.storage.admin_models import AuditEvent
from webapp.storage.database import writing_relaxed
from webapp.storage.errors import StorageFull
from webapp.storage.models import now

if TYPE_CHECKING:
    from webapp.services.accounts import Caller

log = logging.getLogger(__name__)

OK = "ok"
MOST_KEPT = 100_000
NEW = insert(AuditEvent.__table__)  # type: ignore[arg-type]  # past the ORM: half the time
Row = dict[str, Any]


class Action(StrEnum):
    """What was done, or tried."""

    UPLOAD_CREATE = "upload.create"
    UPLOAD_VIEW = "upload.view"
    UPLOAD_DOWNLOAD = "upload.download"
    UPLOAD_PICTURE = "upload.picture"
    UPLOAD_SAVE = "upload.save"
    UPLOAD_UNSAVE = "upload.unsave"
    UPLOAD_DELETE = "upload.delete"
    UPLOAD_RESTORE = "upload.restore"
    UPLOAD_DESTROY = "upload.destroy"
    UPLOAD_EXPIRE = "upload.expire"
    BATCH_CREATE = "batch.create"
    BATCH_ADD = "batch.add"
    BATCH_CLOSE = "batch.close"
    BATCH_CANCEL = "batch.cancel"
    BATCH_RETRY = "batch.retry"
    BATCH_VIEW = "batch.view"
    PERSON_LOG_IN = "person.log-in"
    PERSON_LOG_OUT = "person.log-out"
    PERSON_CREATE = "person.create"
    PERSON_ROLE = "person.role"
    PERSON_ACTIVATE = "person.activate"
    PERSON_DEACTIVATE = "person.deactivate"
    PERSON_PASSWORD = "person.password"
    PERSON_RESET = "person.reset"
    FRONTEND_CREATE = "frontend.create"
    KEY_CREATE = "key.create"
    KEY_ROTATE = "key.rotate"
    KEY_REVOKE = "key.revoke"
    KEY_REFUSED = "key.refused"
    MASTER_KEY_ROTATE = "master-key.rotate"
    MASTER_KEY_RETIRE = "master-key.retire"
    RETENTION_SET = "retention.set"
    RETENTION_REMOVE = "retention.remove"
    AUDIT_SEARCH = "audit.search"
    AUDIT_EXPORT = "audit.export"
    COUNTERS_REBUILD = "counters.rebuild"
    REQUEST = "request"


class Actor(StrEnum):
    """What kind of somebody acted."""

    PERSON = "person"
    KEY = "key"
    OPERATOR = "operator"
    SYSTEM = "system"
    NOBODY = "nobody"


@dataclass(frozen=True)
class Origin:
    """Where an act comes from: a request, a command or the service itself."""

    actor: Actor = Actor.SYSTEM
    request_id: str = "-"
    address: str = "-"


@dataclass(frozen=True)
class Object:
    """What an act was about: ``upload``, ``batch``, ``person``, ``key``, ``frontend``."""

    kind: str
    id: UUID


SERVICE = Origin()
origin: ContextVar[Origin] = ContextVar("origin", default=SERVICE)
"""Set when a request or command begins; the service's own acts need none."""


def write(
    session: Session,
    caller: Caller | None,
    action: Action,
    *about: Object,
    outcome: str = OK,
    facts: Row | None = None,
) -> None:
    """Record an act in its own transaction: a row for each object, or one without any."""
    session.execute(NEW, rows(caller, action, about, outcome, facts))


def note(
    caller: Caller | None,
    action: Action,
    about: Object | None = None,
    *,
    outcome: str = OK,
    facts: Row | None = None,
) -> None:
    """Record, before it is answered, what has no transaction of its own.

    Raises:
        DatabaseUnavailable: it could not be recorded, so it must not happen.
    """
    objects = (about,) if about else ()
    context().notes.write(rows(caller, action, objects, outcome, facts))


def rows(
    caller: Caller | None,
    action: Action,
    about: tuple[Object, ...],
    outcome: str,
    facts: Row | None,
) -> list[Row]:
    """The rows of an act, in the words of the table."""
    came = origin.get()
    common = {
        "at": now(),
        "request_id": came.request_id,
        "address": came.address,
        "action": action,
        "outcome": outcome,
        "facts": facts,
        **_actor(caller, came),
    }
    return [
        {**common, "object_kind": one.kind if one else None, "object_id": one.id if one else None}
        for one in about or (None,)
    ]


def _actor(caller: Caller | None, came: Origin) -> Row:
    if caller is None:
        return {
            "actor": came.actor, "actor_id": None, "frontend_id": None, "end_user_id": None
        }  # fmt: skip
    by_person = caller.person_id is not None
    return {
        "actor": Actor.PERSON if by_person else Actor.KEY,
        "actor_id": caller.person_id if by_person else caller.key_id,
        "frontend_id": caller.frontend_id,
        "end_user_id": caller.end_user_id,
    }


class Ticket:
    """The rows that one request waits for."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.written = False


class Notes:
    """Rows that are written in one transaction for all who wait at that moment.

    Whoever comes first writes for everybody; those who come meanwhile make up
    the next transaction.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._guard = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: list[Ticket] = []

    def write(self, rows: list[Row]) -> None:
        """Return once the rows are committed; see :func:`note`."""
        ticket = Ticket(rows)
        with self._guard:
            self._waiting.append(ticket)
        with self._turn:
            if not ticket.written:
                self._write_all(ticket)

    def _write_all(self, ours: Ticket) -> None:
        with self._guard:
            tickets, self._waiting = self._waiting, []
        try:
            with writing_relaxed(self._engine) as connection:
                connection.execute(NEW, [row for each in tickets for row in each.rows])
        except StorageFull:
            # Reading must go on while the disk is full: the next note writes these too.
            log.error("the disk is full: %d audit events wait in memory", len(tickets))
            self._put_back(tickets)
        except BaseException:
            self._put_back([ticket for ticket in tickets if ticket is not ours])
            raise
        else:
            for ticket in tickets:
                ticket.written = True

    def _put_back(self, tickets: list[Ticket]) -> None:
        with self._guard:
            self._waiting = (tickets + self._waiting)[-MOST_KEPT:]
