"""The commands an operator types."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from tests import secrets_of_tests
from webapp.services import accounts
from webapp.storage.models import Role


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


def test_a_person_is_made_with_a_given_password(app: Flask, runner: FlaskCliRunner) -> None:
    result = runner.invoke(
        args=["users", "create", "Carol@Example.org", "--admin", "--password-stdin"],
        input="a good password\n",
    )

    assert result.exit_code == 0, result.output
    assert "a good password" not in result.output
    with app.app_context():
        person = accounts.authenticate_person("carol@example.org", "a good password")
    assert person
    assert person.role == Role.ADMIN


def test_a_password_that_is_drawn_is_shown_once(app: Flask, runner: FlaskCliRunner) -> None:
    result = runner.invoke(args=["users", "create", "dave@example.org"])

    password = result.output.rpartition("Password: ")[2].strip()
    with app.app_context():
        person = accounts.authenticate_person("dave@example.org", password)
    assert person
    assert person.role == Role.CLINICIAN


@pytest.mark.parametrize(
    ("email", "password", "sentence"),
    [
        (secrets_of_tests.ADMIN_EMAIL, "a good password", "taken"),
        ("erin@example.org", "short", "at least 8"),
    ],
)
def test_a_person_that_cannot_be_made_is_a_sentence(
    runner: FlaskCliRunner, email: str, password: str, sentence: str
) -> None:
    result = runner.invoke(
        args=["users", "create", email, "--password-stdin"], input=f"{password}\n"
    )

    assert result.exit_code == 1
    assert sentence in result.output


def test_a_key_is_made_for_a_new_frontend(app: Flask, runner: FlaskCliRunner) -> None:
    result = runner.invoke(args=["api-keys", "create", "ward", "--scope", "read"])

    with app.app_context():
        caller = accounts.authenticate_key(result.output.strip(), None)
    assert caller
    assert caller.scopes == {"read"}


def test_two_keys_of_one_name_are_one_frontends(app: Flask, runner: FlaskCliRunner) -> None:
    keys = [runner.invoke(args=["api-keys", "create", "ward"]).output.strip() for _ in range(2)]

    with app.app_context():
        callers = [accounts.authenticate_key(key, None) for key in keys]
    assert len({caller.frontend_id for caller in callers if caller}) == 1


def test_no_key_can_be_made_that_speaks_for_the_people(runner: FlaskCliRunner) -> None:
    result = runner.invoke(args=["api-keys", "create", accounts.PEOPLE])

    assert result.exit_code == 1
    assert "taken" in result.output


def test_the_settings_in_force_are_shown_without_secrets(runner: FlaskCliRunner) -> None:
    result = runner.invoke(args=["config"])

    assert "MAX_UPLOAD_MB=2048" in result.output
    assert secrets_of_tests.API_KEY not in result.output
    assert secrets_of_tests.SECRET_KEY not in result.output
