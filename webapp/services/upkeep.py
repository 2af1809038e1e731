"""Blobs that no row names: found some at a time, and removed when they are old.

A killed process leaves some, and so does a removal that could not be carried
out. Without its row, and the data key in it, a blob can never be read again;
but a row may lie in another database than ours. So nothing is removed from a
storage that does not hold what our own rows name.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from sqlalchemy import select

from webapp.services import chores
from webapp.services.chores import Name
from webapp.services.context import context
from webapp.storage.blobs import StoredBlob
from webapp.storage.database import reading
from webapp.storage.errors import BlobMissing
from webapp.storage.local_blob import PART
from webapp.storage.models import Blob, now

log = logging.getLogger(__name__)

AGE = timedelta(hours=24)
PERIOD = timedelta(hours=1)
SLICE = 500
STEP_SECONDS = 5.0
EVIDENCE = 10


class StrangeStorage(Exception):
    """The storage holds nothing that the database names; the text is for the operator."""


@dataclass(frozen=True)
class Swept:
    """So far: blobs looked at, blobs removed, and their bytes."""

    seen: int = 0
    removed: int = 0
    size: int = 0


def sweep_orphans(strange: bool = False) -> Iterator[Swept]:
    """Remove blobs older than 24 hours that no row names; says after each 500 how far it is.

    Args:
        strange: remove them even from a storage that holds nothing our rows name.

    Raises:
        StrangeStorage: there are orphans, and all else there is unknown too.
        Unavailable: database or storage is away; what was removed stays removed.
    """
    swept, may_remove = Swept(), strange
    for some in slices(context().vault.store.iterate()):
        orphans = _orphans(some)
        if not may_remove and any(map(_is_whole, orphans)):
            _check_that_it_is_ours()
            may_remove = True
        if chores.removals_held():
            return
        for blob in orphans:
            context().vault.delete(blob.key)
        size = sum(blob.size for blob in orphans)
        swept = Swept(swept.seen + len(some), swept.removed + len(orphans), swept.size + size)
        yield swept


def slices(blobs: Iterator[StoredBlob]) -> Iterator[list[StoredBlob]]:
    """500 at a time, as many as one query asks about."""
    while some := list(islice(blobs, SLICE)):
        yield some


def unnamed(keys: Iterable[str]) -> set[str]:
    """Which of these (at most 500) no row names."""
    asked = set(keys)
    with reading(context().engine) as session:
        found = session.scalars(select(Blob.location).where(Blob.location.in_(asked)))
        return asked - set(found)


def _orphans(some: Iterable[StoredBlob]) -> list[StoredBlob]:
    before = (now() - AGE).timestamp()
    old = [blob for blob in some if blob.modified < before]
    orphans = unnamed(blob.key for blob in old) if old else set()
    return [blob for blob in old if blob.key in orphans]


def _is_whole(blob: StoredBlob) -> bool:
    """A leftover of an interrupted writing is nobody's, whatever database it belongs to."""
    return not blob.key.endswith(PART)


def _check_that_it_is_ours() -> None:
    newest = select(Blob.location).order_by(Blob.created_at.desc(), Blob.id).limit(EVIDENCE)
    with reading(context().engine) as session:
        locations = session.scalars(newest).all()
    if not any(map(_is_there, locations)):
        raise StrangeStorage(
            "This storage holds blobs, and none of those that the database names."
            " Is DATABASE_URL the right one, and UPLOAD_DIR or STORAGE_URL?"
        )


def _is_there(location: str) -> bool:
    try:
        context().vault.store.open(location).close()
    except BlobMissing:
        return False
    return True


class HourlySweep:
    """The sweep as a step of a worker's periodic one: hourly, by one process of all.

    A storage of millions takes longer than a step may: each goes on for five
    seconds where the last one stopped.
    """

    def __init__(self) -> None:
        self._running: Iterator[Swept] | None = None
        self._swept = Swept()

    def step(self) -> None:
        """Start where it is due, or go on. Raises Unavailable."""
        if self._running is None:
            if not chores.claim(Name.ORPHANS, PERIOD):
                return
            self._running, self._swept = sweep_orphans(), Swept()
        running, self._running = self._running, None
        try:
            going_on = self._go_on(running)
        except StrangeStorage as error:
            log.error("orphans: %s", error)
            return
        if going_on:
            chores.move_on(Name.ORPHANS, PERIOD)
            self._running = running

    def _go_on(self, running: Iterator[Swept]) -> bool:
        """Whether there is more to do."""
        end = time.monotonic() + STEP_SECONDS
        for swept in running:
            self._swept = swept
            if time.monotonic() > end:
                return True
        if self._swept.removed:
            log.warning("%d orphans removed, %d bytes", self._swept.removed, self._swept.size)
        return False
