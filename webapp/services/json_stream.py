"""JSON (RFC 8259) pulled from a stream, a value at a time, strings a piece at a time.

What is not wanted is skipped without being held. Nesting and the number of
skipped values are bounded, so that no body costs more time than its length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Protocol

from webapp.services.batch_errors import BatchMalformed, BatchTooDeep

CHUNK = 1 << 18
MAX_DEPTH = 64
MAX_SKIPPED = 1_000_000
TEXT_LIMIT = 1 << 15
"""Bytes of a key or a short text; a longer one is read over."""

_SCALAR_LIMIT = 1024
_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(rb"[ \t\r\n]*+")
_SCALAR_END = re.compile(rb'[^ \t\r\n,:"\[\]{}]*+')
_SCALAR = re.compile(rb"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_RAW = re.compile(rb'[^\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^\\\x00-\x1f]*+)*+')
_BACKSLASH = 0x5C
_CLOSERS = {b"{": b"}", b"[": b"]"}


class Readable(Protocol):
    """Anything to read bytes from."""

    def read(self, size: int, /) -> bytes: ...


class JsonStream:
    """Pulls values. Raises BatchMalformed at anything that is no JSON, BatchTooDeep."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._buffer = b""
        self._at = 0
        self._skipped = 0
        if self._more() and self._buffer.startswith(_BOM):
            self._at = len(_BOM)

    def peek(self) -> bytes:
        """The next byte that is no white space, left in place; empty at the end."""
        while True:
            self._at = _SPACE.match(self._buffer, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if not self._more():
                return b""

    def members(self) -> Iterator[str | None]:
        """Keys of the object that comes next; take each one's value before the next key.

        None stands for a key too long to be held.
        """
        self._take(b"{")
        if self.peek() == b"}":
            self._take(b"}")
            return
        while True:
            key = self.text()
            self._take(b":")
            yield key
            if self._take(b",}") == b"}":
                return

    def items(self) -> Iterator[None]:
        """One turn for each value of the array that comes next; take it before the next turn."""
        self._take(b"[")
        if self.peek() == b"]":
            self._take(b"]")
            return
        while True:
            yield None
            if self._take(b",]") == b"]":
                return

    def text(self) -> str | None:
        """The string that comes next; None when it is longer than ``TEXT_LIMIT``.

        Bytes that are no UTF-8 and lone surrogates become U+FFFD.
        """
        raw = bytearray()
        for piece in self.pieces():
            check_raw(piece)
            if len(raw) <= TEXT_LIMIT:
                raw += piece
        if len(raw) > TEXT_LIMIT:
            return None
        value = json.loads(f'"{raw.decode("utf-8", "replace")}"')
        assert isinstance(value, str)
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def pieces(self) -> Iterator[bytes]:
        """The string that comes next, as it stands between its quotes, in pieces.

        An escape is never torn in two, and not undone.
        """
        self._take(b'"')
        search = self._at
        while True:
            quote = self._buffer.find(b'"', search)
            if quote < 0:
                end = len(self._buffer) - self._torn_escape()
                piece, self._at = self._buffer[self._at : end], end
                if piece:
                    yield piece
                if not self._more():
                    raise BatchMalformed
                search = self._at
            elif self._backslashes(quote) % 2:
                search = quote + 1
            else:
                piece, self._at = self._buffer[self._at : quote], quote + 1
                if piece:
                    yield piece
                return

    def skip(self) -> None:
        """Read over the value that comes next, whatever it is."""
        closers: list[bytes] = []
        while True:
            if self._skip_one(closers):
                continue
            while closers and self._take(b"," + closers[-1]) != b",":
                closers.pop()
            if not closers:
                return
            if closers[-1] == b"}":
                self._skip_key()

    def end(self) -> None:
        """Nothing but white space may follow."""
        if self.peek():
            raise BatchMalformed

    def _skip_one(self, closers: list[bytes]) -> bool:
        """A scalar, a string or an empty container; True when a container was entered."""
        self._skipped += 1
        if self._skipped > MAX_SKIPPED:
            raise BatchMalformed
        first = self.peek()
        if first == b'"':
            self._skip_string()
        elif first in _CLOSERS:
            return self._enter(first, closers)
        else:
            self._scalar()
        return False

    def _enter(self, first: bytes, closers: list[bytes]) -> bool:
        self._at += 1
        if len(closers) >= MAX_DEPTH:
            raise BatchTooDeep(limit=MAX_DEPTH)
        if self.peek() == _CLOSERS[first]:
            self._at += 1
            return False
        closers.append(_CLOSERS[first])
        if first == b"{":
            self._skip_key()
        return True

    def _skip_key(self) -> None:
        self._skip_string()
        self._take(b":")

    def _skip_string(self) -> None:
        for piece in self.pieces():
            check_raw(piece)

    def _scalar(self) -> None:
        while True:
            end = _SCALAR_END.match(self._buffer, self._at).end()  # type: ignore[union-attr]
            whole = end < len(self._buffer) or not self._more()
            if whole or len(self._buffer) - self._at > _SCALAR_LIMIT:
                break
        token = self._buffer[self._at : end]
        if len(token) > _SCALAR_LIMIT or not _SCALAR.fullmatch(token):
            raise BatchMalformed
        self._at = end

    def _take(self, allowed: bytes) -> bytes:
        found = self.peek()
        if not found or found not in allowed:
            raise BatchMalformed
        self._at += 1
        return found

    def _more(self) -> bool:
        """Read on; what is unread stays in front. False at the end of the stream."""
        chunk = self._stream.read(CHUNK)
        rest = self._buffer[self._at :]
        self._buffer = rest + chunk if rest else chunk
        self._at = 0
        return bool(chunk)

    def _backslashes(self, end: int) -> int:
        """How many backslashes stand right before ``end``, within the string being read."""
        start = end
        while start > self._at and self._buffer[start - 1] == _BACKSLASH:
            start -= 1
        return end - start

    def _torn_escape(self) -> int:
        """Bytes at the end of the buffer that may be the beginning of one escape."""
        last = self._buffer.rfind(b"\\", max(self._at, len(self._buffer) - 6))
        if last < 0 or self._backslashes(last + 1) % 2 == 0:
            return 0
        escape = self._buffer[last:]
        needed = 6 if escape[1:2] == b"u" else 2
        return len(escape) if len(escape) < needed else 0


def check_raw(piece: bytes) -> None:
    """Raises BatchMalformed for a control character or an escape that JSON does not have."""
    if not _RAW.fullmatch(piece):
        raise BatchMalformed
