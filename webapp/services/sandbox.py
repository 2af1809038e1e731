"""Decoding in helper processes, so that a hostile picture costs one job and nothing else.

The helpers are started when first needed, stay warm, and are replaced when they die,
grow or run over their time. Any thread may call; after a fork each process has helpers
of its own. Popen, because Huey's workers are daemonic and may not use multiprocessing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import webapp.errors
from webapp.errors import Rejected
from webapp.pipeline import convert, errors, messages
from webapp.pipeline.codecs import Decoded
from webapp.pipeline.convert import Converted, Limits
from webapp.pipeline.messages import Deadline, Header
from webapp.pipeline.pixels import PixelModule
from webapp.pipeline.recognise import Kind
from webapp.pipeline.render import RawFrame, Rendered, RenderOptions, raw_frame, render
from webapp.pipeline.source import Buffer, Source

# Nothing of this process's environment, which holds keys and passwords.
_ENVIRONMENT = {
    "PYTHONPATH": str(Path(webapp.errors.__file__).parent.parent),
    "LC_ALL": "C.UTF-8",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}
_KINDS = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, Rejected)
}


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one helper and one job may take.

    ``memory``: bytes of address space beyond what the helper maps when it starts.
    ``cpu_seconds`` and ``wall_seconds`` are one job's.
    """

    helpers: int = 2
    memory: int = 1 << 30
    cpu_seconds: int = 60
    wall_seconds: float = 90.0


class Sandbox:
    """A bounded pool of helpers; a further job waits for one to be free."""

    def __init__(self, limits: SandboxLimits | None = None) -> None:
        self.limits = limits or SandboxLimits()
        self._reset()
        _every_sandbox.add(self)

    def convert(self, content: Buffer, kind: Kind, group: bytes, limits: Limits) -> Converted:
        """As :func:`webapp.pipeline.convert.convert`; what needs no decoder stays in process.

        Raises the same, and ImageDamaged when the helper died or ran out of time or memory.
        """
        if not convert.needs_decoding(content, kind):
            return convert.convert(content, kind, group, limits)
        job = {
            "job": "convert",
            "kind": kind.value,
            "group": group.hex(),
            "max_pixels": limits.max_pixels,
        }
        header, payload = self._run(job, [content], errors.ImageDamaged)
        return Converted(payload, tuple(header["notes"]))

    def render(self, source: Source, options: RenderOptions) -> Rendered:
        """As :func:`webapp.pipeline.render.render`; only a compressed frame is decoded outside.

        Raises the same, and DecodeFailed when the helper died or ran out of time or memory.
        """
        return render(source, options, self.decode_frame)

    def raw_frame(self, source: Source, frame: int) -> RawFrame:
        """As :func:`webapp.pipeline.render.raw_frame`, decoding and failing as :meth:`render`."""
        return raw_frame(source, frame, self.decode_frame)

    def decode_frame(self, module: PixelModule, frame: Buffer, shrink: int = 1) -> Decoded:
        """As :func:`webapp.pipeline.codecs.decode_frame`."""
        job = {"job": "decode", "module": asdict(module), "shrink": shrink}
        header, payload = self._run(job, [frame], errors.DecodeFailed)
        samples = np.frombuffer(payload, header["dtype"]).reshape(header["shape"])
        return Decoded(samples, PixelModule(**header["module"]))

    def pids(self) -> list[int]:
        """Of the helpers there are, idle or at work."""
        return sorted(helper.pid for helper in self._all)

    def close(self) -> None:
        """End the idle helpers; those at work end with their job."""
        with self._lock:
            self._is_closed = True
            while self._idle:
                self._drop(self._idle.pop())

    def _run(
        self, job: Header, parts: Sequence[Buffer], failure: type[Rejected]
    ) -> tuple[Header, bytes]:
        job["cpu_seconds"] = self.limits.cpu_seconds
        with self._helper() as helper:
            try:
                header, payload = helper.ask(job, parts, self.limits.wall_seconds)
            except (OSError, EOFError, ValueError) as error:
                raise failure from error
        if "error" in header:
            raise _rejection(header, failure)
        return header, payload

    @contextlib.contextmanager
    def _helper(self) -> Iterator[_Helper]:
        """One helper for one job: a warm one, or a new one."""
        with self._free:
            helper = self._warm() or self._started()
            try:
                yield helper
            finally:
                self._give_back(helper)

    def _warm(self) -> _Helper | None:
        with self._lock:
            while self._idle:
                helper = self._idle.pop()
                if helper.is_alive():
                    return helper
                self._drop(helper)
        return None

    def _started(self) -> _Helper:
        helper = _Helper(self.limits.memory)
        self._all.add(helper)
        return helper

    def _give_back(self, helper: _Helper) -> None:
        with self._lock:
            if helper.is_usable and not self._is_closed:
                self._idle.append(helper)
            else:
                self._drop(helper)

    def _drop(self, helper: _Helper) -> None:
        self._all.discard(helper)
        helper.end()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(self.limits.helpers)
        self._idle: list[_Helper] = []
        self._all: set[_Helper] = set()
        self._is_closed = False

    def _after_fork(self) -> None:
        """The helpers are the parent process's: let go of its sockets, or they outlive it."""
        for helper in self._all:
            helper.forget()
        self._reset()


class _Helper:
    """One helper process and the socket to it."""

    def __init__(self, memory: int) -> None:
        self._connection, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-s", "-B", "-m", "webapp.pipeline.helper", str(memory)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
            )
        self.is_usable = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(
        self, job: Header, parts: Sequence[Buffer], wall_seconds: float
    ) -> tuple[Header, bytes]:
        """Raises OSError (TimeoutError among it), EOFError, ValueError when no answer comes."""
        self.is_usable = False
        deadline = Deadline.after(wall_seconds)
        messages.send(self._connection, job, parts, deadline)
        header, payload = messages.receive(self._connection, deadline)
        self.is_usable = not header.get("retire")
        return header, payload

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """Kill and reap. It has no children of its own and holds nothing to be saved."""
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def forget(self) -> None:
        """In a forked child: close the socket; the process is not ours to reap."""
        self._connection.close()
        self._process.returncode = 0


def _rejection(header: Header, failure: type[Rejected]) -> Rejected:
    kind = _KINDS.get(header["error"] or "")
    return kind(**header.get("facts", {})) if kind else failure()


_every_sandbox: weakref.WeakSet[Sandbox] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for sandbox in _every_sandbox:
        sandbox._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
