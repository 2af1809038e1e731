"""Where tries are counted when there is no Redis: one small SQLite file for all web processes.

Counted in the memory of each process, a limit would hold as many times as there are processes.
The file may be lost at any time; what it costs is a minute's counts.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from limits.storage import Storage

SCHEME = "counts-file"
BUSY_SECONDS = 5
TABLE = """
CREATE TABLE IF NOT EXISTS counts (
    key TEXT PRIMARY KEY, count INTEGER NOT NULL, expires REAL NOT NULL
) WITHOUT ROWID
"""
COUNT = """
INSERT INTO counts VALUES (:key, :amount, :now + :expiry)
ON CONFLICT (key) DO UPDATE SET count = count + :amount
RETURNING count
"""


def address_of(folder: Path) -> str:
    """The storage of the counts in ``folder``, as Flask-Limiter takes it."""
    return f"{SCHEME}://{folder.absolute() / 'limits.db'}"


class CountsFile(Storage):
    """Fixed windows in a SQLite file, which is made when first something is counted."""

    STORAGE_SCHEME = [SCHEME]

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **_: object) -> None:
        super().__init__(uri, wrap_exceptions)
        self._path = (uri or "").removeprefix(f"{SCHEME}://")

    @property
    def base_exceptions(self) -> type[Exception]:
        return sqlite3.Error

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count ``amount``; how many there are in the window that it fell into."""
        values = {"key": key, "amount": amount, "now": time.time(), "expiry": expiry}
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM counts WHERE expires <= :now", values)
            ((count,),) = connection.execute(COUNT, values).fetchall()
            connection.execute("COMMIT")
        return int(count)

    def get(self, key: str) -> int:
        return int(self._row(key)[0])

    def get_expiry(self, key: str) -> float:
        """When the window ends, in seconds since the epoch."""
        return self._row(key)[1]

    def check(self) -> bool:
        with self._open():
            return True

    def reset(self) -> int | None:
        with self._open() as connection:
            return connection.execute("DELETE FROM counts").rowcount

    def clear(self, key: str) -> None:
        with self._open() as connection:
            connection.execute("DELETE FROM counts WHERE key = ?", (key,))

    def _row(self, key: str) -> tuple[int, float]:
        query = "SELECT count, expires FROM counts WHERE key = ? AND expires > ?"
        now = time.time()
        with self._open() as connection:
            found = connection.execute(query, (key, now)).fetchone()
        return found or (0, now)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one count: no thread and no fork ever shares one."""
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        with closing(connection):
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.execute(TABLE)
            yield connection
