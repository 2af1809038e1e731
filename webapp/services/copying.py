"""Blobs from one store to another: those on a list, and of them only what is not there yet.

A blob never changes, so one of the right name and size is the right one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from webapp.storage.blobs import BlobStore, BlobWriter
from webapp.storage.errors import BlobMissing
from webapp.storage.vault import sealed_size

TOGETHER = 64
PIECE = 1 << 20


class Listed(NamedTuple):
    """A line of the list: the blob's key, and the size of its content in bytes."""

    location: str
    size: int


@dataclass
class Copied:
    """How many blobs the list names, the bytes of their contents, and what was done.

    ``missing`` are those that the source does not hold, or not whole.
    """

    blobs: int = 0
    size: int = 0
    copied: int = 0
    missing: int = 0


def read_list(file: Path) -> Iterator[Listed]:
    """The lines of a list, which is in order of its keys."""
    with file.open(encoding="ascii") as lines:
        for line in lines:
            location, size = line.split()
            yield Listed(location, int(size))


def copy_all(
    listed: Iterator[Listed], source: BlobStore, target: BlobStore, going_on: Callable[[], None]
) -> Copied:
    """Copy what ``target`` lacks, durably; ``going_on`` is called between blobs.

    Raises:
        StorageFull, StorageUnavailable: what was copied stays, and is not copied again.
    """
    done = Copied()
    for beginning, group in groupby(listed, key=lambda line: line.location[:2]):
        there = {blob.key: blob.size for blob in target.iterate(beginning)}
        lacking = []
        for line in group:
            done.blobs, done.size = done.blobs + 1, done.size + line.size
            if there.pop(line.location, None) != sealed_size(line.size):
                lacking.append(line)
        _clear(target, there, lacking)
        for start in range(0, len(lacking), TOGETHER):
            _copy(lacking[start : start + TOGETHER], source, target, done, going_on)
    return done


def prune(listed: Iterator[Listed], store: BlobStore) -> None:
    """Remove what the list does not name."""
    groups = groupby(listed, key=lambda line: line.location[:2])
    wanted = {start: {line.location for line in group} for start, group in groups}
    for number in range(256):
        start = f"{number:02x}"
        named = wanted.pop(start, set())
        for blob in list(store.iterate(start)):
            if blob.key not in named:
                store.delete(blob.key)


def _clear(target: BlobStore, there: dict[str, int], lacking: list[Listed]) -> None:
    """What an interrupted copy of these left half-written stands in the way of the next."""
    for line in lacking:
        if f"{line.location}.part" in there:
            target.delete(f"{line.location}.part")


def _copy(
    some: list[Listed],
    source: BlobStore,
    target: BlobStore,
    done: Copied,
    going_on: Callable[[], None],
) -> None:
    writers: list[BlobWriter] = []
    try:
        for line in some:
            going_on()
            writer = target.create(line.location)
            writers.append(writer)
            if not _pour(line, source, writer):
                writers.remove(writer)
                writer.abort()
                done.missing += 1
        target.commit_all(writers)
    except BaseException:
        for writer in writers:
            writer.abort()
        raise
    done.copied += len(writers)


def _pour(line: Listed, source: BlobStore, writer: BlobWriter) -> bool:
    """Whether the source had it whole."""
    try:
        blob = source.open(line.location)
    except BlobMissing:
        return False
    with closing(blob):
        if blob.size != sealed_size(line.size):
            return False
        for offset in range(0, blob.size, PIECE):
            writer.write(blob.read(offset, PIECE))
    writer.finish()
    return True
