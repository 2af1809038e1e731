"""A PostgreSQL and a Redis of the tests' own, on free loopback ports, gone after the run."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Missing(Exception):
    """A program that the tests need is not installed."""


@dataclass
class Server:
    """One running server and the folder it keeps everything in."""

    port: int
    folder: Path
    command: list[object]
    ready: Callable[[], object]
    owner: str | None = None
    stopping: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start it, for the first time or again, on the same port and folder."""
        self.process = _start(self.command, self.folder, self.owner, self.stopping)
        _until(self, self.ready)

    def end(self, number: signal.Signals | None = None) -> None:
        """End it; its folder stays."""
        self.process.send_signal(number or self.stopping)
        self.process.wait(timeout=30)

    def stop(self) -> None:
        """End it for good."""
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_postgres(durable: bool = False) -> Server:
    """A PostgreSQL 15 or newer that trusts the user ``tests`` on loopback alone.

    Without ``durable`` it never waits for the disk: a power cut loses it, which no test minds.
    """
    binaries = _postgres_binaries()
    owner = _unprivileged()
    folder = _folder("postgres", owner)
    data = folder / "data"
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "tests", "--auth=trust", "-E", "UTF8", "--no-sync"]
        + ["--locale=C"],
        check=True, stdout=subprocess.DEVNULL, cwd=folder, **_as(owner),
    )  # fmt: skip
    port = free_port()
    safety = "on" if durable else "off"
    options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder,
               "fsync": safety, "full_page_writes": safety, "max_connections": 200}  # fmt: skip
    command = [binaries / "postgres", "-D", data]
    command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    url = postgres_url(port, "postgres")
    # PostgreSQL's own word for "stop now and roll back" is SIGINT.
    return Server(
        port,
        folder,
        command,
        lambda: psycopg.connect(url, connect_timeout=5).close(),
        owner,
        signal.SIGINT,
    )


def start_redis() -> Server:
    """A Redis 7 or newer that keeps nothing on disk."""
    program = shutil.which("redis-server")
    if not program:
        raise Missing("redis-server is missing: apt-get install redis-server")
    folder = _folder("redis", None)
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    return Server(port, folder, command, lambda: redis.Redis(port=port).ping())


def postgres_url(port: int, database: str) -> str:
    return f"postgresql://tests@127.0.0.1:{port}/{database}"


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def _postgres_binaries() -> Path:
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    if newest:
        return newest[-1]
    found = shutil.which("initdb")
    if not found:
        raise Missing("PostgreSQL is missing: apt-get install postgresql")
    return Path(found).resolve().parent


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: whom it runs as instead."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _as(owner: str | None) -> dict[str, object]:
    if owner is None:
        return {}
    entry = pwd.getpwnam(owner)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _folder(name: str, owner: str | None) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"tests-{name}-"))
    if owner:
        shutil.chown(folder, owner)
    return folder


def _start(
    command: list[object], folder: Path, owner: str | None, ending: signal.Signals
) -> subprocess.Popen[bytes]:
    def with_us() -> None:  # a run that is killed leaves no server behind
        _libc.prctl(PR_SET_PDEATHSIG, int(ending), 0, 0, 0)

    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            cwd=folder, preexec_fn=with_us, start_new_session=True, **_as(owner),
        )  # fmt: skip


def _until(server: Server, ready: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            ready()
        except (psycopg.OperationalError, redis.ConnectionError, OSError):
            if server.process.poll() is not None or time.monotonic() > deadline:
                log = (server.folder / "server.log").read_text()
                raise RuntimeError(f"the server did not start:\n{log}") from None
            time.sleep(0.02)
        else:
            return
