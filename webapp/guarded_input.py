"""``wsgi.input`` that knows where its body ends.

Servers hand on a body that was torn off as an ordinary short one, and a limit
that is reached looks like an end.
"""

from __future__ import annotations

import io
from typing import IO, Any

from webapp.errors import Rejected

STEP = 1 << 16
Environ = dict[str, Any]


class BodyIncomplete(Rejected):
    """The body ended before its Content-Length, or its chunks before the last one."""

    code = "body-incomplete"


class BodyTooLarge(Rejected):
    """More than the request may hold, announced or really. Facts: ``limit`` (bytes)."""

    code = "too-large"


class GuardedInput(io.RawIOBase):
    """``wsgi.input`` that ends where the body ends and raises when that comes too soon.

    ``limit`` (bytes) may be set before or between reads. Raises BodyIncomplete,
    and BodyTooLarge at the first byte over the limit.
    """

    def __init__(self, environ: Environ) -> None:
        self._stream: IO[bytes] = environ["wsgi.input"]
        self._left = _announced(environ)
        self.limit: int | None = None
        self.position = 0
        self.failed = False
        self.ended = self._left == 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Up to ``size`` bytes, maybe fewer; empty at the true end of the body only."""
        if size is None or size < 0:
            return self.readall()
        if self.failed:
            raise BodyIncomplete
        if size == 0 or self.ended:
            return b""
        piece = self._read(self._allowed(size))
        self.position += len(piece)
        if self.limit is not None and self.position > self.limit:
            raise BodyTooLarge(limit=self.limit)
        return piece

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(STEP), b""))

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def _allowed(self, size: int) -> int:
        if self._left is not None:
            size = min(size, self._left)
        if self.limit is not None:
            size = min(size, max(0, self.limit - self.position) + 1)
        return size

    def _read(self, size: int) -> bytes:
        try:
            piece = self._stream.read(size)
        except Exception:  # each server has its own errors for a torn or malformed body
            self.failed = True
            raise BodyIncomplete from None
        if not piece and self._left:
            self.failed = True
            raise BodyIncomplete
        if self._left is not None:
            self._left -= len(piece)
        self.ended = not piece or self._left == 0
        return piece


def _announced(environ: Environ) -> int | None:
    """The body's length in bytes; None where only the server knows when it ends."""
    terminated = environ.get("wsgi.input_terminated", False)
    chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isascii() and length.isdigit() and not (chunked and terminated):
        return int(length)
    return None if terminated else 0
