"""``make run``: the web processes and a worker under one small parent.

Runs ``flask setup``, then serves: ``gunicorn wsgi:app`` and ``flask --app wsgi
worker``. The end of either ends both; one Ctrl-C, TERM or closed terminal ends
everything.

Every process stays in the session and process group that ``make`` was started
in, so a Ctrl-C reaches all of them at once. The children have that signal
masked: this process alone decides, and tells them with TERM, which both take as
"finish what is in hand". What has not ended after ``PATIENCE`` seconds is killed.

Imports nothing of ours: it is up at once, and the web processes load while
``setup`` still works, held back by a gate (see ``gunicorn.conf.py``).
"""

from __future__ import annotations

import ctypes
import errno
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from dotenv import dotenv_values

HOST, PORT = "127.0.0.1", "8000"  # as config.py has them
PATIENCE = 8.0  # seconds between TERM and KILL
POLL = 0.03  # seconds between two looks at a server that is starting
GATE = "START_GATE"

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

STOPS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
MASKED = {signal.SIGINT, signal.SIGHUP}  # in the children: a terminal's signals are ours

FLASK = (sys.executable, "-m", "flask", "--app", "wsgi")
SETUP = (*FLASK, "setup")
ASSETS = (
    sys.executable,
    "-c",
    "from wsgi import app; from webapp.assets import build_assets; build_assets(app)",
)
WEB = (sys.executable, "-m", "gunicorn", "wsgi:app")
WORKER = (*FLASK, "worker")

_libc = ctypes.CDLL(None, use_errno=True)

Child = subprocess.Popen[bytes]


def main() -> int:
    """Serve until told to stop; the exit code is 0 only for a stop that was asked for."""
    host, port = address()
    obstacle = port_obstacle(host, port)
    if obstacle:
        print(obstacle, file=sys.stderr, flush=True)
        return 1
    _become_parent()
    supervisor = Supervisor(host, port)
    try:
        return supervisor.run()
    finally:
        supervisor.stop()


def address() -> tuple[str, int]:
    """Where to serve; a malformed port is 0 here, and ``setup`` says what is wrong with it."""
    known = {**dotenv_values(".env"), **os.environ}
    host, port = known.get("HOST") or HOST, known.get("PORT") or PORT
    return host, int(port) if port.isdecimal() and 0 < int(port) < 65536 else 0


def port_obstacle(host: str, port: int) -> str | None:
    """One sentence that says why ``host:port`` cannot be served on, or None."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, place = found[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
            trial.listen(1)
    except PermissionError:
        return f"Port {port} may not be opened by this user; set PORT to one above 1023."
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"Port {port} on {host} is in use; stop what uses it, or set another PORT."
        return f"{host} is not an address of this machine; set HOST to one that is."
    return None


class Supervisor:
    """Set-up, web and worker: started in turn, ended together."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.parts: dict[str, Child] = {}
        self.steps: list[Child] = []

    def run(self) -> int:
        """Serve until a signal asks for the end (0) or a part ends by itself (1)."""
        gate, opened = os.pipe()
        self.parts["web"] = _start(WEB, {GATE: str(gate)}, (gate,))
        os.close(gate)
        code = self._prepare()
        if code is not None:
            return code
        os.write(opened, b"1")
        self.parts["worker"] = _start(WORKER)
        code = self._watch(POLL, lambda: answers(*self.address))
        if code is not None:
            return code
        print(f"Serving on {url(*self.address)}", flush=True)
        return self._watch(1.0, lambda: False) or 0

    def _prepare(self) -> int | None:
        for command in (SETUP, ASSETS) if assets_stale() else (SETUP,):
            step = _start(command)
            self.steps.append(step)
            code = self._watch(POLL, partial(_has_ended, step))
            if code is not None or step.returncode:
                return code if code is not None else 1
        return None

    def _watch(self, pause: float, reached: Callable[[], bool]) -> int | None:
        """Wait for ``reached``; an exit code when the end comes first."""
        while not reached():
            if _next_signal(pause) in STOPS:
                print("Stopping.", flush=True)
                return 0
            for name, part in self.parts.items():
                if _has_ended(part):
                    print(f"The {name} ended (exit code {part.returncode}).", file=sys.stderr)
                    return 1
        return None

    def stop(self) -> None:
        """End whatever runs; see :func:`stop`."""
        stop([*self.parts.values(), *self.steps])


def stop(children: Sequence[Child]) -> None:
    """TERM, then KILL after ``PATIENCE`` seconds or a second Ctrl-C; nothing is left behind."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + PATIENCE
    while any(child.poll() is None for child in children):
        left = deadline - time.monotonic()
        if left <= 0 or _next_signal(min(left, 0.5)) == signal.SIGINT:
            break
    _kill_descendants()


def answers(host: str, port: int) -> bool:
    """Whether the web processes take requests."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(reachable, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False  # not yet: the caller asks again
    finally:
        connection.close()


def assets_stale() -> bool:
    """Whether a style sheet or script is newer than what was built of them."""
    static = Path("static")
    built = static / "dist" / "manifest.json"
    if not built.exists():
        return True
    sources = (file for file in static.rglob("*") if file.parent != built.parent)
    return any(file.stat().st_mtime > built.stat().st_mtime for file in sources if file.is_file())


def url(host: str, port: int) -> str:
    """The address a person opens in a browser."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _start(
    command: Sequence[str], extra: Mapping[str, str] | None = None, keep: Sequence[int] = ()
) -> Child:
    return subprocess.Popen(
        command,
        env={**os.environ, **(extra or {})},
        stdin=subprocess.DEVNULL,
        pass_fds=keep,
        preexec_fn=_as_child,
    )


def _has_ended(child: Child) -> bool:
    return child.poll() is not None


def _become_parent() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {*STOPS, signal.SIGCHLD})
    # Orphans come to us, so that none outlives the stop; and we do not outlive make.
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _die_with_parent()


def _as_child() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, MASKED)
    _die_with_parent()


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def _next_signal(seconds: float) -> int | None:
    arrived = signal.sigtimedwait({*STOPS, signal.SIGCHLD}, seconds)
    return arrived.si_signo if arrived else None


def _kill_descendants() -> None:
    while left := list(_descendants(os.getpid(), _parents())):
        for pid in left:
            _kill(pid)
        _reap()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself in the meantime


def _reap() -> None:
    try:
        while os.waitpid(-1, 0)[0]:
            pass
    except ChildProcessError:
        return  # none left


def _descendants(pid: int, parents: Mapping[int, int]) -> Iterator[int]:
    for child, parent in parents.items():
        if parent == pid:
            yield child
            yield from _descendants(child, parents)


def _parents() -> dict[int, int]:
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command's name may hold spaces and brackets; the fields follow the last one.
            parent = stat.read_text().rpartition(")")[2].split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we were looking
        found[int(stat.parent.name)] = int(parent)
    return found


if __name__ == "__main__":
    sys.exit(main())
