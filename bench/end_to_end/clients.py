"""Clients that keep their connections, in processes of their own, and what they cost."""

from __future__ import annotations

import http.client
import json
import resource
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count as counted
from typing import Literal, NamedTuple

from bench.end_to_end.corpus import samples

PROCESSES = 2


@dataclass(frozen=True)
class Target:
    """A server to drive: whose endpoints, where, and what every request says."""

    server: Literal["ours", "orthanc"]
    port: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """What came of driving a target: seconds a file, the whole time, and the clients' own CPU."""

    seconds: tuple[float, ...]
    wall: float
    client_cpu: float
    megabytes: float

    @property
    def files_per_second(self) -> float:
        return len(self.seconds) / self.wall

    @property
    def megabytes_per_second(self) -> float:
        return self.megabytes / self.wall

    def percentile(self, share: float) -> float:
        """Seconds within which ``share`` (0 to 1) of the files were through."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


class Share(NamedTuple):
    """What one process did: seconds a file, its CPU, and from when to when (monotonic)."""

    seconds: list[float]
    cpu: float
    began: float
    ended: float


def drive(target: Target, kind: str, files: int, clients: int, first: int) -> Run:
    """Send ``files`` copies, numbered from ``first``, from as many clients; fetch each back.

    Raises:
        RuntimeError: the server answered something else than it should.
    """
    processes = min(PROCESSES, clients)
    each = files // processes
    with ProcessPoolExecutor(processes) as pool:
        jobs = [
            pool.submit(_process, target, kind, each, clients // processes, first + n * each)
            for n in range(processes)
        ]
        found = [job.result() for job in jobs]
    wall = max(share.ended for share in found) - min(share.began for share in found)
    seconds = tuple(second for share in found for second in share.seconds)
    size = len(samples()[kind].content)
    return Run(seconds, wall, sum(share.cpu for share in found), len(seconds) * size / 1e6)


def _process(target: Target, kind: str, files: int, clients: int, first: int) -> Share:
    sample, numbers, seconds = samples()[kind], counted(first), list[float]()
    last, failed = first + files, list[BaseException]()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=120)
        try:
            while (number := next(numbers)) < last:
                content = sample.copy(number)
                began = time.monotonic()
                _ROUND_TRIPS[target.server](connection, target.headers, content, sample.extension)
                seconds.append(time.monotonic() - began)
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    before, began = _cpu(), time.monotonic()
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(f"a client of {target.server} ended early") from failed[0]
    return Share(seconds, _cpu() - before, began, time.monotonic())


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _ours(
    connection: http.client.HTTPConnection, headers: Mapping[str, str], content: bytes, ext: str
) -> None:
    answer = _asked(
        connection, "POST", "/upload", content, {**headers, "X-File-Name": f"file.{ext}"}
    )
    upload_id = json.loads(answer)["upload_id"]
    path = f"/upload/{upload_id}/preprocessed-dicom"
    if len(_asked(connection, "GET", path, None, headers)) < 132:
        raise RuntimeError("what came back is no DICOM file")


def _orthanc(
    connection: http.client.HTTPConnection, headers: Mapping[str, str], content: bytes, ext: str
) -> None:
    answer = json.loads(_asked(connection, "POST", "/instances", content, headers))
    path = f"/instances/{answer['ID']}/anonymize"
    if len(_asked(connection, "POST", path, b"{}", headers)) < 132:
        raise RuntimeError("what came back is no DICOM file")


_ROUND_TRIPS = {"ours": _ours, "orthanc": _orthanc}


def _asked(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: Mapping[str, str],
) -> bytes:
    connection.request(method, path, body, dict(headers))
    response = connection.getresponse()
    content = response.read()
    if response.status not in (200, 201):
        raise RuntimeError(f"{method} was answered with {response.status}")
    return content
