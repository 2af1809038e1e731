"""Frontends, their keys and users, and the people who log in."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Select, and_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.errors import NotFound, Rejected, Unavailable
from webapp.pipeline.pseudonyms import Pseudonyms
from webapp.services import audit
from webapp.services.audit import Action, Object
from webapp.services.context import context
from webapp.storage.database import reading, writing
from webapp.storage.keys import Keyring
from webapp.storage.models import ApiKey, EndUser, Frontend, Person, Role, now

NOBODY = ""
PEOPLE = "people"
SCOPES = ("read", "write", "review", "admin")
SECRET_BYTES = 32
LAST_USED_EVERY = timedelta(minutes=1)
MIN_PASSWORD = 8

log = logging.getLogger(__name__)
_hasher = PasswordHasher()
_hashing = threading.BoundedSemaphore(4)
"""Each password costs 64 MB while it is hashed: hundreds at once must not."""
_decoy_made = threading.Lock()


class PasswordTooShort(Rejected):
    """A new password has fewer than ``limit`` characters."""

    code = "password-too-short"


class AlreadyExists(Rejected):
    """The name or address is taken."""

    code = "already-exists"


class NoLongerValid(Rejected):
    """The key or account was valid when the request began, and has ended since."""

    code = "unauthorized"


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
    key_id: UUID | None = None

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
    if not _is_valid(key):
        return None
    _note_use(key)
    scopes = frozenset(key.scopes.split())
    return Caller(key.frontend_id, user, user_id, scopes, key_id=key.id)


def _is_valid(key: ApiKey) -> bool:
    return not key.revoked_at and not (key.expires_at and key.expires_at <= now())


def _check_still_valid(session: Session, caller: Caller) -> None:
    """A body may be hours on its way: what ended meanwhile gets nothing stored."""
    key = session.get(ApiKey, caller.key_id) if caller.key_id else None
    person = session.get(Person, caller.person_id) if caller.person_id else None
    if caller.key_id and not (key and _is_valid(key)):
        raise NoLongerValid
    if caller.person_id and not (person and person.active):
        raise NoLongerValid


def _note_use(key: ApiKey) -> None:
    if key.last_used_at and now() - key.last_used_at < LAST_USED_EVERY:
        return
    used = update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=now())
    try:
        with writing(context().engine) as session:
            session.execute(used)
    except Unavailable as error:  # a full disk must keep nobody from reading
        log.warning("the use of a key could not be noted: %s", error.code)


def authenticate_person(email: str, password: str) -> Person | None:
    """The person with this address and password; none otherwise.

    Costs the same whether or not the address is known, so that nobody learns
    who has an account.
    """
    with reading(context().engine) as session:
        person = session.scalar(select(Person).where(Person.email == normal_email(email)))
    matches = _matches(person.password_hash if person else _decoy(), password)
    if person is None or not matches or not person.active:
        about = Object("person", person.id) if person else None
        audit.note(None, Action.PERSON_LOG_IN, about, outcome="unauthorized")
        return None
    with writing(context().engine) as session:
        session.execute(update(Person).where(Person.id == person.id).values(last_login_at=now()))
        audit.write(session, _acting(session, person), Action.PERSON_LOG_IN)
    return person


def _acting(session: Session, person: Person) -> Caller:
    frontend_id = session.scalars(select(Frontend.id).where(Frontend.of_people)).one()
    return _caller(person, frontend_id)


def person(person_id: UUID) -> Person | None:
    """An active person by id."""
    with reading(context().engine) as session:
        found = session.get(Person, person_id)
    return found if found and found.active else None


def caller_of(person: Person) -> Caller:
    """What a person who is logged in may do."""
    return _caller(person, people_frontend_id())


def _caller(person: Person, frontend_id: UUID) -> Caller:
    scopes = frozenset({"read", "write"})
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
    with reading(context().engine) as session:
        before = session.get_one(Person, person_id).password_hash
    if not _matches(before, current):
        return False
    with writing(context().engine) as session:
        found = session.get_one(Person, person_id)
        if found.password_hash != before:
            return False  # somebody else changed it at the same moment
        found.password_hash = hashed
        found.session_epoch += 1
        audit.write(session, _acting(session, found), Action.PERSON_PASSWORD)
    return True


def create_person(
    email: str, password: str, role: Role = Role.CLINICIAN, by: Caller | None = None
) -> UUID:
    """Somebody who can log in. ``by`` is the administrator who makes the account.

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
                    email=normal_email(email),
                    password_hash=hashed,
                    role=role,
                    end_user_id=end_user_id,
                )
            )
            about = Object("person", person_id)
            audit.write(session, by, Action.PERSON_CREATE, about, facts={"role": role})
    except IntegrityError:
        raise AlreadyExists from None
    return person_id


def create_key(
    name: str,
    scopes: tuple[str, ...],
    raw: str | None = None,
    *,
    expires_at: datetime | None = None,
    by: Caller | None = None,
) -> str:
    """A key for frontend ``name``, which is made when it is new; the key itself, once.

    Raises:
        AlreadyExists: the name is the people's own, or somebody else makes the frontend, or
            this very key, at the same moment.
    """
    raw = raw or secrets.token_urlsafe(SECRET_BYTES)
    try:
        with writing(context().engine) as session:
            owner = session.scalar(select(Frontend).where(Frontend.name == name))
            if owner is not None and owner.of_people:
                raise AlreadyExists  # people log in; a key must never speak for all of them
            frontend_id = owner.id if owner else None
            if frontend_id is None:
                frontend_id = add_frontend(session, name)
                about = Object("frontend", frontend_id)
                audit.write(session, by, Action.FRONTEND_CREATE, about)
            add_key(session, frontend_id, raw, scopes, expires_at, by)
    except IntegrityError:
        raise AlreadyExists from None
    return raw


def add_key(
    session: Session,
    frontend_id: UUID,
    raw: str,
    scopes: Iterable[str],
    expires_at: datetime | None,
    by: Caller | None,
) -> None:
    """The row of a key, whose own text is kept nowhere."""
    key = ApiKey(
        id=uuid4(),
        frontend_id=frontend_id,
        prefix=raw[:8],
        sha256=hashlib.sha256(raw.encode()).digest(),
        scopes=" ".join(dict.fromkeys(scopes)),
        expires_at=expires_at,
    )
    session.add(key)
    session.flush()
    about = (Object("key", key.id), Object("frontend", frontend_id))
    audit.write(session, by, Action.KEY_CREATE, *about, facts={"scopes": key.scopes})


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
    """The end user that a write belongs to, made when it is new.

    Raises:
        NoLongerValid: the caller's key or account has ended since the request began.
    """
    _check_still_valid(session, caller)
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
    with _hashing:
        return _hasher.hash(password)


def _matches(hashed: str, password: str) -> bool:
    try:
        with _hashing:
            return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def _decoy() -> str:
    with _decoy_made:  # a cache alone would let every first caller make one
        return _made_decoy()


@lru_cache(maxsize=1)
def _made_decoy() -> str:
    return hash_password(secrets.token_urlsafe())


def normal_email(email: str) -> str:
    """An address as it is stored and compared."""
    return email.strip().casefold()
