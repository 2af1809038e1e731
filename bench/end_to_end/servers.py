"""The programs under measurement, each started as a user would, in a folder of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.end_to_end.clients import Target
from tests import running, servers

KEY = "benchmark-key-of-nobody-0123456789abcdef"
PASSWORD = "a password of the benchmark alone"
SUPERVISOR = [str(running.PYTHON), "-m", "webapp.supervisor"]
PROCESSES = {"WEB_WORKERS": 2, "TASK_WORKERS": 1}


@contextmanager
def embedded(folder: Path) -> Iterator[Target]:
    """``make run``: SQLite and Huey's SQLite queue."""
    with ours(folder, {}) as target:
        yield target


@contextmanager
def scaled_out(folder: Path) -> Iterator[Target]:
    """The same program on PostgreSQL, with fsync, and Redis."""
    with databases() as settings, ours(folder, settings) as target:
        yield target


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """A private PostgreSQL, which waits for its disk, and a Redis: the settings that name them."""
    with ExitStack() as stack:
        postgres = servers.start_postgres(durable=True)
        stack.callback(postgres.stop)
        redis = servers.start_redis()
        stack.callback(redis.stop)
        yield {
            "DATABASE_URL": servers.postgres_url(postgres.port, "postgres"),
            "REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
        }


@contextmanager
def ours(folder: Path, settings: Mapping[str, str | int]) -> Iterator[Target]:
    """The program with these settings beside what it needs, until the block ends."""
    program = running.copy_of_the_program(folder / "program")
    port = servers.free_port()
    needed = {"EMBEDDED": 1, "PORT": port, "BOOTSTRAP_API_KEY": KEY, "ADMIN_PASSWORD": PASSWORD}
    env = running.environment(**{**needed, **PROCESSES, **settings})
    started = running.Program(SUPERVISOR, program, env)
    try:
        started.wait_for(lambda: _answers(port, "/readyz"), 120)
        yield Target("ours", port, {"Authorization": f"Bearer {KEY}"})
    finally:
        started.end()


def orthanc_is_installed() -> bool:
    return shutil.which("Orthanc") is not None


@contextmanager
def orthanc(folder: Path) -> Iterator[Target]:
    """Debian's Orthanc as it comes, but on a port and in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    port = servers.free_port()
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "KeepAlive": True,
        "HttpThreadsCount": 50,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    log = (folder / "orthanc.log").open("wb")
    process = subprocess.Popen(
        ["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=subprocess.STDOUT
    )
    try:
        while not _answers(port, "/system"):
            if process.poll() is not None:
                raise SystemExit(f"Orthanc ended: see {folder / 'orthanc.log'}")
            time.sleep(0.1)
        yield Target("orthanc", port, {})
    finally:
        process.terminate()
        process.wait()
        log.close()


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
