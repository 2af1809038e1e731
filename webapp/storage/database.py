"""How the database is spoken to: short, explicit transactions on either kind.

SQLite is written by several processes. The driver's own transactions lose
updates, so every writing one starts with BEGIN IMMEDIATE, behind ``flock`` on a
side file: SQLite's busy handler polls, and waits of seconds were the result.
PostgreSQL needs none of it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, CursorResult, Delete, Engine, Update, event, text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from webapp.errors import Unavailable
from webapp.storage.errors import CommitUncertain, DatabaseUnavailable, StorageFull

BUSY_SECONDS = 30
POSTGRES_DISK_FULL = "53100"
READ_ONLY = {"read_only": True}
RELAXED = {"relaxed": True}


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A transaction that is committed when the block ends and undone when it raises.

    Never keep one open while a body is read or a file is processed.

    Raises:
        DatabaseUnavailable: the database cannot be reached; nothing was written.
        CommitUncertain: it went away during the commit; something may have been.
        StorageFull: the disk of the database is full; nothing was written.
    """
    with _session(engine) as session:
        yield session
        session.flush()
        try:
            session.commit()
        except DBAPIError as error:
            if isinstance(_passing(error), DatabaseUnavailable):
                raise CommitUncertain from error
            raise


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A transaction that only reads, and so waits for no writer.

    Raises:
        DatabaseUnavailable: the database cannot be reached.
    """
    with _session(engine) as session:
        session.connection(execution_options=READ_ONLY)
        yield session


@contextmanager
def snapshot(engine: Engine) -> Iterator[Session]:
    """As :func:`reading`, and every statement sees the database at one moment."""
    with _session(engine) as session:
        session.connection(execution_options=READ_ONLY | _repeatable(engine))
        yield session


@contextmanager
def writing_relaxed(engine: Engine) -> Iterator[Connection]:
    """As :func:`writing`, but the commit does not wait for the disk.

    What it wrote survives the end of any process of ours, and a power loss
    once anything later was written by :func:`writing`.
    """
    with _our_errors(), engine.connect() as connection:
        connection.execution_options(**RELAXED)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            yield connection


@contextmanager
def writing_snapshot(engine: Engine) -> Iterator[Session]:
    """As :func:`writing`, and every statement sees the database at one moment."""
    with _session(engine) as session:
        session.connection(execution_options=_repeatable(engine))
        yield session
        session.commit()


def _repeatable(engine: Engine) -> dict[str, Any]:
    """SQLite's transactions see one moment anyway."""
    if engine.dialect.name == "sqlite":
        return {}
    return {"isolation_level": "REPEATABLE READ"}


def alone(session: Session, what: str) -> bool:
    """Whether this transaction is the only one, of all processes, that does ``what``.

    SQLite has one writer at a time; PostgreSQL gives an advisory lock until the end.
    """
    if session.get_bind().dialect.name == "sqlite":
        return True
    query = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:what, 0))")
    return bool(session.scalar(query, {"what": what}))


def upserting(session: Session, table: Any) -> Any:
    """An INSERT that can say what to do ON CONFLICT, in the words of this database."""
    sqlite = session.get_bind().dialect.name == "sqlite"
    return (sqlite_insert if sqlite else postgresql_insert)(table)


def changed(session: Session, statement: Update | Delete) -> int:
    """Carry out an UPDATE or DELETE; how many rows it met."""
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return int(result.rowcount)


@contextmanager
def _session(engine: Engine) -> Iterator[Session]:
    with _our_errors(), Session(engine, expire_on_commit=False) as session:
        yield session


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable from error
    except DBAPIError as error:
        passing = _passing(error)
        if passing is None:
            raise
        raise passing from error


def _passing(error: DBAPIError) -> Unavailable | None:
    """The error of ours for one of the driver's that passes; none where it is a bug."""
    if (
        getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        or getattr(error.orig, "sqlstate", None) == POSTGRES_DISK_FULL
    ):
        return StorageFull()
    passes = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
    return DatabaseUnavailable() if passes else None


def tune_sqlite(engine: Engine, lock_file: str | None) -> None:
    """Give a SQLite engine its pragmas, its BEGIN and its writers' lock.

    Args:
        lock_file: path of the side file that writers take turns on; none for
            a database in memory.
    """
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _Begin(lock_file))
    event.listen(engine, "checkin", _release)


def _set_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


class _Begin:
    def __init__(self, lock_file: str | None) -> None:
        self.lock_file = lock_file

    def __call__(self, connection: Connection) -> None:
        if connection.get_execution_options().get("read_only"):
            connection.exec_driver_sql("BEGIN")
            return
        if self.lock_file:
            _take_turn(connection.info, self.lock_file)
        if connection.get_execution_options().get("relaxed"):
            connection.info["relaxed"] = True
            connection.exec_driver_sql("PRAGMA synchronous = NORMAL")
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _take_turn(info: dict[str, Any], lock_file: str) -> None:
    handle = info.get("turn")
    if handle is None:
        handle = info["turn"] = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)


def _release(connection: Any, record: Any) -> None:
    if record.info.pop("relaxed", False) and connection is not None:
        connection.execute("PRAGMA synchronous = FULL")
    handle = record.info.get("turn")
    if handle is not None:
        fcntl.flock(handle, fcntl.LOCK_UN)
