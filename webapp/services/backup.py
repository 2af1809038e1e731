"""A copy of everything in a folder, made while the service runs, and the way back.

Bytes are there before their row is, and go after it: so the rows come first.
A snapshot of the database is taken, and then the blobs that it names are
copied; blobs never change, and those written meanwhile are of no row in the
snapshot. Only one thing could go wrong, a blob that goes while it is still to
be copied; so removals are held for as long as a backup takes. Back it goes the
other way round: blobs first and the database last, so that no row is ever
there without its bytes, and an interrupted restore can be repeated.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from webapp.errors import Unavailable
from webapp.services import chores, snapshots
from webapp.services.backup_folder import BLOBS, KEYS, BackupFolder, Manifest
from webapp.services.chores import Name
from webapp.services.context import context
from webapp.services.copying import Copied, copy_all, prune, read_list
from webapp.services.keys import TABLES
from webapp.services.snapshots import BackupError
from webapp.storage.blobs import LocalBlobStore
from webapp.storage.errors import Damaged
from webapp.storage.files import link_new, write_whole
from webapp.storage.keys import Keyring
from webapp.storage.models import Blob, Frontend

CANARY = b"backup"
RENEWAL_SECONDS = 60.0


@dataclass(frozen=True)
class Done:
    """What was copied; the ids of the master keys that open it, and whether they are in it."""

    blobs: Copied
    key_ids: list[str]
    keys_inside: bool


def back_up(path: Path, with_keys: bool = False) -> Done:
    """Copy database and blobs into a folder; into an earlier backup, only what is new.

    The earlier one stays whole until the new one is.

    Raises:
        BackupError: why it cannot be, as a sentence.
        Unavailable: database, storage or folder is away or full.
    """
    folder = BackupFolder(path)
    folder.prepare()
    store = LocalBlobStore(path / BLOBS)
    with _removals_held() as going_on:
        manifest = _snapshot(folder)
        copied = copy_all(read_list(path / manifest.blobs), context().vault.store, store, going_on)
    if with_keys:
        write_whole(path / KEYS, _all_keys(), put=os.replace)
    folder.replace(manifest)
    prune(read_list(path / manifest.blobs), store)
    return Done(copied, manifest.key_ids, (path / KEYS).exists())


def restore(path: Path) -> Done:
    """Bring a backup back: into an empty database, and a storage that may hold some of it.

    Raises:
        BackupError: why it cannot be, as a sentence.
        Unavailable: the storage is away or full; repeat it then.
    """
    folder = BackupFolder(path)
    manifest = folder.read()
    if manifest.kind != snapshots.kind():
        raise BackupError(f"This backup is of {manifest.kind}, the database is not.")
    _check_keys(path, manifest)
    snapshots.check_empty()
    store = LocalBlobStore(path / BLOBS)
    copied = copy_all(read_list(path / manifest.blobs), store, context().vault.store, _nothing)
    snapshots.bring_back(path / manifest.database)
    chores.allow_removals()  # the snapshot was taken while they were held
    return Done(copied, manifest.key_ids, (path / KEYS).exists())


@contextmanager
def _removals_held() -> Iterator[Callable[[], None]]:
    """Nothing is removed in the block, which calls what it is given now and then."""
    if not chores.claim(Name.BACKUP, chores.HOLD):
        raise BackupError(
            "Another backup runs, or was killed less than 15 minutes ago. Try again later."
        )
    renewed = time.monotonic()

    def going_on() -> None:
        nonlocal renewed
        passed = time.monotonic() - renewed
        if passed > chores.HOLD.total_seconds():
            raise BackupError("The backup stood still for too long. Repeat it.")
        if passed > RENEWAL_SECONDS:
            chores.hold_removals()
            renewed = time.monotonic()

    try:
        yield going_on
        going_on()
    finally:
        chores.allow_removals()


def _snapshot(folder: BackupFolder) -> Manifest:
    manifest = folder.begin(snapshots.kind())
    with snapshots.snapshot(folder.path / manifest.database) as connection:
        folder.check_owner(_installation(connection))
        manifest.installation = _installation(connection)
        manifest.key_ids = _key_ids(connection)
        _list_blobs(connection, folder.path / manifest.blobs)
    newest, sealed = context().keyring.wrap(CANARY, CANARY)
    manifest.canary = {"key_id": newest, "sealed": sealed.hex()}
    return manifest


def _installation(connection: Connection) -> str:
    """The people's frontend is made once by ``setup``, so its id tells databases apart."""
    found = connection.scalar(select(Frontend.id).where(Frontend.of_people))
    if found is None:
        raise BackupError("There is nothing to back up: setup has not run yet.")
    return str(found)


def _key_ids(connection: Connection) -> list[str]:
    queries = (select(column).distinct() for _, column in TABLES)
    return sorted({key_id for query in queries for key_id in connection.scalars(query)})


def _list_blobs(connection: Connection, file: Path) -> None:
    query = select(Blob.location, Blob.size).order_by(Blob.location)
    rows = connection.execution_options(yield_per=1000).execute(query)
    with file.open("w", encoding="ascii") as lines:
        lines.writelines(f"{location} {size}\n" for location, size in rows)


def _all_keys() -> str:
    settings = context().settings
    if settings.master_keys:
        return settings.master_keys.get_secret_value().replace(",", "\n") + "\n"
    return settings.key_file.read_text("ascii")


def _check_keys(path: Path, manifest: Manifest) -> None:
    """Before anything is copied: without its keys a backup is of no use."""
    settings = context().settings
    kept = path / KEYS
    if not settings.master_keys and not settings.key_file.exists() and kept.exists():
        settings.key_file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(settings.key_file, kept.read_text("ascii"), put=link_new)
    keyring = context().keyring
    lacking = sorted(set(manifest.key_ids) - set(keyring.ids))
    if lacking:
        raise BackupError(f"These master keys are missing here: {', '.join(lacking)}.")
    if not _opens(keyring, manifest.canary):
        raise BackupError("The master keys here are not those of the backup.")


def _opens(keyring: Keyring, canary: dict[str, str]) -> bool:
    try:
        sealed = bytes.fromhex(canary["sealed"])
        return keyring.unwrap(canary["key_id"], sealed, CANARY) == CANARY
    except (Damaged, Unavailable):
        return False


def _nothing() -> None:
    """A restore holds nobody up."""
