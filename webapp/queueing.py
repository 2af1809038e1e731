"""Huey, whose storage is chosen when the app is made, and its consumer.

Huey runs a task at most once on every storage: what a killed worker held, or
what Redis lost, is gone. So a task here is only a hint that a row waits; the
consumer's scheduler sweeps for rows that nobody was told about.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from huey import Huey
from huey.consumer import Consumer, Scheduler
from huey.storage import BaseStorage, MemoryStorage, RedisStorage, SqliteStorage
from redis import ConnectionPool
from redis.exceptions import RedisError

from webapp.config import Settings
from webapp.failpoints import constant

log = logging.getLogger(__name__)

SWEEP_SECONDS = constant("sweep", 10)
TICK_SECONDS = 2
HEALTH_SECONDS = constant("health", 10)
SHUTDOWN_SECONDS = 7
REDIS_SECONDS = 5
PR_SET_PDEATHSIG = 1


class AppHuey(Huey):  # type: ignore[misc]
    """A Huey that tasks can be declared on before its storage is known."""

    app: Flask
    sweep: Callable[[], None]
    tick: Callable[[], None]
    processes = 0

    def create_storage(self) -> BaseStorage:
        return MemoryStorage(self.name)

    def init_app(self, app: Flask) -> None:
        settings: Settings = app.config["SETTINGS"]
        self.app = app
        self.storage = self._storage_for(settings)
        self.immediate = bool(app.config.get("HUEY_IMMEDIATE"))

    def _storage_for(self, settings: Settings) -> BaseStorage:
        if settings.redis_url:
            pool = ConnectionPool.from_url(
                settings.redis_url,
                socket_timeout=REDIS_SECONDS,
                socket_connect_timeout=REDIS_SECONDS,
            )
            return RedisStorage(self.name, connection_pool=pool)
        file = settings.state_dir.absolute() / "queue.db"
        return SqliteStorage(self.name, filename=str(file), timeout=30, create_tables=False)

    def create_tables(self) -> None:
        """Make Huey's own tables, where its storage has any; ``setup`` calls it once."""
        if isinstance(self.storage, SqliteStorage):
            self.storage.initialize_schema()

    def reachable(self) -> bool:
        """Whether a task could be handed over now."""
        try:
            self.storage.queue_size()
        except (OSError, RedisError, sqlite3.Error):
            return False
        return True

    def consume(self, workers: int) -> None:
        """Run a consumer in this process until a signal; a running task is finished first."""
        self.processes = workers
        os.register_at_fork(after_in_child=_die_with_parent)
        consumer = SweepingConsumer(
            self,
            workers=workers,
            worker_type="process",
            graceful_signal="TERM",
            shutdown_timeout=SHUTDOWN_SECONDS,
            max_delay=0.5,
            health_check_interval=HEALTH_SECONDS,
            periodic=False,
        )
        consumer.run()


class SweepingScheduler(Scheduler):  # type: ignore[misc]
    """Huey's scheduler, which also calls ``huey.sweep`` and, more often, ``huey.tick``.

    A periodic Huey task would be enqueued into the very queue that the sweep
    is there to mend.
    """

    _swept = 0.0
    _ticked = 0.0

    def loop(self, now: Any = None) -> None:
        if time.monotonic() - self._swept >= SWEEP_SECONDS:
            self._swept = time.monotonic()
            self.huey.sweep()
        if time.monotonic() - self._ticked >= TICK_SECONDS:
            self._ticked = time.monotonic()
            self.huey.tick()
        super().loop(now)


class SweepingConsumer(Consumer):  # type: ignore[misc]
    """Huey's consumer with a scheduler that sweeps."""

    scheduler_class = SweepingScheduler


def _die_with_parent() -> None:
    """A consumer killed with -9 must not leave children that go on taking tasks."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
