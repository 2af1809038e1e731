"""``Idempotency-Key``: a POST that is sent again gets the answer of the first.

The key belongs to the caller's user. It is remembered for a day, in the
transaction that writes what it made.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from webapp.errors import Rejected
from webapp.services import accounts
from webapp.services.accounts import Caller
from webapp.services.context import context
from webapp.storage.database import reading, writing
from webapp.storage.models import IdempotencyKey, now

REMEMBERED = timedelta(days=1)


class IdempotencyKeyReused(Rejected):
    """The key was used before for other content."""

    code = "idempotency-key-reused"


def find(caller: Caller, key: str | None, digest: bytes) -> IdempotencyKey | None:
    """What the first request of this key made; none where this is the first.

    Raises:
        IdempotencyKeyReused: its content was another.
    """
    if key is None:
        return None
    with reading(context().engine) as session:
        user_id = accounts.known_user(session, caller)
        found = session.scalar(
            select(IdempotencyKey).where(
                IdempotencyKey.end_user_id == user_id, IdempotencyKey.key == key
            )
        )
    if found is not None and found.digest != digest:
        raise IdempotencyKeyReused
    return found


def remember(
    session: Session,
    owner: UUID,
    key: str | None,
    digest: bytes,
    *,
    upload_id: UUID | None = None,
    batch_id: UUID | None = None,
) -> None:
    """Note in the running transaction what the key made; nothing without a key."""
    if key is not None:
        session.add(
            IdempotencyKey(
                end_user_id=owner, key=key, digest=digest, upload_id=upload_id, batch_id=batch_id
            )
        )


def forget_old() -> None:
    """Forget the keys of yesterday."""
    with writing(context().engine) as session:
        session.execute(
            delete(IdempotencyKey).where(IdempotencyKey.created_at < now() - REMEMBERED)
        )
