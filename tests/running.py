"""The whole program as its operator runs it, in a folder of a test's own."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests import secrets_of_tests as secrets
from tests.servers import free_port

ROOT = Path(__file__).parents[1]
PROGRAM = ("webapp", "templates", "static", "migrations", "deploy")
FILES = ("wsgi.py", "gunicorn.conf.py", "Makefile", "requirements.txt", "requirements-dev.txt")
MADE = shutil.ignore_patterns("__pycache__", "dist")
VENV = Path(sys.prefix)
PYTHON = VENV / "bin" / "python"


def copy_of_the_program(folder: Path) -> Path:
    """A work tree with nothing run in it yet, but the packages installed."""
    for name in PROGRAM:
        shutil.copytree(ROOT / name, folder / name, ignore=MADE)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(VENV)
    return folder


def environment(**settings: str | int) -> dict[str, str]:
    """The environment of an operator who set these and nothing else."""
    kept = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"}
    base = {name: value for name, value in os.environ.items() if name in kept}
    return base | {name: str(value) for name, value in settings.items()}


class Program:
    """A started command, what it says, and the processes that belong to it."""

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self.port = env.get("PORT", "8000")
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def wait_for(self, happened: Callable[[], bool], seconds: float = 60) -> None:
        """Return once ``happened``; fail when the program ends before, or takes too long."""
        deadline = time.monotonic() + seconds
        while not happened():
            assert self.process.poll() is None, f"it ended:\n{self.output}"
            assert time.monotonic() < deadline, f"it took too long:\n{self.output}"
            time.sleep(0.02)

    def said(self, text: str) -> bool:
        return text in self.output

    def end(self, number: signal.Signals = signal.SIGINT, group: bool = True) -> int:
        """Signal it, as a Ctrl-C does, and return the exit code; it has ten seconds."""
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        return self.ended()

    def ended(self, seconds: float = 10) -> int:
        code = self.process.wait(timeout=seconds)
        self._reader.join()
        return code

    def processes(self) -> dict[int, str]:
        """Every living process of its session, by pid, with its command line."""
        found = {}
        for pid, (state, _, _, session) in every_process().items():
            if session == self.process.pid and state != "Z":
                found[pid] = command_line(pid)
        return found

    def descendants(self) -> set[int]:
        """The pids of whatever it started, and of what that started, and its own."""
        parents = {pid: facts[1] for pid, facts in every_process().items()}
        known = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in known} - known:
            known |= more
        return known

    def wait_until_gone(self, seconds: float = 10) -> None:
        """Return once not one process of it is left."""
        deadline = time.monotonic() + seconds
        while self.processes():
            assert time.monotonic() < deadline, self.processes()
            time.sleep(0.02)

    def kill(self) -> None:
        if self.processes():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """One request with the first frontend's key; the answer's status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", int(self.port), timeout=30)
        with closing(connection):
            connection.request(method, path, body, {**secrets.bearer(), **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def answers(self) -> bool:
        """Whether it takes requests."""
        try:
            return self.ask("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def ask_json(self, method: str, path: str, **more: Any) -> Any:
        return json.loads(self.ask(method, path, **more)[1])

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)


def stat(folder: Path) -> tuple[str, int, int, int]:
    """State, parent, process group and session of the process with this folder in /proc."""
    state, parent, group, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
    return state, int(parent), int(group), int(session)


def every_process() -> dict[int, tuple[str, int, int, int]]:
    """What :func:`stat` says of each process, by pid."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found[int(folder.name)] = stat(folder)
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we were looking
    return found


def command_line(pid: int) -> str:
    """What a process was started as; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@contextmanager
def program(command: Sequence[str], folder: Path, **settings: str | int) -> Iterator[Program]:
    """A running command; whatever of it still runs at the end is killed."""
    started = Program(command, folder, environment(**settings))
    try:
        yield started
    finally:
        started.kill()


@contextmanager
def make_run(folder: Path, **settings: str | int) -> Iterator[Program]:
    """``make run`` in ``folder``, serving."""
    settings.setdefault("PORT", free_port())
    with program(["make", "run"], folder, **settings) as started:
        started.wait_for(lambda: started.said("Serving on"))
        yield started
