"""Keys of frontends, as administrators manage them: made, rotated, revoked.

A rotated key stays valid beside its successor for a while, so that a caller
can change over without a gap; a revoked one ends with the next request.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.errors import NotFound, Rejected
from webapp.services import audit
from webapp.services.accounts import SECRET_BYTES, Caller, add_key
from webapp.services.audit import Action, Object
from webapp.services.context import context
from webapp.storage.database import reading, writing
from webapp.storage.models import ApiKey, Frontend, now

GRACE_DAYS = 7


class KeyNotValid(Rejected):
    """The key is revoked or has run out, so it cannot be rotated."""

    code = "key-not-valid"


class KeyState(StrEnum):
    """Whether a key opens anything."""

    VALID = "valid"
    ENDING = "ending"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True)
class KeyRecord:
    """A key as an administrator sees it: its beginning, never the whole."""

    key_id: UUID
    frontend_id: UUID
    frontend: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    @property
    def state(self) -> KeyState:
        if self.revoked_at:
            return KeyState.REVOKED
        if self.expires_at is None:
            return KeyState.VALID
        return KeyState.ENDING if self.expires_at > now() else KeyState.EXPIRED

    @property
    def valid(self) -> bool:
        return self.state in (KeyState.VALID, KeyState.ENDING)


def every_key() -> list[KeyRecord]:
    """All keys of all frontends, the newest of each first."""
    query = (
        select(ApiKey, Frontend.name)
        .join(Frontend, Frontend.id == ApiKey.frontend_id)
        .order_by(Frontend.name, ApiKey.created_at.desc())
    )
    with reading(context().engine) as session:
        return [_record(key, name) for key, name in session.execute(query)]


def get(key_id: UUID) -> KeyRecord:
    """One key. Raises NotFound."""
    with reading(context().engine) as session:
        key, name = _find(session, key_id)
        return _record(key, name)


def by_prefix(prefix: str) -> UUID:
    """The valid key that begins so, where it is only one. Raises NotFound."""
    found = [key for key in every_key() if key.valid and key.prefix == prefix[:8]]
    if len(found) != 1:
        raise NotFound
    return found[0].key_id


def rotate(key_id: UUID, grace_days: int = GRACE_DAYS, by: Caller | None = None) -> str:
    """A new key of the same frontend, with the same scopes and lifetime, shown once.

    The old one goes on for ``grace_days``, or to its own earlier end.

    Raises:
        NotFound: there is no such key.
        KeyNotValid: it is revoked or has run out.
    """
    raw = secrets.token_urlsafe(SECRET_BYTES)
    ends = now() + timedelta(days=grace_days)
    with writing(context().engine) as session:
        key, name = _find(session, key_id)
        if not _record(key, name).valid:
            raise KeyNotValid
        lifetime = key.expires_at - key.created_at if key.expires_at else None
        key.expires_at = min(key.expires_at, ends) if key.expires_at else ends
        audit.write(session, by, Action.KEY_ROTATE, Object("key", key_id))
        new_end = now() + lifetime if lifetime else None
        add_key(session, key.frontend_id, raw, key.scopes.split(), new_end, by)
    return raw


def revoke(key_id: UUID, by: Caller | None = None) -> None:
    """End a key with its next request; once more changes nothing. Raises NotFound."""
    with writing(context().engine) as session:
        key, _ = _find(session, key_id)
        if key.revoked_at is None:
            key.revoked_at = now()
            audit.write(session, by, Action.KEY_REVOKE, Object("key", key_id))


def _find(session: Session, key_id: UUID) -> tuple[ApiKey, str]:
    query = select(ApiKey, Frontend.name).join(Frontend, Frontend.id == ApiKey.frontend_id)
    found = session.execute(query.where(ApiKey.id == key_id).with_for_update(of=ApiKey))
    row = found.one_or_none()
    if row is None:
        raise NotFound
    return row[0], row[1]


def _record(key: ApiKey, name: str) -> KeyRecord:
    return KeyRecord(
        key_id=key.id,
        frontend_id=key.frontend_id,
        frontend=name,
        prefix=key.prefix,
        scopes=tuple(key.scopes.split()),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )
