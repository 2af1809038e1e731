"""What an operator types to manage people, keys and rules, and what it says."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

import pytest
from flask import Flask
from sqlalchemy import select

from tests import secrets_of_tests as secrets
from webapp.extensions import db
from webapp.services import accounts
from webapp.storage.admin_models import AuditEvent
from webapp.storage.database import reading


@pytest.fixture(name="say")
def _say(app: Flask) -> object:
    """Runs a command; its exit code and what it said."""
    runner = app.test_cli_runner()

    def run(*words: str, typed: str | None = None) -> tuple[int, str]:
        result = runner.invoke(args=list(words), input=typed)
        return result.exit_code, result.output

    return run


def test_a_person_is_made_promoted_kept_out_and_let_in(say) -> None:
    say("users", "create", "anna@example.org", "--password-stdin", typed="a good password\n")

    assert say("users", "role", "anna@example.org", "admin")[0] == 0
    assert say("users", "deactivate", "Anna@Example.org")[0] == 0
    assert "anna@example.org admin (deactivated)" in say("users", "list")[1]
    assert say("users", "activate", "anna@example.org")[0] == 0
    assert "deactivated" not in say("users", "list")[1]


def test_the_last_administrator_stays(say) -> None:
    code, said = say("users", "deactivate", secrets.ADMIN_EMAIL)

    assert code == 1
    assert "Nobody else" in said


def test_a_reset_password_is_shown_and_works(app: Flask, say) -> None:
    _, said = say("users", "reset-password", secrets.ADMIN_EMAIL)

    with app.app_context():
        password = said.rpartition("Password: ")[2].strip()
        assert accounts.authenticate_person(secrets.ADMIN_EMAIL, password)


def test_a_key_is_rotated_and_its_predecessor_revoked(app: Flask, say) -> None:
    raw = say("api-keys", "create", "ward", "--scope", "review")[1].strip()

    new = say("api-keys", "rotate", raw[:8])[1].strip()
    revoked = say("api-keys", "revoke", raw[:8])

    assert revoked == (0, "Revoked.\n")
    with app.app_context():
        assert accounts.authenticate_key(raw, None) is None
        assert accounts.authenticate_key(new, None)
    assert f"ward {raw[:8]}... review revoked" in say("api-keys", "list")[1]


def test_a_rule_is_previewed_asked_for_and_removed(say) -> None:
    say("api-keys", "create", "ward")

    assert "0 uploads" in say("retention", "preview", "ward", "30")[1]
    assert say("retention", "set", "ward", "30", typed="n\n")[0] == 1
    assert "ward: for good" in say("retention", "list")[1]
    assert say("retention", "set", "ward", "30", "--yes")[0] == 0
    assert "ward: 30 days" in say("retention", "list")[1]
    assert say("retention", "remove", "ward")[0] == 0
    assert "ward: for good" in say("retention", "list")[1]


@pytest.mark.parametrize(
    "words",
    [
        ("users", "role", "nobody@example.org", "admin"),
        ("api-keys", "revoke", "nosuchky"),
        ("retention", "preview", "nobody", "3"),
        ("retention", "set", "default", "0", "--yes"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(say, words: tuple[str, ...]) -> None:
    code, said = say(*words)

    assert code == 1
    assert said.startswith("Error: ")
    assert "Traceback" not in said


def test_an_operators_acts_say_that_it_was_an_operator(app: Flask, say) -> None:
    say("users", "create", "anna@example.org", "--password-stdin", typed="a good password\n")

    with app.app_context(), reading(db.engine) as session:
        [event] = session.scalars(select(AuditEvent).filter_by(action="person.create")).all()[-1:]
    assert event.actor == "operator"
    assert "@" in event.address


def test_the_audit_is_exported_in_both_forms(say) -> None:
    say("users", "deactivate", secrets.ADMIN_EMAIL)
    say("api-keys", "create", "ward")

    rows = list(csv.DictReader(io.StringIO(say("audit", "export")[1])))
    root = ElementTree.fromstring(say("audit", "export", "--form", "dicom")[1])

    assert "key.create" in {row["action"] for row in rows}
    assert len(root) == len(rows) + 1  # the first export is in the second
