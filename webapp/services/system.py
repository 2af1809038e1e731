"""How the service itself is: workers, queue, room, keys."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime

from webapp.extensions import huey
from webapp.services import workers
from webapp.services.context import context
from webapp.services.workers import WorkerRecord


@dataclass(frozen=True)
class Room:
    """Of the disk that sealed files lie on, in bytes."""

    total: int
    free: int


@dataclass(frozen=True)
class System:
    """What runs and what it runs on. ``room`` is none where files lie in a bucket."""

    workers: list[WorkerRecord]
    queue_reachable: bool
    fallback: bool
    room: Room | None
    newest_key_id: str
    newest_key_since: datetime | None

    @property
    def alive(self) -> int:
        """Worker processes that were heard of just now."""
        return sum(worker.processes for worker in self.workers if worker.alive)

    @property
    def fallback_active(self) -> bool:
        return self.fallback and not self.queue_reachable


def system() -> System:
    """How it is now."""
    settings = context().settings
    return System(
        workers=workers.workers(),
        queue_reachable=huey.reachable(),
        fallback=settings.fallback_processing,
        room=None if settings.storage_url else _room(),
        newest_key_id=context().keyring.newest_id,
        newest_key_since=workers.newest_key_since(),
    )


def _room() -> Room | None:
    try:
        usage = shutil.disk_usage(context().settings.upload_dir)
    except FileNotFoundError:
        return None  # nothing was ever stored
    return Room(usage.total, usage.free)
