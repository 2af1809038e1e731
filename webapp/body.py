"""Request bodies: whole or refused, drained before an early answer, never plain on a disk.

Servers hand on a body that was torn off as an ordinary short one, Werkzeug
stops at a limit without a word and spools parts of a form to plain files.
:class:`BodyGuard` goes around the app, :class:`SealingRequest` is its request.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, cast

from flask import Request, current_app
from werkzeug.utils import cached_property
from werkzeug.wsgi import ClosingIterator

from webapp.forms import StrictFormParser
from webapp.guarded_input import STEP, Environ, GuardedInput
from webapp.guarded_input import BodyIncomplete as BodyIncomplete
from webapp.guarded_input import BodyTooLarge as BodyTooLarge

DRAIN_BYTES = 64 << 20
DRAIN_SECONDS = 10.0

StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class BodyGuard:
    """WSGI middleware: guards the body, and reads what the app left of it before the answer.

    A client that is still sending would otherwise see a broken pipe and never
    the answer. At most ``drain_bytes`` are read, for at most ``drain_seconds``;
    after more than that, or a torn body, the connection is closed.

    gunicorn and Werkzeug answer ``Expect: 100-continue`` before the app is
    called, so such a body is on its way and drained like any other.
    """

    def __init__(
        self,
        app: Application,
        drain_bytes: int = DRAIN_BYTES,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._app = app
        self._drain_bytes = drain_bytes
        self._drain_seconds = drain_seconds

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = GuardedInput(environ)
        environ["wsgi.input"] = body
        environ["wsgi.input_terminated"] = True
        if body.ended:
            return self._app(environ, start_response)
        gate = _Gate(start_response, lambda: self._drain(body, environ))
        pieces = self._app(environ, gate.start_response)
        close = getattr(pieces, "close", None)
        return ClosingIterator(gate.through(pieces), [close] if close else [])

    def _drain(self, body: GuardedInput, environ: Environ) -> bool:
        """Whether the body has been read to its end."""
        body.limit = None
        if body.ended or body.failed:
            return body.ended
        timer = threading.Timer(self._drain_seconds, _stop_receiving, [environ])
        timer.daemon = True
        timer.start()
        try:
            return self._read_rest(body)
        except BodyIncomplete:
            return False
        finally:
            timer.cancel()

    def _read_rest(self, body: GuardedInput) -> bool:
        stop = body.position + self._drain_bytes
        deadline = time.monotonic() + self._drain_seconds
        while not body.ended and body.position < stop and time.monotonic() < deadline:
            body.read(min(STEP, stop - body.position))
        # Past the deadline the timer may have fired: nothing can be read any more.
        return body.ended and time.monotonic() < deadline


class _Gate:
    """Holds the answer back until the body is drained."""

    def __init__(self, start_response: StartResponse, drain: Callable[[], bool]) -> None:
        self._start_response = start_response
        self._drain = drain
        self._answer: tuple[str, list[tuple[str, str]]] | None = None
        self._write: Callable[[bytes], object] | None = None

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        if self._write is not None:
            return self._start_response(status, headers, exc_info)
        self._answer = status, headers
        return self.write

    def write(self, piece: bytes) -> None:
        self._open()(piece)

    def through(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._open()
            yield piece
        self._open()

    def _open(self) -> Callable[[bytes], object]:
        if self._write is None:
            assert self._answer is not None, "the app began its body before its head"
            status, headers = self._answer
            if not self._drain():
                headers = [*headers, ("Connection", "close")]
                _force_close(self._start_response)
            self._write = self._start_response(status, headers)
        return self._write


class SealingRequest(Request):
    """A request whose uploaded parts go where ``app.extensions["part_factory"]`` says.

    The factory is called without arguments, once for each file part, and gives
    a writable, seekable binary stream; without one, parts stay in memory. All
    of them are closed with the request.
    """

    form_data_parser_class = StrictFormParser

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._parts: list[IO[bytes]] = []

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body. Raises BodyIncomplete, or BodyTooLarge over ``max_content_length``."""
        body = self.environ["wsgi.input"]
        if not isinstance(body, GuardedInput):
            body = GuardedInput(self.environ)
        body.limit = self.max_content_length
        if body.limit is not None and (self.content_length or 0) > body.limit:
            raise BodyTooLarge(limit=body.limit)
        return cast("IO[bytes]", body)

    def close(self) -> None:
        """Close every part, also those of a form that broke off."""
        super().close()
        for part in self._parts:
            part.close()

    def _get_file_stream(self, *_args: Any, **_kwargs: Any) -> IO[bytes]:
        factory = current_app.extensions.get("part_factory", io.BytesIO)
        part: IO[bytes] = factory()
        self._parts.append(part)
        return part


def _stop_receiving(environ: Environ) -> None:
    """Wake a read that waits for the client, as if it had gone; sending still works."""
    sock = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if isinstance(sock, socket.socket):
        try:
            sock.shutdown(socket.SHUT_RD)
        except OSError:
            return  # the client is gone, and so is the wait


def _force_close(start_response: StartResponse) -> None:
    """gunicorn drops an app's Connection header; its own response object has a method for it."""
    force_close = getattr(getattr(start_response, "__self__", None), "force_close", None)
    if force_close is not None:
        force_close()
