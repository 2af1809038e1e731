"""gunicorn's thread worker, made to stand slow clients without a proxy in front.

A connection gets a thread only when the header of its request is complete, and
loses it when the body comes too slowly. What gunicorn itself says about a broken
request names no header, no path and no value: each can hold a patient's name.
"""

from __future__ import annotations

import errno
import json
import select
import selectors
import socket
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from gunicorn.glogging import Logger
from gunicorn.http import errors, get_parser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from webapp.failpoints import constant
from webapp.problems import code_for_status, problem_for
from webapp.security import HEADERS

HEAD_SECONDS = 10.0  # for a whole header, from its first moment
HEAD_BYTES = 32 * 1024
BODY_SECONDS = constant("body-seconds", 30)  # of waiting, in which BODY_BYTES must arrive
BODY_BYTES = 256 * 1024
LINGER_SECONDS = 2.0  # after the answer, for the client to close first
STALLED_MILLISECONDS = 60_000  # an answer of which nothing is taken any more

_SECURITY = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())

STATUSES: dict[type[Exception], int] = {
    errors.LimitRequestLine: 414,
    errors.LimitRequestHeaders: 431,
    errors.ExpectationFailed: 417,
    errors.UnsupportedTransferCoding: 501,
}


class ServiceLogger(Logger):  # type: ignore[misc]
    """gunicorn's messages go where all of the program's go, in their form."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class PacedUnreader(SocketUnreader):  # type: ignore[misc]
    """Reads a body, and ends one that comes too slowly as if its sender had gone.

    Only the time spent waiting for the client counts, not the program's own.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.stalled = False
        self.new_window()

    def new_window(self) -> None:
        self.waited = 0.0
        self.received = 0

    def chunk(self, size_hint: int | None = None) -> bytes:
        size = min(max(size_hint or 0, self.mxchunk), self.max_body_chunk)
        while not self.stalled:
            try:
                piece: bytes = self.sock.recv(size, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._wait()
                continue
            self.received += len(piece)
            return piece
        return b""

    def _wait(self) -> None:
        if self.waited >= BODY_SECONDS:
            self.stalled = self.received < BODY_BYTES
            self.new_window()
            return
        began = time.monotonic()
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        poll.poll(max(1, (BODY_SECONDS - self.waited) * 1000))
        self.waited += time.monotonic() - began


class Connection(TConn):  # type: ignore[misc]
    """A connection that collects its request's header before anything is parsed."""

    def __init__(self, *parts: Any, linger: Callable[[socket.socket], None]) -> None:
        super().__init__(*parts)
        self.linger = linger
        self.parser = get_parser(self.cfg, self.sock, self.client)
        self.parser.unreader = PacedUnreader(self.sock)
        self.initialized = self.data_ready = True
        self.head = bytearray()
        self.deadline = 0.0

    def begin_head(self) -> None:
        """Start on the next request with what was read beyond the last one."""
        self.deadline = time.monotonic() + HEAD_SECONDS
        self.head = bytearray(self.parser.unreader.take_buffered())
        self.parser.unreader.new_window()

    def head_complete(self) -> bool:
        # Blank lines may stand before a request (RFC 9112 section 2.2).
        return b"\r\n\r\n" in self.head.lstrip(b"\r\n")

    def hand_over_head(self) -> None:
        self.parser.unreader.unread(bytes(self.head))
        self.head.clear()

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self.linger(self.sock)
        else:
            super().close()


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """The thread worker whose threads wait for no header and no slow body."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heads: dict[Connection, None] = {}  # in the order of their deadlines
        self.lingering: dict[socket.socket, float] = {}

    def accept(self, listener: socket.socket) -> None:
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ECONNABORTED, errno.EMFILE):
                return  # taken by another worker, gone again, or to be tried later
            raise
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_MILLISECONDS)
        self.nr_conns += 1
        self.enqueue_req(
            Connection(self.cfg, sock, client, listener.getsockname(), linger=self._linger)
        )

    def enqueue_req(self, conn: Connection) -> None:
        """Give ``conn`` a thread once the header of its next request is complete."""
        conn.begin_head()
        if conn.head_complete():
            self._start(conn)
            return
        conn.sock.setblocking(False)
        self.heads[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._read_head, conn))

    def handle(self, conn: Connection) -> bool:
        """Serve one request in a thread; True when the connection may carry another."""
        # What is left of a body that was cut must never be read as a request.
        return bool(super().handle(conn)) and not conn.parser.unreader.stalled

    def murder_pending(self) -> None:
        """Close what has run out of time; the worker's loop calls this every second."""
        super().murder_pending()
        now = time.monotonic()
        for conn in [c for c in self.heads if c.deadline <= now or not (self.alive or c.head)]:
            self._refuse(conn, 408 if conn.head else None)
        for sock in [s for s, deadline in self.lingering.items() if deadline <= now]:
            self._forget(sock)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer what gunicorn could not parse, or failed at, by its kind alone."""
        status = next((STATUSES[kind] for kind in type(exc).__mro__ if kind in STATUSES), None)
        if status is None:
            status = 400 if isinstance(exc, errors.ParseException) else 500
        level = self.log.error if status == 500 else self.log.warning
        level("A request was ended with %s: %s", status, type(exc).__name__)
        _answer(client, status)

    def _start(self, conn: Connection) -> None:
        conn.hand_over_head()
        super().enqueue_req(conn)

    def _read_head(self, conn: Connection, sock: socket.socket) -> None:
        try:
            piece = sock.recv(HEAD_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            piece = b""  # reset by the client: the same as gone
        conn.head += piece
        if not piece:
            self._refuse(conn, None)
        elif conn.head_complete():
            self._drop_head(conn)
            self._start(conn)
        elif len(conn.head) > HEAD_BYTES:
            self._refuse(conn, 431)

    def _refuse(self, conn: Connection, status: int | None) -> None:
        self._drop_head(conn)
        self.nr_conns -= 1
        if status:
            _answer(conn.sock, status)
        conn.close(graceful=status is not None)

    def _drop_head(self, conn: Connection) -> None:
        del self.heads[conn]
        self.poller.unregister(conn.sock)

    def _linger(self, sock: socket.socket) -> None:
        # gunicorn waits here in the very loop that accepts: one client that
        # never closes would stop all others for two seconds.
        try:
            sock.setblocking(False)
            sock.shutdown(socket.SHUT_WR)
            self.poller.register(sock, selectors.EVENT_READ, self._drain)
        except (OSError, ValueError):
            sock.close()  # gone already
            return
        self.lingering[sock] = time.monotonic() + LINGER_SECONDS

    def _drain(self, sock: socket.socket) -> None:
        try:
            ended = not sock.recv(HEAD_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            ended = True
        if ended:
            self._forget(sock)

    def _forget(self, sock: socket.socket) -> None:
        del self.lingering[sock]
        self.poller.unregister(sock)
        sock.close()


def _answer(sock: socket.socket, status: int) -> None:
    reason = HTTPStatus(status).phrase
    code = code_for_status(status)
    request_id = uuid4().hex
    problem = {
        "type": f"/problems/{code}",
        "title": problem_for(code).title,
        "status": status,
        "detail": problem_for(code).detail,
        "code": code,
        "request_id": request_id,
    }
    body = json.dumps(problem).encode()
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nX-Request-ID: {request_id}\r\n"
        f"Content-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n"
        f"{_SECURITY}\r\n"
    )
    try:
        sock.setblocking(False)
        sock.send(head.encode() + body)
    except OSError:
        return  # nobody is there to read it
