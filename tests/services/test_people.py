"""People are managed at once and for certain, and one administrator always stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest
from flask import Flask

from tests import secrets_of_tests as secrets
from webapp.errors import NotFound
from webapp.services import accounts, people
from webapp.services.people import LastAdministrator
from webapp.storage.models import Role

PASSWORD = "a password of the tests"


@pytest.fixture
def app(any_database: Flask) -> Iterator[Flask]:
    with any_database.app_context():
        yield any_database


@pytest.fixture
def root(app: Flask) -> UUID:
    """The first administrator."""
    return people.find(secrets.ADMIN_EMAIL)


def made(role: Role = Role.CLINICIAN) -> UUID:
    return accounts.create_person(f"{uuid4().hex}@example.org", PASSWORD, role)


def test_a_role_is_changed(root: UUID) -> None:
    anna = made()

    people.set_role(anna, Role.REVIEWER)

    assert people.get(anna).role is Role.REVIEWER


def test_who_is_deactivated_cannot_log_in_until_activated_again(root: UUID) -> None:
    anna = made()
    email = people.get(anna).email

    people.deactivate(anna)
    out = accounts.authenticate_person(email, PASSWORD)
    people.activate(anna)

    assert out is None
    assert accounts.authenticate_person(email, PASSWORD)


def test_a_reset_password_replaces_the_old_one(root: UUID) -> None:
    anna = made()
    email = people.get(anna).email

    drawn = people.reset_password(anna)

    assert accounts.authenticate_person(email, PASSWORD) is None
    assert accounts.authenticate_person(email, drawn)


@pytest.mark.parametrize(
    "act",
    [people.deactivate, lambda person: people.set_role(person, Role.REVIEWER)],
    ids=["deactivate", "demote"],
)
def test_the_last_administrator_stays(root: UUID, act: Callable[[UUID], None]) -> None:
    made(Role.REVIEWER)
    gone = made(Role.ADMIN)
    people.deactivate(gone)

    with pytest.raises(LastAdministrator):
        act(root)

    assert people.get(root).active
    assert people.get(root).role is Role.ADMIN


def test_two_administrators_who_remove_each_other_at_once_leave_one(app: Flask, root: UUID) -> None:
    for _ in range(5):
        other = made(Role.ADMIN)
        barrier = threading.Barrier(2)
        threads = [
            threading.Thread(target=_deactivate, args=(app, barrier, person))
            for person in (root, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        administrators = [
            person for person in people.everybody() if person.active and person.role is Role.ADMIN
        ]
        assert len(administrators) == 1
        root = administrators[0].person_id


def _deactivate(app: Flask, barrier: threading.Barrier, person: UUID) -> None:
    with app.app_context():
        barrier.wait()
        try:
            people.deactivate(person)
        except LastAdministrator:
            return  # the other was first


@pytest.mark.parametrize(
    "act",
    [people.get, people.deactivate, people.activate, people.reset_password],
    ids=["get", "deactivate", "activate", "reset"],
)
def test_who_is_not_there_is_not_found(app: Flask, act: Callable[[UUID], object]) -> None:
    with pytest.raises(NotFound):
        act(uuid4())
