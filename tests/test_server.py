"""The web server against slow and broken clients, with real sockets."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import free_port

ROOT = Path(__file__).parents[1]

APP = """
def app(environ, start_response):
    received = 0
    while piece := environ["wsgi.input"].read(65536):
        received += len(piece)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(received).encode()]
"""
CONFIGURATION = """
import resource
from webapp import server
server.HEAD_SECONDS, server.BODY_SECONDS = {head}, {body}
worker_class, logger_class = server.PatientWorker, server.ServiceLogger
threads, workers, worker_connections, keepalive = 400, 2, 4000, 75
accesslog, graceful_timeout, control_socket_disable = None, 5, True
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
"""


@dataclass
class Running:
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def ask(self) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with closing(connection):
            connection.request("GET", "/")
            return connection.getresponse().read()


def start(folder: Path, head: float, body: float) -> Running:
    (folder / "echo.py").write_text(APP)
    (folder / "gunicorn.conf.py").write_text(CONFIGURATION.format(head=head, body=body))
    port = free_port()
    log = folder / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "echo:app", "--bind", f"127.0.0.1:{port}"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=sink,
            stderr=sink,
        )
    running = Running(port, process, log)
    deadline = time.monotonic() + 30
    while True:
        try:
            running.ask()
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
        else:
            return running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start(tmp_path_factory.mktemp("patient"), head=10, body=30)
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The same with deadlines so short that a test can see them pass."""
    running = start(tmp_path_factory.mktemp("hasty"), head=0.2, body=0.2)
    yield running
    running.process.kill()
    running.process.wait()


def everything(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_a_thousand_unfinished_headers_keep_nobody_waiting(server: Running) -> None:
    with ExitStack() as held:
        for _ in range(1000):
            held.enter_context(server.connect()).sendall(b"GET / HTTP/1.1\r\nX-Slow: ")

        assert [server.ask() for _ in range(20)] == [b"0"] * 20


def test_three_hundred_slow_bodies_keep_nobody_waiting(server: Running) -> None:
    with ExitStack() as held:
        for _ in range(300):
            slow = held.enter_context(server.connect())
            slow.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc")

        assert [server.ask() for _ in range(20)] == [b"0"] * 20


def test_clients_that_never_close_keep_nobody_waiting(server: Running) -> None:
    with ExitStack() as held:
        for _ in range(50):
            sock = held.enter_context(server.connect())
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

        assert server.ask() == b"0"


def test_a_header_that_comes_byte_by_byte_is_answered(server: Running) -> None:
    with server.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = (
            b"\r\nPOST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
        )
        for byte in request:
            sock.sendall(bytes([byte]))

        assert everything(sock).endswith(b"\r\n\r\n1\r\n3\r\n0\r\n\r\n")


def test_requests_sent_together_are_each_answered(server: Running) -> None:
    with server.connect() as sock:
        one = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        last = one.replace(b"Host: a", b"Host: a\r\nConnection: close")
        sock.sendall(one + one + last)

        assert everything(sock).count(b"HTTP/1.1 200 OK") == 3


def test_a_connection_serves_one_request_after_another(server: Running) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        answers = []
        for size in (0, 10, 3_000_000):
            connection.request("POST", "/", body=b"x" * size)
            answers.append(connection.getresponse().read())

        assert answers == [b"0", b"10", b"3000000"]


def test_a_chunked_body_is_read_to_its_end(server: Running) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.request("POST", "/", body=iter([b"x" * 70_000] * 5), encode_chunked=True)

        assert connection.getresponse().read() == b"350000"


def test_an_unfinished_header_is_answered_408_at_its_deadline(hasty: Running) -> None:
    with hasty.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")

        answer = everything(sock)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code": "too-slow"' in answer


def test_a_connection_that_says_nothing_is_closed_at_its_deadline(hasty: Running) -> None:
    with hasty.connect() as sock:
        assert everything(sock) == b""


def test_a_body_that_comes_too_slowly_ends_short_and_its_connection_closes(hasty: Running) -> None:
    with hasty.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc")

        assert everything(sock).endswith(b"\r\n\r\n1\r\n3\r\n0\r\n\r\n")


def test_a_header_without_end_is_refused(server: Running) -> None:
    with server.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n" + b"X-Many: 12345678\r\n" * 4000)

        assert sock.recv(65536).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /Doe^Jane HTTP/9.9\r\n\r\n",
        b"GET /?name=Doe^Jane HTTP/1.1\r\nX-File-Name : Doe^Jane\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-File-Name: Doe^Jane\0.dcm\r\n\r\n",
        b"Doe^Jane\r\n\r\n",
    ],
)
def test_a_broken_request_is_refused_without_repeating_it(
    server: Running, request_bytes: bytes
) -> None:
    with server.connect() as sock:
        sock.sendall(request_bytes)
        answer = everything(sock)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Doe" not in answer
    assert b"Doe" not in server.log.read_bytes()


def test_a_stop_does_not_wait_for_idle_connections(tmp_path: Path) -> None:
    running = start(tmp_path, head=60, body=60)
    with running.connect(), running.connect():
        running.process.terminate()

        assert running.process.wait(timeout=5) == 0
