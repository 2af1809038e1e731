"""The whole database as one file, as it is at one moment, and back again.

SQLite copies itself (its online backup), PostgreSQL is dumped by its own
``pg_dump`` and brought back by ``pg_restore``, in one transaction.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, text

from webapp.services.context import context
from webapp.storage.files import fsync_folder
from webapp.storage.models import Base


class BackupError(Exception):
    """A backup or restore cannot go on; the text is a sentence for the operator."""


@contextmanager
def snapshot(file: Path) -> Iterator[Connection]:
    """Write the database to ``file``; the connection sees exactly what the file holds.

    Raises:
        BackupError: pg_dump is missing or failed.
    """
    url = context().settings.sqlalchemy_url
    file.unlink(missing_ok=True)
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with _sqlite(url, file) if _is_sqlite(url) else _postgres(url, file) as connection:
        _fsync(file)
        yield connection


def bring_back(file: Path) -> None:
    """Fill the database, which must be empty, from a snapshot.

    Raises:
        BackupError: it is not empty, or pg_restore is missing or failed.
    """
    url = context().settings.sqlalchemy_url
    check_empty()
    if _is_sqlite(url):
        _bring_back_sqlite(url, file)
        return
    command = ["pg_restore", "--no-owner", "--no-privileges", "--single-transaction"]
    with file.open("rb") as content:
        _run([*command, "--exit-on-error"], url, stdin=content)


def check_empty() -> None:
    """Raises BackupError where the database holds tables of ours."""
    url = context().settings.sqlalchemy_url
    if _is_sqlite(url) and not _sqlite_file(url).exists():
        return
    with context().engine.connect() as connection:
        found = set(connection.dialect.get_table_names(connection))
    context().engine.dispose()
    if found & set(Base.metadata.tables):
        raise BackupError("The database is not empty. Restore into one that nothing was put in.")


def kind() -> str:
    """``sqlite`` or ``postgresql``: a snapshot of one is none for the other."""
    return "sqlite" if _is_sqlite(context().settings.sqlalchemy_url) else "postgresql"


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _sqlite_file(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise BackupError("A database in memory cannot be backed up.")
    return Path(url.database)


@contextmanager
def _sqlite(url: URL, file: Path) -> Iterator[Connection]:
    here = sqlite3.connect(_sqlite_file(url), timeout=30)
    with closing(here) as source, closing(sqlite3.connect(file)) as target:
        source.backup(target)
    engine = create_engine(URL.create("sqlite", database=str(file)))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _postgres(url: URL, file: Path) -> Iterator[Connection]:
    engine = context().engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection, connection.begin():
        name = connection.scalar(text("SELECT pg_export_snapshot()"))
        command = ["pg_dump", "--format=custom", "--no-owner", "--no-privileges"]
        with file.open("wb") as target:
            _run([*command, f"--snapshot={name}"], url, stdout=target)
        yield connection


def _bring_back_sqlite(url: URL, file: Path) -> None:
    place = _sqlite_file(url)
    place.parent.mkdir(parents=True, exist_ok=True)
    arriving = place.with_name(f".{place.name}.restored")
    arriving.unlink(missing_ok=True)
    handle = os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as target, file.open("rb") as source:
        shutil.copyfileobj(source, target, 1 << 20)
    _fsync(arriving)
    for rest in ("-wal", "-shm"):
        place.with_name(place.name + rest).unlink(missing_ok=True)
    os.replace(arriving, place)
    fsync_folder(place.parent)


def _run(command: list[str], url: URL, **files: object) -> None:
    program, *options = command
    address = url.set(drivername="postgresql", password=None).render_as_string()
    done = subprocess.run(  # type: ignore[call-overload]
        [_program(program), *options, f"--dbname={address}"],
        env=_environment(url),
        stderr=subprocess.PIPE,
        check=False,
        **files,
    )
    if done.returncode:
        first = done.stderr.decode(errors="replace").partition("\n")[0]
        raise BackupError(f"{program} failed: {first}")


def _environment(url: URL) -> Mapping[str, str]:
    """The password is for the program's eyes, and never among its arguments."""
    return {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}


def _program(name: str) -> str:
    versions = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = sorted(versions, key=lambda path: float(path.parts[-3]))
    found = str(newest[-1]) if newest else shutil.which(name)
    if not found:
        raise BackupError(f"{name} is missing: apt-get install postgresql-client")
    return found


def _fsync(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
