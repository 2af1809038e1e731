"""A disk of a few megabytes: a tmpfs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOLD = 'mount -t tmpfs -o size="$1",mode=700 tmpfs "$2" && echo held && read -r _'


def fill(disk: Path) -> None:
    """Leave not a byte."""
    with (disk / "filling").open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue  # full, in pieces of this size


def make_room(disk: Path) -> None:
    """Take the filling away."""
    (disk / "filling").unlink()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Where it can be reached: at ``folder`` for root, else through a namespace of its own."""
    folder.mkdir(parents=True)
    with (mounted if os.geteuid() == 0 else _in_namespace)(folder, megabytes) as path:
        yield path


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[Path]:
    """Only root may do this."""
    options = f"size={megabytes}m,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def _in_namespace(folder: Path, megabytes: int) -> Iterator[Path]:
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", HOLD, "sh"]
    command += [f"{megabytes}m", str(folder)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout
    try:
        held = holder.stdout.readline() == b"held\n"
        assert held, "a small disk needs root, or user namespaces for everybody"
        yield Path(f"/proc/{holder.pid}/root{folder}")
    finally:
        holder.communicate(b"\n")
