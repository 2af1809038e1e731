"""The people who log in, as administrators manage them.

One administrator always stays: every act that could take the last one away
first locks the rows of all, so that two such acts at once cannot both succeed.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.errors import NotFound, Rejected
from webapp.services import audit
from webapp.services.accounts import Caller, hash_password, normal_email
from webapp.services.audit import Action, Object
from webapp.services.context import context
from webapp.storage.database import reading, writing
from webapp.storage.models import Person, Role

PASSWORD_BYTES = 12


class LastAdministrator(Rejected):
    """Nobody could administer the service any more."""

    code = "last-administrator"


@dataclass(frozen=True)
class PersonRecord:
    """Somebody who logs in, as an administrator sees them."""

    person_id: UUID
    email: str
    role: Role
    active: bool
    created_at: datetime
    last_login_at: datetime | None


def everybody() -> list[PersonRecord]:
    """All accounts, by address."""
    with reading(context().engine) as session:
        return [_record(row) for row in session.scalars(select(Person).order_by(Person.email))]


def find(email: str) -> UUID:
    """The person with this address. Raises NotFound."""
    with reading(context().engine) as session:
        found = session.scalar(select(Person.id).where(Person.email == normal_email(email)))
    if found is None:
        raise NotFound
    return found


def get(person_id: UUID) -> PersonRecord:
    """One account. Raises NotFound."""
    with reading(context().engine) as session:
        found = session.get(Person, person_id)
    if found is None:
        raise NotFound
    return _record(found)


def set_role(person_id: UUID, role: Role, by: Caller | None = None) -> None:
    """Give a person another role, in force with their next request.

    Raises:
        NotFound: there is no such person.
        LastAdministrator: nobody else is an active administrator.
    """
    with writing(context().engine) as session:
        person = _lock(session, person_id, loses=role is not Role.ADMIN)
        person.role = role
        about = Object("person", person_id)
        audit.write(session, by, Action.PERSON_ROLE, about, facts={"role": role})


def deactivate(person_id: UUID, by: Caller | None = None) -> None:
    """Keep a person out: no log-in, and every session ends with its next request.

    Raises:
        NotFound: there is no such person.
        LastAdministrator: nobody else is an active administrator.
    """
    with writing(context().engine) as session:
        person = _lock(session, person_id, loses=True)
        person.active = False
        person.session_epoch += 1
        audit.write(session, by, Action.PERSON_DEACTIVATE, Object("person", person_id))


def activate(person_id: UUID, by: Caller | None = None) -> None:
    """Let a person in again. Raises NotFound."""
    with writing(context().engine) as session:
        _lock(session, person_id, loses=False).active = True
        audit.write(session, by, Action.PERSON_ACTIVATE, Object("person", person_id))


def reset_password(person_id: UUID, by: Caller | None = None) -> str:
    """A new password, shown once; every session of the person ends. Raises NotFound."""
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    hashed = hash_password(password)
    with writing(context().engine) as session:
        person = _lock(session, person_id, loses=False)
        person.password_hash = hashed
        person.session_epoch += 1
        audit.write(session, by, Action.PERSON_RESET, Object("person", person_id))
    return password


def _lock(session: Session, person_id: UUID, *, loses: bool) -> Person:
    """The person's row; ``loses`` where an administrator would be one no more."""
    administrators = select(Person.id).where(Person.role == Role.ADMIN, Person.active)
    others = session.scalars(administrators.order_by(Person.id).with_for_update()).all()
    person = session.get(Person, person_id, with_for_update=True)
    if person is None:
        raise NotFound
    if loses and list(others) == [person_id]:
        raise LastAdministrator
    return person


def _record(person: Person) -> PersonRecord:
    return PersonRecord(
        person_id=person.id,
        email=person.email,
        role=Role(person.role),
        active=person.active,
        created_at=person.created_at,
        last_login_at=person.last_login_at,
    )
