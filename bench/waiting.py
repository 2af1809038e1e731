"""Does a long queue keep others waiting? ``python -m bench.waiting [--files 10000] [--scaled]``.

Starts the program as ``make run`` does (or on PostgreSQL and Redis), measures how soon it
serves and what an idle worker holds, then single uploads and a page, first with nothing to do
and then while a batch of many pictures is worked off. What counts is the ratio of the
medians: at most 1.3.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from PIL import Image

from bench.end_to_end.corpus import samples
from bench.end_to_end.servers import SUPERVISOR, databases
from bench.growth.visits import Visitor
from tests import running, servers
from tests import secrets_of_tests as secrets
from tests.hostile.memory import resident
from tests.running import Program

NUMBERS = count(1)
PAGES = ("/gallery", "/uploads/new")


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        settings = stack.enter_context(databases()) if options.scaled else {}
        program = _started(Path(name), settings, stack)
        visitor = Visitor(int(program.port)).logged_in(secrets.ADMIN_EMAIL, secrets.ADMIN_PASSWORD)
        idle = _measured(program, visitor, options.rounds)
        status = _send(program, options.files)
        busy = _measured(program, visitor, options.rounds)
        left = program.ask_json("GET", status)
        print(f"with {left['total_files'] - left['processed_files']:,} files still waiting:")
        for what, times in idle.items():
            one, other = statistics.median(times), statistics.median(busy[what])
            print(f"  {what:22} {one:6.1f} ms idle {other:6.1f} ms busy, {other / one:.2f} x")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.waiting", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--scaled", action="store_true", help="on PostgreSQL and Redis")
    return parser.parse_args()


def _started(folder: Path, more: dict[str, str], stack: ExitStack) -> Program:
    """The program, started twice: the second time everything is made already."""
    place = running.copy_of_the_program(folder / "program")
    settings = {
        "EMBEDDED": 1,
        "PORT": servers.free_port(),
        "BOOTSTRAP_API_KEY": secrets.API_KEY,
        "ADMIN_EMAIL": secrets.ADMIN_EMAIL,
        "ADMIN_PASSWORD": secrets.ADMIN_PASSWORD,
        "RATE_LIMITS": "off",
        **more,
    }
    with running.program(SUPERVISOR, place, **settings) as first:
        first.wait_for(first.answers, 120)
        first.end()
    began = time.monotonic()
    program = stack.enter_context(running.program(SUPERVISOR, place, **settings))
    program.wait_for(program.answers)
    print(f"serves after {time.monotonic() - began:.1f} s, warm, on {os.cpu_count()} cores")
    time.sleep(3)  # the worker is up a little later than the web
    held = resident(program)
    workers = [held[pid] for pid, line in program.processes().items() if "worker" in line]
    print(f"an idle worker process holds {max(workers) / 1e6:.0f} MB")
    return program


def _measured(program: Program, visitor: Visitor, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each, in turns."""
    frontend = Visitor(int(program.port), {**secrets.bearer(), "X-File-Name": "ct.dcm"})
    pages = {page: visitor.visit(page) for page in PAGES}
    found: dict[str, list[float]] = {what: [] for what in ("upload of 0.5 MB", *pages)}
    for _ in range(rounds):
        content = samples()["CT"].copy(next(NUMBERS))
        found["upload of 0.5 MB"].append(frontend.send("/upload", content))
        for page, visit in pages.items():
            found[page].append(visit())
    return found


def _send(program: Program, files: int) -> str:
    """A batch of small pictures; the path of its status."""

    pictures = (base64.b64encode(_picture(number)).decode() for number in range(files))
    named = [{"filename": f"{n}.png", "content": content} for n, content in enumerate(pictures)]
    body = json.dumps({"files": named}).encode()
    headers = {"Content-Type": "application/json"}
    status, answer = program.ask("POST", "/upload/batch", body, headers)
    if status != 202:
        raise SystemExit(f"the batch was answered with {status}")
    return f"/upload/batch/{json.loads(answer)['batch_id']}/status"


def _picture(number: int) -> bytes:
    stream = io.BytesIO()
    colour = (number % 256, number // 256 % 256, 7)
    Image.new("RGB", (64, 64), colour).save(stream, "PNG")
    return stream.getvalue()


if __name__ == "__main__":
    main()
