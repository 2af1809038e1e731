"""The decoding helper: a process that decodes untrusted pixels, and nothing else.

It is started by ``services/sandbox.py`` with an empty environment and a socket as
standard input. It cannot write files, dump core or outgrow its memory, and every job
has a time. What it answers is a result or a code, never an exception's text. Its end
comes with its parent's, whatever ended that.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from webapp.errors import Rejected
from webapp.pipeline import messages
from webapp.pipeline.codecs import decode_frame
from webapp.pipeline.convert import Limits, convert_parts
from webapp.pipeline.messages import Header
from webapp.pipeline.pixels import PixelModule
from webapp.pipeline.recognise import Kind
from webapp.pipeline.source import Buffer

Answer = tuple[Header, Sequence[Buffer]]
_GROWTH_TO_KEEP = 256 << 20
"""A helper that holds more than this after a job is replaced."""


def main(memory_growth: int) -> None:
    """Serve jobs on standard input, a socket, until the other side closes it."""
    connection = socket.socket(fileno=os.dup(0))
    _ignore_the_terminal()
    _exit_with(connection)
    start = _address_space()
    _confine(start + memory_growth)
    while True:
        try:
            job, payload = messages.receive(connection)
        except (EOFError, OSError):
            return
        _allow_processor_time(int(job["cpu_seconds"]))
        header, parts = _answer(job, payload)
        del payload
        expected = start + sum(len(part) for part in parts) + _GROWTH_TO_KEEP
        header["retire"] = header.get("retire", False) or _address_space() > expected
        messages.send(connection, header, parts)
        del parts
        gc.collect()


def _answer(job: Header, payload: bytes) -> Answer:
    """Never raises: an error becomes its code, a bug or lack of memory the job's own."""
    try:
        return _JOBS[job["job"]](job, payload)
    except Rejected as error:
        return {"error": error.code, "facts": error.facts, "retire": _lacks_memory(error)}, ()
    except Exception as error:
        # The text of it may hold what a file holds, so that not even a log gets it.
        return {"error": None, "retire": _lacks_memory(error)}, ()


def _lacks_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__
    return False


def _convert(job: Header, payload: bytes) -> Answer:
    limits = Limits(max_pixels=job["max_pixels"])
    parts, notes = convert_parts(payload, Kind(job["kind"]), bytes.fromhex(job["group"]), limits)
    return {"notes": notes}, parts


def _decode(job: Header, payload: bytes) -> Answer:
    decoded = decode_frame(PixelModule(**job["module"]), payload, job["shrink"])
    samples = np.ascontiguousarray(decoded.samples)
    header = {
        "module": asdict(decoded.module),
        "dtype": samples.dtype.str,
        "shape": samples.shape,
    }
    return header, (samples.reshape(-1).view(np.uint8).data,)


_JOBS: dict[str, Callable[[Header, bytes], Answer]] = {
    "convert": _convert,
    "decode": _decode,
}


def _ignore_the_terminal() -> None:
    """Ctrl-C and a TERM to the whole group end the parent, in its own time; this follows it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _exit_with(connection: socket.socket) -> None:
    """End at once when the parent closes or dies, in mid-job too.

    PDEATHSIG would follow the thread that started this process, not the process.
    """

    def watch() -> None:
        poll = select.poll()
        poll.register(connection, select.POLLRDHUP)
        poll.poll()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _address_space() -> int:
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _confine(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _allow_processor_time(seconds: int) -> None:
    """The limit counts the life of the process: it is moved on before each job."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + seconds, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]))
