"""What an operator types: ``flask --app wsgi ...``."""

from __future__ import annotations

import secrets
import sys

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from webapp import admin_commands, storage_commands
from webapp.config import Settings, SettingsError, masked
from webapp.errors import ServiceError
from webapp.extensions import huey
from webapp.operators import OperatorGroup
from webapp.problems import detail_of
from webapp.services import accounts, keys, setup
from webapp.services.context import context
from webapp.storage.models import Role

users = OperatorGroup("users", help="People who log in.")
api_keys = OperatorGroup("api-keys", help="Keys of frontends.")
master_keys = OperatorGroup("keys", help="Master keys, which wrap all data keys.")


def init_app(app: Flask) -> None:
    """Add the commands."""
    for command in (setup_command, worker, config, users, api_keys, master_keys):
        app.cli.add_command(command)
    storage_commands.init_app(app)
    admin_commands.init_app(app, users, api_keys)


@click.command("setup")
@with_appcontext
def setup_command() -> None:
    """Schema, keys, first administrator and first API key; repeatable."""
    try:
        first = setup.set_up()
    except (SettingsError, ServiceError) as error:
        raise _said(error) from None
    if first.email:
        click.echo(f"Administrator: {first.email}")
    if first.password:
        click.echo(f"Password:      {first.password}")
    if first.api_key:
        click.echo(f"API key:       {first.api_key}")
    if first.password or first.api_key:
        click.echo("These are shown this once. Keep them safe.")


@click.command()
@click.option("--workers", type=click.IntRange(1, 64), help="Processes; else TASK_WORKERS.")
@with_appcontext
def worker(workers: int | None) -> None:
    """Work on what was uploaded, until a signal; what runs is finished first."""
    settings: Settings = current_app.config["SETTINGS"]
    huey.consume(workers or settings.task_workers)


@click.command()
@with_appcontext
def config() -> None:
    """Show the settings in force, secrets masked."""
    for name, value in masked(current_app.config["SETTINGS"]).items():
        click.echo(f"{name}={value}")


@users.command("create")
@click.argument("email")
@click.option("--admin", is_flag=True, help="An administrator.")
@click.option("--reviewer", is_flag=True, help="May look at held files.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create_user(email: str, admin: bool, reviewer: bool, password_stdin: bool) -> None:
    """Make a person who logs in; without --password-stdin the password is drawn and shown."""
    given = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    password = given if given is not None else secrets.token_urlsafe(12)
    role = Role.ADMIN if admin else Role.REVIEWER if reviewer else Role.CLINICIAN
    try:
        accounts.create_person(email, password, role)
    except ServiceError as error:
        raise _said(error) from None
    click.echo(f"Made {role} {email}.")
    if given is None:
        click.echo(f"Password: {password}")


@api_keys.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(accounts.SCOPES),
    default=("read", "write"),
    help="May be given several times.",
)
def create_api_key(name: str, scopes: tuple[str, ...]) -> None:
    """Make frontend NAME, or one more key for it; the key is shown once."""
    try:
        click.echo(accounts.create_key(name, scopes))
    except ServiceError as error:
        raise _said(error) from None


@master_keys.command("rotate")
def rotate() -> None:
    """A new master key; data keys are wrapped again, blobs stay as they are."""
    try:
        if context().settings.master_keys:
            _rotate_deployed()
            return
        click.echo(f"New master key: {context().keyring.append_new()}")
        click.echo(f"Wrapped again: {keys.rewrap_all()} rows")
    except ServiceError as error:
        raise _said(error) from None


def _rotate_deployed() -> None:
    """MASTER_KEYS is the operator's to change: the rows follow once the key is there."""
    from webapp.storage.keys import new_key

    count = keys.rewrap_all()
    if count:
        click.echo(f"Wrapped again: {count} rows, under {context().keyring.newest_id}")
        return
    click.echo("Append this key to MASTER_KEYS behind a comma, restart, and rotate again:")
    click.echo(new_key())


@master_keys.command("retire")
@click.argument("key_id")
def retire(key_id: str) -> None:
    """Drop an old master key; refused while a row needs it."""
    try:
        needed = keys.retire(key_id)
    except (ServiceError, ValueError) as error:
        raise _said(error) from None
    if needed:
        raise click.ClickException(f"{needed} rows still need {key_id}. Rotate first.")
    click.echo(f"Retired {key_id}.")


def _said(error: Exception) -> click.ClickException:
    if isinstance(error, ServiceError):
        return click.ClickException(detail_of(error.code, error.facts))
    return click.ClickException(str(error))
