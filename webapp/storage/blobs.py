"""Where sealed blobs lie: one small interface, and a folder that fulfils it.

A key is 32 hexadecimal digits and says nothing. In a folder its first four
digits name the subfolders: ``<root>/ab/cd/abcd...``. A blob that is still
being written, or that a killed process left behind, bears ``.part`` and is
named by :meth:`BlobStore.iterate` like any other, so that the sweep of
orphans finds it.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol

from webapp.storage.errors import BlobMissing, StorageUnavailable, storage_error
from webapp.storage.files import fsync_folder
from webapp.storage.local_blob import LocalBlob, LocalBlobWriter
from webapp.storage.vault import Buffer, RandomAccess

_KEY = re.compile(r"[0-9a-f]{32}(\.part)?")
_FSYNC_THREADS = 8
_BLOBS_A_FOLDER = 256


class StoredBlob(NamedTuple):
    """One line of an inventory: ``size`` in bytes, ``modified`` in seconds since 1970."""

    key: str
    size: int
    modified: float


class BlobWriter(Protocol):
    """A blob that is being written. Exactly one of commit and abort ends it.

    Every method raises StorageFull or StorageUnavailable and leaves nothing
    behind when it does.
    """

    @property
    def key(self) -> str:
        """The key it will have once it is committed."""
        ...

    def write(self, buffer: Buffer) -> None:
        """Append bytes."""
        ...

    def finish(self) -> None:
        """No more bytes: lets go of the descriptor. ``open`` can read it from here on."""
        ...

    def open(self) -> RandomAccess:
        """Read the finished blob, committed or not."""
        ...

    def commit(self, durable: bool = True) -> str:
        """Give it its name. ``durable``: it survives a power loss once this returns."""
        ...

    def abort(self) -> None:
        """Leave nothing. After commit or abort this does nothing."""
        ...


class BlobStore(Protocol):
    """Blobs by key: written once, never changed. Safe for threads and processes."""

    def create(self, key: str | None = None) -> BlobWriter:
        """A new blob, under a key of its own; only a restore says which."""
        ...

    def commit_all(self, writers: Sequence[BlobWriter]) -> list[str]:
        """Commit many durably, sharing the cost; their keys. All of them or none."""
        ...

    def open(self, key: str) -> RandomAccess:
        """Raises BlobMissing."""
        ...

    def delete(self, key: str) -> None:
        """Gone when this returns; no error when it was gone before."""
        ...

    def iterate(self, beginning: str = "") -> Iterator[StoredBlob]:
        """What is there, in no order, what others write meanwhile maybe not.

        Args:
            beginning: only keys that begin so (two digits).
        """
        ...

    def check(self) -> None:
        """Write, read and delete a few bytes. Raises StorageFull or StorageUnavailable."""
        ...


class LocalBlobStore:
    """A folder, which several machines may share. Files are 0600, folders 0700."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._settled: set[Path] = set()
        self._folder_digits = ""
        self._folder_uses = 0

    def create(self, key: str | None = None) -> LocalBlobWriter:
        """A new blob. Raises StorageFull or StorageUnavailable."""
        return LocalBlobWriter(self.path(key or self._new_key()), self.settle_folders)

    def commit_all(self, writers: Sequence[BlobWriter]) -> list[str]:
        """Files are fsynced by several threads at once, then each folder once."""
        ours = [writer for writer in writers if isinstance(writer, LocalBlobWriter)]
        assert len(ours) == len(writers), "a writer belongs to the store that made it"
        try:
            with ThreadPoolExecutor(_FSYNC_THREADS, "fsync") as threads:
                list(threads.map(LocalBlobWriter.settle, ours))
            for writer in ours:
                writer.rename()
            self.settle_folders({writer.path.parent for writer in ours})
        except OSError as error:
            for writer in ours:
                writer.undo()
            raise storage_error(error) from None
        return [writer.key for writer in ours]

    def open(self, key: str) -> LocalBlob:
        """Raises BlobMissing or StorageUnavailable."""
        return LocalBlob(self.path(key))

    def delete(self, key: str) -> None:
        """Raises StorageUnavailable; a blob that is gone already is no error."""
        try:
            self.path(key).unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error) from None

    def iterate(self, beginning: str = "") -> Iterator[StoredBlob]:
        """Files whose names are no keys are none of ours and left out."""
        for outer in _folders(self._root):
            if not outer.name.startswith(beginning[:2]):
                continue
            for inner in _folders(outer.path):
                yield from _blobs(inner.path)

    def check(self) -> None:
        """Writes, reads and deletes a few bytes."""
        writer = self.create()
        writer.write(b"room?")
        key = writer.commit(durable=False)
        blob = self.open(key)
        try:
            if blob.read(0, 16) != b"room?":
                raise StorageUnavailable
        finally:
            blob.close()
            self.delete(key)

    def path(self, key: str) -> Path:
        """Where a key's file lies. Raises BlobMissing for what is no key."""
        if not _KEY.fullmatch(key):
            raise BlobMissing
        return self._root / key[:2] / key[2:4] / key

    def settle_folders(self, folders: Iterable[Path]) -> None:
        """Fsync folders, and once in a process those that hold them. Raises OSError."""
        for folder in folders:
            fsync_folder(folder)
            if folder not in self._settled:
                fsync_folder(folder.parent)
                fsync_folder(self._root)
                self._settled.add(folder)

    def _new_key(self) -> str:
        """Random, but a folder's worth in a row share a folder: new folders cost an fsync each."""
        with self._lock:
            if self._folder_uses % _BLOBS_A_FOLDER == 0:
                self._folder_digits = secrets.token_hex(2)
            self._folder_uses += 1
            return self._folder_digits + secrets.token_hex(14)


def _folders(path: Path | str) -> Iterator[os.DirEntry[str]]:
    for entry in _entries(path):
        if len(entry.name) == 2 and entry.is_dir(follow_symlinks=False):
            yield entry


def _blobs(folder: str) -> Iterator[StoredBlob]:
    for entry in _entries(folder):
        if not _KEY.fullmatch(entry.name):
            continue
        try:
            facts = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # deleted, or renamed by its commit, since it was listed
            continue
        yield StoredBlob(entry.name, facts.st_size, facts.st_mtime)


def _entries(path: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as found:
            return list(found)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error(error) from None
