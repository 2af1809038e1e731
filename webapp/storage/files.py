"""Small files and folders, written so that a crash leaves the old or the new, never a half."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, text: str, put: Callable[[str, Path], None]) -> None:
    """Whole or not at all: a temporary file (0600) in the same folder, fsync, ``put``, fsync."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        put(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def link_new(temporary: str, path: Path) -> None:
    os.link(temporary, path)  # fails when the name exists, where a rename would overwrite
    Path(temporary).unlink()


def fsync_folder(folder: Path | str) -> None:
    """Make the names in ``folder`` survive a power loss."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Two rotations at once must not lose one another's key."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
