"""Base64 (RFC 4648) inside a JSON string, decoded as it streams by."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable

from webapp.services.batch_errors import Base64Invalid, BatchMalformed

_PREFIX = b"data:"
_PREFIX_LIMIT = 2048
_WHITE = b" \t\r\n"
_ESCAPE = re.compile(rb"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_SIMPLE = {b"t": b"\t", b"n": b"\n", b"r": b"\r", b"/": b"/", b'"': b'"', b"b": b"\b", b"f": b"\f"}


class Base64Stream:
    """Takes the raw pieces of a JSON string, hands decoded bytes to ``write``.

    White space is passed over; a ``data:...;base64,`` in front is too.
    Raises Base64Invalid, and BatchMalformed for an escape that JSON does not have.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._head: bytes | None = b""
        self._carry = b""
        self._padded = False

    def feed(self, raw: bytes) -> None:
        """The next piece, with its escapes whole."""
        if b"\\" in raw:
            raw = _without_escapes(raw)
        if self._head is not None:
            raw = self._without_prefix(self._head + raw)
        if raw:
            self._decode(raw)

    def finish(self) -> None:
        """The string has ended; what is incomplete now is invalid."""
        if self._head:
            self._decode(self._head)
        if self._carry.translate(None, _WHITE):
            raise Base64Invalid

    def _without_prefix(self, head: bytes) -> bytes:
        start = head[: len(_PREFIX)].lower()
        if not _PREFIX.startswith(start):
            self._head = None
            return head
        comma = head.find(b",", 0, _PREFIX_LIMIT)
        if comma < 0:
            if len(head) >= _PREFIX_LIMIT:
                raise Base64Invalid
            self._head = head  # too little to tell
            return b""
        if not head[:comma].lower().rstrip().endswith(b";base64"):
            raise Base64Invalid
        self._head = None
        return head[comma + 1 :]

    def _decode(self, text: bytes) -> None:
        if self._carry:
            text = self._carry + text
        try:
            self._decode_fours(text)
        except binascii.Error:
            clean = text.translate(None, _WHITE)
            if len(clean) == len(text):
                raise Base64Invalid from None
            self._carry = b""
            self._decode(clean)

    def _decode_fours(self, text: bytes) -> None:
        whole = len(text) & ~3
        view = memoryview(text)[:whole]
        decoded = binascii.a2b_base64(view, strict_mode=True)
        self._carry = text[whole:]
        if not whole:
            return
        if self._padded:
            raise Base64Invalid
        self._padded = text[whole - 1] == ord("=")
        self._write(decoded)


def _without_escapes(raw: bytes) -> bytes:
    """JSON's escapes undone: fast for slashes as PHP writes them, and for lines as MIME does."""
    if raw.count(b"\\") == raw.count(b"\\/"):
        return raw.translate(None, b"\\")
    if b"\\\\" in raw:
        raise Base64Invalid  # a backslash is no base64
    raw = raw.replace(b"\\r\\n", b"")
    if b"\\" in raw:
        raw = raw.replace(b"\\n", b"").replace(b"\\/", b"/")
    return _ESCAPE.sub(_undone, raw) if b"\\" in raw else raw


def _undone(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    if len(code) > 1:
        return bytes([min(int(code[1:], 16), 0xFF)])
    try:
        return _SIMPLE[code]
    except KeyError:
        raise BatchMalformed from None
