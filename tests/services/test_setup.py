"""The first start makes what is missing, and a second one leaves it as it is."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from flask import Flask

from tests import installation, secrets_of_tests
from webapp.config import Settings, SettingsError
from webapp.services import accounts
from webapp.services.setup import FirstStart, set_up


def fresh(folder: Path, **overrides: object) -> tuple[Flask, Settings]:
    """An installation as ``make run`` begins it: nothing there, keys to be made."""
    settings = installation.settings(
        folder, master_keys=None, secret_key=None, embedded=True, **overrides
    )
    return installation.app(settings), settings


def test_it_makes_keys_an_administrator_and_a_key(tmp_path: Path) -> None:
    app, settings = fresh(tmp_path, admin_email=None, admin_password=None, bootstrap_api_key=None)

    with app.app_context():
        first = set_up()

        assert first.email
        assert first.password
        assert first.api_key
        assert accounts.authenticate_person(first.email, first.password)
        assert accounts.authenticate_key(first.api_key, None)
    assert {stat.S_IMODE(f.stat().st_mode) for f in (settings.key_file, settings.secret_file)} == {
        0o600
    }
    installation.close(app)


def test_unattended_it_takes_what_it_is_given_and_shows_nothing(tmp_path: Path) -> None:
    app, _ = fresh(tmp_path)

    with app.app_context():
        first = set_up()

        assert first == FirstStart(email=secrets_of_tests.ADMIN_EMAIL)
        key = accounts.authenticate_key(secrets_of_tests.API_KEY, None)
        assert key
        assert key.scopes == {"read", "write"}
    installation.close(app)


def test_a_second_time_it_changes_nothing(tmp_path: Path) -> None:
    app, settings = fresh(tmp_path)
    with app.app_context():
        set_up()
        keys = settings.key_file.read_bytes()

        again = set_up()

        assert again == FirstStart()
        assert settings.key_file.read_bytes() == keys
    installation.close(app)


def test_no_new_key_is_made_while_sealed_rows_exist(tmp_path: Path) -> None:
    app, settings = fresh(tmp_path)
    with app.app_context():
        set_up()
        settings.key_file.unlink()

        with pytest.raises(SettingsError, match="sealed rows"):
            set_up()
    installation.close(app)
