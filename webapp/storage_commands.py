"""What an operator types about stored bytes: ``flask --app wsgi storage ...``, backup, restore."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from webapp.errors import ServiceError
from webapp.problems import detail_of
from webapp.services import backup, inspection, upkeep
from webapp.services.copying import Copied
from webapp.services.snapshots import BackupError

storage = AppGroup("storage", help="The blobs behind the rows.")


def init_app(app: Flask) -> None:
    """Add the commands."""
    for command in (storage, backup_command, restore_command):
        app.cli.add_command(command)


@storage.command("sweep")
@click.option("--strange", is_flag=True, help="Even where the database knows none of the blobs.")
def sweep(strange: bool) -> None:
    """Remove blobs older than 24 hours that no row names; workers do it hourly."""
    with _said():
        swept = [upkeep.Swept(), *upkeep.sweep_orphans(strange)][-1]
    click.echo(f"Looked at {swept.seen}, removed {swept.removed} ({swept.size} bytes).")


@storage.command("check")
@click.option("--deep", is_flag=True, help="Open every chunk; else names and sizes.")
def check(deep: bool) -> None:
    """Find missing, extra and damaged blobs; exit code 1 when there is any."""
    counts: Counter[str] = Counter()
    with _said():
        for finding in inspection.inspect(deep):
            counts[finding.fault or "in order"] += 1
            if finding.fault:
                click.echo(_line(finding))
    names = ("in order", *inspection.FAULTS)
    click.echo(", ".join(f"{name}: {counts[name]}" for name in names))
    if counts.total() > counts["in order"]:
        raise SystemExit(1)


def _line(finding: inspection.Finding) -> str:
    if finding.upload_id:
        return f"{finding.fault} {finding.upload_id} {finding.kind}".rstrip()
    young = " (younger than 24 hours: maybe of an upload under way)" if finding.young else ""
    return f"{finding.fault} {finding.location}{young}"


@click.command("backup")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--with-keys", is_flag=True, help="Put the master keys beside what they open.")
@with_appcontext
def backup_command(folder: Path, with_keys: bool) -> None:
    """Copy database and blobs to FOLDER while the service runs; again: only what is new."""
    with _said():
        done = backup.back_up(folder.absolute(), with_keys)
    blobs = done.blobs
    click.echo(f"Backed up {blobs.blobs} blobs ({blobs.size} bytes), {blobs.copied} of them new.")
    if done.keys_inside:
        click.echo("The master keys are in it: whoever has this folder can read every file.")
    else:
        ids = ", ".join(done.key_ids)
        click.echo(f"The master keys are NOT in it ({ids}). Keep a copy of them elsewhere:")
        click.echo("without them nothing in this backup can ever be read.")
    _end(blobs)


@click.command("restore")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@with_appcontext
def restore_command(folder: Path) -> None:
    """Bring a backup back into an empty database; then run setup."""
    with _said():
        done = backup.restore(folder.absolute())
    blobs = done.blobs
    click.echo(f"Restored {blobs.blobs} blobs ({blobs.size} bytes), {blobs.copied} copied.")
    click.echo("Now run: flask --app wsgi setup, and then: flask --app wsgi storage check --deep")
    _end(blobs)


def _end(blobs: Copied) -> None:
    """What was there is safe; what was not must not go unnoticed."""
    if blobs.missing:
        raise click.ClickException(
            f"{blobs.missing} blobs were not there, or not whole: see storage check."
        )


@contextmanager
def _said() -> Iterator[None]:
    """An error as a sentence and exit code 1."""
    try:
        yield
    except ServiceError as error:
        raise click.ClickException(detail_of(error.code, error.facts)) from None
    except (BackupError, upkeep.StrangeStorage) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO)
        raise click.ClickException(f"The folder cannot be read or written: {reason}.") from None
    except sqlite3.Error:
        raise click.ClickException("The database could not be copied: is there room?") from None
