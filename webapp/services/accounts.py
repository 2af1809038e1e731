"""Frontends, their keys and users, and the people who log in."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Select, and_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.errors import NotFound, Rejected
from webapp.pipeline.pseudonyms import Pseudonyms
from webapp.services.context import context
from webapp.storage.database import reading, writing
from webapp.storage.keys import Keyring
from webapp.storage.models import ApiKey, EndUser, Frontend, Person, Role, now

NOBODY = ""
PEOPLE = "people"
SCOPES = ("read", "write", "admin")
SECRET_BYTES = 32
LAST_USED_EVERY = timedelta(minutes=1)
MIN_PASSWORD = 8

_hasher = PasswordHasher()


class PasswordTooShort(Rejected):
    """A new password has fewer than ``limit`` characters."""

    code = "password-too-short"


class AlreadyExists(Rejected):
    """The name or address is taken."""

    code = "already-exists"


@dataclass(frozen=True)
class Caller:
    """On whose behalf a request works, and what it may do.

    ``user`` is the frontend's end user that the call acts as; none for the
    whole frontend. ``end_user_id`` owns what the call uploads: that user's, or
    the frontend's nobody's; none for a user never seen before.
    """

    frontend_id: UUID
    user: str | None = None
    end_user_id: UUID | None = None
    scopes: frozenset[str] = frozenset()
    role: Role | None = None
    person_id: UUID | None = None

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN or "admin" in self.scopes

    @property
    def sees_all(self) -> bool:
        """An administrator who does not act as one user."""
        return self.is_admin and (self.user is None or self.person_id is not None)

    def as_owner(self) -> Caller:
        """The caller without its powers: an administrator's own gallery is not everybody's."""
        return replace(self, role=None, scopes=frozenset())

    @property
    def may_review(self) -> bool:
        return self.is_admin or self.role is Role.REVIEWER or "review" in self.scopes


def authenticate_key(raw: str, user: str | None) -> Caller | None:
    """The caller that an API key stands for; none when it is unknown, expired or revoked."""
    sha256 = hashlib.sha256(raw.encode("utf-8", "replace")).digest()
    same_user = and_(
        EndUser.frontend_id == ApiKey.frontend_id,
        EndUser.external_id == (NOBODY if user is None else user),
    )
    query = select(ApiKey, EndUser.id).outerjoin(EndUser, same_user).where(ApiKey.sha256 == sha256)
    with reading(context().engine) as session:
        found = session.execute(query).one_or_none()
    if found is None:
        return None
    key, user_id = found
    if key.revoked_at or (key.expires_at and key.expires_at <= now()):
        return None
    _note_use(key)
    return Caller(key.frontend_id, user, user_id, frozenset(key.scopes.split()))


def _note_use(key: ApiKey) -> None:
    if key.last_used_at and now() - key.last_used_at < LAST_USED_EVERY:
        return
    with writing(context().engine) as session:
        session.merge(key).last_used_at = now()


def authenticate_person(email: str, password: str) -> Person | None:
    """The person with this address and password; none otherwise.

    Costs the same whether or not the address is known, so that nobody learns
    who has an account.
    """
    with reading(context().engine) as session:
        person = session.scalar(select(Person).where(Person.email == _normal(email)))
    matches = _matches(person.password_hash if person else _decoy(), password)
    if person is None or not matches or not person.active:
        return None
    with writing(context().engine) as session:
        session.merge(person).last_login_at = now()
    return person


def person(person_id: UUID) -> Person | None:
    """An active person by id."""
    with reading(context().engine) as session:
        found = session.get(Person, person_id)
    return found if found and found.active else None


def caller_of(person: Person) -> Caller:
    """What a person who is logged in may do."""
    scopes = frozenset({"read", "write"})
    frontend_id = people_frontend_id()
    role = Role(person.role)
    return Caller(frontend_id, str(person.id), person.end_user_id, scopes, role, person.id)


def people_frontend_id() -> UUID:
    """The frontend that the people who log in belong to."""
    with reading(context().engine) as session:
        found = session.scalar(select(Frontend.id).where(Frontend.of_people))
    if found is None:
        raise NotFound
    return found


def change_password(person_id: UUID, current: str, new: str) -> bool:
    """Set a new password; every other session of the person ends. False when ``current`` is wrong.

    Raises:
        PasswordTooShort: ``new`` has fewer than eight characters.
    """
    hashed = hash_password(new)
    with writing(context().engine) as session:
        found = session.get_one(Person, person_id)
        if not _matches(found.password_hash, current):
            return False
        found.password_hash = hashed
        found.session_epoch += 1
    return True


def create_person(email: str, password: str, role: Role = Role.CLINICIAN) -> UUID:
    """Somebody who can log in.

    Raises:
        AlreadyExists: the address is taken.
        PasswordTooShort: fewer than eight characters.
    """
    hashed = hash_password(password)
    person_id, end_user_id = uuid4(), uuid4()
    try:
        with writing(context().engine) as session:
            people = session.scalars(select(Frontend.id).where(Frontend.of_people)).one()
            session.add(EndUser(id=end_user_id, frontend_id=people, external_id=str(person_id)))
            session.flush()
            session.add(
                Person(
                    id=person_id,
                    email=_normal(email),
                    password_hash=hashed,
                    role=role,
                    end_user_id=end_user_id,
                )
            )
    except IntegrityError:
        raise AlreadyExists from None
    return person_id


def create_key(name: str, scopes: tuple[str, ...], raw: str | None = None) -> str:
    """A key for frontend ``name``, which is made when it is new; the key itself, once."""
    raw = raw or secrets.token_urlsafe(SECRET_BYTES)
    with writing(context().engine) as session:
        frontend_id = session.scalar(select(Frontend.id).where(Frontend.name == name))
        session.add(
            ApiKey(
                frontend_id=frontend_id or add_frontend(session, name),
                prefix=raw[:8],
                sha256=hashlib.sha256(raw.encode()).digest(),
                scopes=" ".join(dict.fromkeys(scopes)),
            )
        )
    return raw


def add_frontend(session: Session, name: str, *, of_people: bool = False) -> UUID:
    """A new owner, with its random pseudonym secret and its nobody."""
    frontend_id = uuid4()
    secret = secrets.token_bytes(SECRET_BYTES)
    key_id, wrapped = context().keyring.wrap(secret, secret_aad(frontend_id))
    session.add(
        Frontend(
            id=frontend_id, name=name, of_people=of_people, secret=wrapped, secret_key_id=key_id
        )
    )
    session.flush()
    session.add(EndUser(frontend_id=frontend_id, external_id=NOBODY))
    session.flush()
    return frontend_id


def secret_aad(frontend_id: UUID) -> bytes:
    """What binds a wrapped pseudonym secret to its frontend."""
    return b"frontend:" + frontend_id.bytes


def pseudonyms_of(frontend_id: UUID) -> Pseudonyms:
    """The keyed pseudonyms of one owner."""
    return _pseudonyms(context().keyring, frontend_id)


@lru_cache(maxsize=256)
def _pseudonyms(keyring: Keyring, frontend_id: UUID) -> Pseudonyms:
    """Cached: the secret never changes, and each Pseudonyms remembers the UIDs it mapped."""
    with reading(context().engine) as session:
        frontend = session.get_one(Frontend, frontend_id)
    aad = secret_aad(frontend_id)
    return Pseudonyms(keyring.unwrap(frontend.secret_key_id, frontend.secret, aad))


def end_user(session: Session, caller: Caller) -> UUID:
    """The end user that a write belongs to, made when it is new."""
    found = known_user(session, caller)
    if found:
        return found
    name = NOBODY if caller.user is None else caller.user
    try:
        with session.begin_nested():
            user = EndUser(id=uuid4(), frontend_id=caller.frontend_id, external_id=name)
            session.add(user)
        return user.id
    except IntegrityError:
        return session.scalars(_user_query(caller.frontend_id, name)).one()


def known_user(session: Session, caller: Caller) -> UUID | None:
    """The end user that a call acts as; none for one never seen before."""
    if caller.end_user_id:
        return caller.end_user_id
    return _find_user(session, caller.frontend_id, NOBODY if caller.user is None else caller.user)


def _find_user(session: Session, frontend_id: UUID, external_id: str) -> UUID | None:
    return session.scalar(_user_query(frontend_id, external_id))


def _user_query(frontend_id: UUID, external_id: str) -> Select[UUID]:
    return select(EndUser.id).where(
        EndUser.frontend_id == frontend_id, EndUser.external_id == external_id
    )


def hash_password(password: str) -> str:
    """Argon2id. Raises PasswordTooShort below eight characters."""
    if len(password) < MIN_PASSWORD:
        raise PasswordTooShort(limit=MIN_PASSWORD)
    return _hasher.hash(password)


def _matches(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


@lru_cache(maxsize=1)
def _decoy() -> str:
    return _hasher.hash(secrets.token_urlsafe())


def _normal(email: str) -> str:
    return email.strip().casefold()
