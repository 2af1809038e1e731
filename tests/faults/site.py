"""One installation as real processes, what is done to it, and what must be true afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests import secrets_of_tests as secrets
from tests.faults.client import Answer, Client
from tests.running import PYTHON, Program, environment
from tests.servers import free_port

WEB = (str(PYTHON), "-m", "gunicorn", "wsgi:app")
FLASK = (str(PYTHON), "-m", "flask", "--app", "wsgi")
WORKER = (*FLASK, "worker", "--workers")
TIMES = {"lease": 4, "heartbeat": 1, "sweep": 1, "backoff": 0.5, "health": 1, "body-seconds": 3}
SMALL = 100_000
"""Bytes up to which a single upload stays in memory here."""


def until(happened: Callable[[], object], seconds: float = 60, what: str = "it") -> None:
    """Return once ``happened``; fail when that takes too long."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds} s"
        time.sleep(0.03)


@dataclass
class Site:
    """Web processes and workers on one database and one queue.

    What they accepted is checked by :class:`tests.faults.promise.Promise`.
    """

    program: Path
    folder: Path
    settings: dict[str, str | int] = field(default_factory=dict)
    running: list[Program] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        for name in ("uploads", "logs", "tmp", "failpoints"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name, value in {**TIMES, "small": SMALL}.items():
            self.constant(name, value)
        self.settings = {
            "STATE_DIR": str(self.folder / "instance"),
            "UPLOAD_DIR": str(self.folder / "uploads"),
            "LOG_DIR": str(self.folder / "logs"),
            "TMPDIR": str(self.folder / "tmp"),
            "FAILPOINTS": str(self.folder / "failpoints"),
            "MASTER_KEYS": secrets.MASTER_KEYS,
            "SECRET_KEY": secrets.SECRET_KEY,
            "WEB_WORKERS": 1,
            **self.settings,
        }

    def start_web(self, port: int | None = None, **more: str | int) -> Client:
        """Web processes, on the same port each time; returns once they answer."""
        client = Client(port or self.port)
        web = self._start(WEB, PORT=client.port, **more)
        web.wait_for(lambda: client.answers("/healthz"))
        return client

    def start_worker(self, workers: int = 2, **more: str | int) -> Program:
        """A worker with so many processes; returns once all of them run."""
        worker = self._start((*WORKER, str(workers)), **more)
        worker.wait_for(lambda: len(worker.processes()) >= workers + 2)
        return worker

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What ``flask --app wsgi ...`` says here."""
        return subprocess.run(
            [*FLASK, *words],
            cwd=self.program,
            env=environment(**self.settings),
            capture_output=True,
            text=True,
            check=False,
        )

    def end(self, *, spared: int = 0) -> None:
        """Kill everything but the first ``spared`` programs: none gets a chance to clean up."""
        for program in self.running[spared:]:
            program.kill()
        del self.running[spared:]

    def constant(self, name: str, value: float) -> None:
        """Put ``value`` in place of one of the program's constants, for what starts from now on."""
        (self.folder / "failpoints" / f"{name}.value").write_text(str(value))

    def arm(self, step: str, action: str = "KILL") -> None:
        """The next process to reach ``step`` is stopped there."""
        (self.folder / "failpoints" / step).write_text(action)

    def reached(self, step: str) -> list[int]:
        """The processes that were stopped at a step."""
        found = (self.folder / "failpoints").glob(f"{step}.[0-9]*")
        return [int(file.name.rpartition(".")[2]) for file in found]

    @contextmanager
    def stopped_at(self, step: str) -> Iterator[Callable[[], int]]:
        """A process stops at ``step`` (the function waits for it) and goes on after the block."""
        self.arm(step, "STOP")
        try:
            yield lambda: self._waited_for(step)
        finally:
            (self.folder / "failpoints" / step).unlink(missing_ok=True)
            for pid in self.reached(step):
                _signal(pid, signal.SIGCONT)
            self.forget(step)

    def forget(self, step: str) -> None:
        """What a step stopped before counts no more."""
        for file in (self.folder / "failpoints").glob(f"{step}.[0-9]*"):
            file.unlink()

    def _waited_for(self, step: str) -> int:
        until(lambda: self.reached(step), what=step)
        return self.reached(step)[0]

    def _start(self, command: Sequence[str], **more: str | int) -> Program:
        started = Program(command, self.program, environment(**{**self.settings, **more}))
        self.running.append(started)
        return started

    def log(self, text: str) -> bool:
        """Whether a running program has said ``text``."""
        return any(program.said(text) for program in self.running)

    def open_files(self) -> Iterator[Path]:
        """Regular files that the processes hold open, deleted ones too, outside the folder."""
        for program in self.running:
            for pid in program.processes():
                yield from _open_files(pid, program.process.pid)


def sent_until_answered(send: Callable[[], Answer], seconds: float = 60) -> Answer:
    """What a client does that was cut off or told to come back: the same again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = send()
        except OSError:
            answer = Answer(0, {}, b"")
        if answer.status in (200, 201, 202) or time.monotonic() > deadline:
            return answer
        assert answer.status in (0, 503), (answer.status, answer.content)
        time.sleep(0.1)


def _open_files(pid: int, _group: int) -> Iterator[Path]:
    try:
        handles = list(Path(f"/proc/{pid}/fd").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return  # it ended meanwhile
    for handle in handles:
        try:
            target = os.readlink(handle)
        except FileNotFoundError:
            continue  # closed meanwhile
        if target.startswith("/") and not target.startswith(("/dev/", "/proc/")):
            yield handle


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it was killed meanwhile
