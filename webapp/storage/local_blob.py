"""One blob as one file: its reader and its writer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from webapp.storage.errors import BlobMissing, StorageUnavailable, storage_error
from webapp.storage.vault import Buffer

PART = ".part"


class LocalBlob:
    """A file read by position; safe for several threads.

    Raises BlobMissing or StorageUnavailable.
    """

    def __init__(self, path: Path) -> None:
        self._handle = -1
        try:
            self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.size = os.fstat(self._handle).st_size
        except FileNotFoundError:
            raise BlobMissing from None
        except OSError as error:
            self.close()
            raise storage_error(error) from None

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; fewer only at the end."""
        if self._handle < 0:
            raise StorageUnavailable
        try:
            return self._read(offset, length)
        except OSError as error:
            raise storage_error(error) from None

    def close(self) -> None:
        """Reading ends; a second call does nothing."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def __del__(self) -> None:
        self.close()

    def _read(self, offset: int, length: int) -> bytes:
        piece = os.pread(self._handle, length, offset)
        if len(piece) == length or offset + len(piece) >= self.size:
            return piece
        pieces = [piece]
        while pieces[-1] and (done := sum(map(len, pieces))) < length:
            pieces.append(os.pread(self._handle, length - done, offset + done))
        return b"".join(pieces)


class LocalBlobWriter:
    """Writes ``<path>.part``; commit renames it. See :class:`webapp.storage.blobs.BlobWriter`.

    ``settle_folders`` makes names durable; it raises OSError.
    """

    def __init__(self, path: Path, settle_folders: Callable[[Iterable[Path]], None]) -> None:
        self.key = path.name
        self.path = path
        self._part = path.with_name(path.name + PART)
        self._settle_folders = settle_folders
        self._handle = -1
        self._committed = False
        self._aborted = False
        try:
            self._handle = _create(self._part)
        except OSError as error:
            self.undo()
            raise storage_error(error) from None

    def write(self, buffer: Buffer) -> None:
        """Append bytes, all of them."""
        view = memoryview(buffer).cast("B")
        try:
            while view:
                view = view[os.write(self._handle, view) :]
        except OSError as error:
            self.undo()
            raise storage_error(error) from None

    def finish(self) -> None:
        """Closes the descriptor: a batch of thousands keeps none open."""
        handle, self._handle = self._handle, -1
        if handle < 0:
            return
        try:
            os.close(handle)
        except OSError as error:  # a network file system reports a full disk here
            self.undo()
            raise storage_error(error) from None

    def open(self) -> LocalBlob:
        """Read the finished blob, under whichever name it has."""
        return LocalBlob(self.path if self._committed else self._part)

    def commit(self, durable: bool = True) -> str:
        """File, name, then folder: a name that survives names bytes that survive."""
        try:
            if durable:
                self.settle()
            else:
                self.finish()
            self.rename()
            if durable:
                self._settle_folders([self.path.parent])
        except OSError as error:
            self.undo()
            raise storage_error(error) from None
        return self.key

    def abort(self) -> None:
        """Remove what was written, unless it was committed."""
        if not self._committed:
            self.undo()

    def settle(self) -> None:
        """Fsync the bytes and close. Raises OSError."""
        if self._handle < 0:
            self._handle = os.open(self._part, os.O_RDONLY | os.O_CLOEXEC)
        os.fsync(self._handle)
        self.finish()

    def rename(self) -> None:
        """From ``.part`` to its name. Raises OSError."""
        os.rename(self._part, self.path)
        self._committed = True

    def undo(self) -> None:
        """Close and remove, committed or not; what cannot be removed is left to the sweep."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with suppress(OSError):  # the file goes anyway
                os.close(handle)
        if not self._aborted:
            self._aborted = True
            with suppress(OSError):
                os.unlink(self.path if self._committed else self._part)

    def __del__(self) -> None:
        self.abort()  # forgotten by its owner: neither descriptor nor file may stay


def _create(part: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(part, flags, 0o600)
    except FileNotFoundError:
        part.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.parent.mkdir(mode=0o700, exist_ok=True)
        return os.open(part, flags, 0o600)
