"""What large files cost in memory: ``python -m bench.memory`` or see ``--help``.

Starts the program as ``make run`` does and gives it a DICOM file of 2 GB, fetches that again,
a JSON batch of half as much in base64, a ZIP of twice as much in 2,000 files, and ten such
DICOM files at once. Prints the most that any one process held resident, as the kernel counted
it, and the most that all held together: to be at most 400 MB, and 1,500 MB.
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from bench.end_to_end.servers import SUPERVISOR
from bench.memory import bodies
from bench.memory.watch import Watch
from tests import running, servers
from tests import secrets_of_tests as secrets
from tests.hostile.memory import forget, peaks
from tests.running import Program


def main() -> None:
    options = _options()
    size = int(options.gigabytes * 1e9)
    with tempfile.TemporaryDirectory() as name, _serving(Path(name)) as program:
        uploaded = _shown(program, "one upload", lambda: _upload(program, size))
        _shown(program, "its download", lambda: _download(program, uploaded["upload_id"]))
        _shown(program, "a batch in base64", lambda: _batch(program, bodies.batch(size // 2)))
        archive = bodies.archive(size * 2, Path(name))
        _shown(program, "a ZIP of 2,000 files", lambda: _batch(program, archive))
        what = f"{options.at_once} uploads at once"
        _shown(program, what, lambda: _at_once(program, size, options.at_once))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of the one large file")
    parser.add_argument("--at-once", type=int, default=10, metavar="UPLOADS")
    return parser.parse_args()


@contextmanager
def _serving(folder: Path) -> Iterator[Program]:
    place = running.copy_of_the_program(folder / "program")
    port = servers.free_port()
    settings = {"EMBEDDED": 1, "PORT": port, "BOOTSTRAP_API_KEY": secrets.API_KEY}
    with running.program(SUPERVISOR, place, **settings) as program:
        program.wait_for(program.answers)
        yield program


def _shown(program: Program, what: str, work: Callable[[], Any]) -> Any:
    """Do ``work``, and print what it took."""
    forget(program)
    began = time.monotonic()
    with Watch(program) as watch:
        done = work()
    seconds, most = time.monotonic() - began, max(peaks(program).values())
    print(
        f"{what:22} {seconds:7.1f} s {most / 1e6:7.0f} MB in one process "
        f"{watch.together / 1e6:7.0f} MB in all",
        flush=True,
    )
    return done


def _upload(program: Program, size: int) -> Any:
    return _sent(program, "/upload", bodies.dicom(size))


def _at_once(program: Program, size: int, uploads: int) -> None:
    with ThreadPoolExecutor(uploads) as threads:
        list(threads.map(lambda _: _upload(program, size), range(uploads)))


def _batch(program: Program, body: bodies.Body) -> None:
    """Send it, and wait until all its files are worked on."""
    path = f"/upload/batch/{_sent(program, '/upload/batch', body)['batch_id']}/status"
    while program.ask_json("GET", path)["status"] not in ("completed", "failed"):
        time.sleep(0.5)


def _download(program: Program, upload_id: str) -> None:
    with closing(_connection(program)) as connection:
        path = f"/upload/{upload_id}/preprocessed-dicom"
        connection.request("GET", path, headers=secrets.bearer())
        answer = connection.getresponse()
        while answer.read(1 << 20):
            pass


def _sent(program: Program, path: str, body: bodies.Body) -> Any:
    chunked = body.length is None
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(body.length)}
    headers = {**secrets.bearer(), **body.headers, **framing}
    with closing(_connection(program)) as connection:
        connection.request("POST", path, body.pieces, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        if answer.status not in (201, 202):
            raise SystemExit(f"{path} was answered with {answer.status}")
        return json.loads(answer.read())


def _connection(program: Program) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", int(program.port), timeout=1800)


if __name__ == "__main__":
    main()
