"""Keys come, overlap and go: each change is in force with the next request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import update

from webapp.errors import NotFound
from webapp.extensions import db
from webapp.services import accounts, api_keys
from webapp.services.api_keys import KeyNotValid, KeyState
from webapp.storage.database import writing
from webapp.storage.models import ApiKey, now


@pytest.fixture
def app(any_database: Flask) -> Iterator[Flask]:
    with any_database.app_context():
        yield any_database


@pytest.fixture
def raw(app: Flask) -> str:
    return accounts.create_key("ward", ("read", "review"))


def id_of(raw: str) -> UUID:
    caller = accounts.authenticate_key(raw, None)
    assert caller
    assert caller.key_id
    return caller.key_id


def test_a_key_is_kept_by_its_beginning_alone(raw: str) -> None:
    [key] = [key for key in api_keys.every_key() if key.frontend == "ward"]

    assert key.prefix == raw[:8]
    assert key.scopes == ("read", "review")
    assert raw not in repr(key)


def test_the_last_use_of_a_key_is_seen(raw: str) -> None:
    before = api_keys.get(id_of(raw))

    assert before.last_used_at
    assert before.last_used_at > now() - timedelta(minutes=1)


def test_a_rotated_key_and_its_successor_are_both_valid_for_a_while(raw: str) -> None:
    key_id = id_of(raw)

    new = api_keys.rotate(key_id, grace_days=7)

    old, successor = accounts.authenticate_key(raw, None), accounts.authenticate_key(new, None)
    assert old
    assert successor
    assert (old.frontend_id, old.scopes) == (successor.frontend_id, successor.scopes)
    assert api_keys.get(key_id).state is KeyState.ENDING


def test_a_rotated_key_ends_with_its_grace(raw: str) -> None:
    new = api_keys.rotate(id_of(raw), grace_days=0)

    assert accounts.authenticate_key(raw, None) is None
    assert accounts.authenticate_key(new, None)


def test_a_successor_lives_as_long_as_the_old_key_was_meant_to(app: Flask) -> None:
    raw = accounts.create_key("ward", ("read",), expires_at=now() + timedelta(days=90))

    new = api_keys.rotate(id_of(raw))

    ends = api_keys.get(id_of(new)).expires_at
    assert ends
    assert timedelta(days=89) < ends - now() < timedelta(days=91)


def test_a_revoked_key_ends_at_once_and_cannot_be_rotated(raw: str) -> None:
    key_id = id_of(raw)

    api_keys.revoke(key_id)
    api_keys.revoke(key_id)

    assert accounts.authenticate_key(raw, None) is None
    assert api_keys.get(key_id).state is KeyState.REVOKED
    with pytest.raises(KeyNotValid):
        api_keys.rotate(key_id)


def test_a_key_runs_out(app: Flask) -> None:
    raw = accounts.create_key("ward", ("read",), expires_at=now() + timedelta(days=1))
    key_id = id_of(raw)
    with writing(db.engine) as session:
        past = now() - timedelta(seconds=1)
        session.execute(update(ApiKey).where(ApiKey.id == key_id).values(expires_at=past))

    assert accounts.authenticate_key(raw, None) is None
    assert api_keys.get(key_id).state is KeyState.EXPIRED


def test_the_note_of_a_use_does_not_bring_a_revoked_key_back(raw: str) -> None:
    """A request that began before the revocation writes its last use after it."""
    key_id = id_of(raw)
    with writing(db.engine) as session:
        stale = session.get_one(ApiKey, key_id)
        stale.last_used_at = None
    api_keys.revoke(key_id)

    accounts._note_use(stale)

    assert api_keys.get(key_id).state is KeyState.REVOKED


def test_a_key_that_is_not_there_is_not_found(app: Flask) -> None:
    with pytest.raises(NotFound):
        api_keys.revoke(uuid4())
