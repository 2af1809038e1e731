"""The first start: schema, keys, the first administrator, the first API key."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass

from flask import current_app
from flask_migrate import upgrade
from sqlalchemy import exists, select

from webapp.config import Settings, SettingsError
from webapp.extensions import huey
from webapp.services import accounts
from webapp.services.context import context
from webapp.storage.database import reading, writing
from webapp.storage.keys import Keyring
from webapp.storage.models import ApiKey, Frontend, Person, Role

FIRST_FRONTEND = "default"
FIRST_EMAIL = "admin@localhost"


@dataclass(frozen=True)
class FirstStart:
    """What was made; the password and the key are shown this once.

    Each is none where it was given, or made before.
    """

    email: str | None = None
    password: str | None = None
    api_key: str | None = None


def set_up() -> FirstStart:
    """Make what is missing; what is there stays as it is.

    Raises:
        SettingsError: keys are gone while sealed rows exist, or may not be made.
    """
    settings = context().settings
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    if not settings.storage_url:
        settings.upload_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    upgrade()
    huey.create_tables()
    _make_keys(settings)
    _make_people()
    email, password = _make_administrator(settings)
    return FirstStart(email, password, _make_api_key(settings))


def _make_keys(settings: Settings) -> None:
    if not settings.embedded:
        return
    if not settings.secret_key and not settings.secret_file.exists():
        _write_secret(settings)
    current_app.secret_key = settings.session_secret()
    if settings.master_keys or settings.key_file.exists():
        return
    with reading(context().engine) as session:
        if session.scalar(select(exists(select(Frontend.id)))):
            raise SettingsError(
                "The database holds sealed rows, but their master keys are gone."
                " Put the key file back; new keys could not open them."
            )
    Keyring.create(settings.key_file)


def _write_secret(settings: Settings) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(settings.secret_file, flags, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())


def _make_people() -> None:
    with writing(context().engine) as session:
        if not session.scalar(select(exists().where(Frontend.of_people))):
            accounts.add_frontend(session, accounts.PEOPLE, of_people=True)


def _make_administrator(settings: Settings) -> tuple[str | None, str | None]:
    with reading(context().engine) as session:
        if session.scalar(select(exists(select(Person.id)))):
            return None, None
    given = settings.admin_password.get_secret_value() if settings.admin_password else None
    password = given or secrets.token_urlsafe(12)
    email = settings.admin_email or FIRST_EMAIL
    accounts.create_person(email, password, Role.ADMIN)
    return email, None if given else password


def _make_api_key(settings: Settings) -> str | None:
    with reading(context().engine) as session:
        if session.scalar(select(exists(select(ApiKey.id)))):
            return None
    given = settings.bootstrap_api_key
    raw = given.get_secret_value() if given else None
    made = accounts.create_key(FIRST_FRONTEND, ("read", "write"), raw)
    return None if given else made
