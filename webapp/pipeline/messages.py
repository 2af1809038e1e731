"""What the decoding helper and its parent say to each other over one socket.

A message is a header (JSON: names, numbers and codes of our own) and a payload (the
bytes of a file), each with its length in front. Nothing else passes between the two,
no pickles and no files.
"""

from __future__ import annotations

import io
import json
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from webapp.pipeline.source import Buffer

_LENGTHS = struct.Struct("<IQ")
_CHUNK = 1 << 20
_LONGEST_HEADER = 1 << 20

Header = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock after which a wait ends; None for never."""

    moment: float | None = None

    @staticmethod
    def after(seconds: float) -> Deadline:
        return Deadline(time.monotonic() + seconds)

    def apply(self, connection: socket.socket) -> None:
        """Raises TimeoutError once it has passed."""
        if self.moment is None:
            return
        left = self.moment - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)


FOREVER = Deadline()


def send(
    connection: socket.socket, header: Header, parts: Sequence[Buffer], deadline: Deadline = FOREVER
) -> None:
    """Raises OSError when the other side is gone, TimeoutError at the deadline."""
    text = json.dumps(header).encode()
    length = sum(len(part) for part in parts)
    deadline.apply(connection)
    connection.sendall(_LENGTHS.pack(len(text), length) + text)
    for part in parts:
        view = memoryview(part)
        for at in range(0, len(view), _CHUNK):
            deadline.apply(connection)
            connection.sendall(view[at : at + _CHUNK])


def receive(connection: socket.socket, deadline: Deadline = FOREVER) -> tuple[Header, bytes]:
    """Raises EOFError when the other side is gone, TimeoutError at the deadline."""
    header_length, length = _LENGTHS.unpack(_read(connection, _LENGTHS.size, deadline))
    if header_length > _LONGEST_HEADER:
        raise EOFError
    header = json.loads(_read(connection, header_length, deadline))
    return header, _read(connection, length, deadline)


def _read(connection: socket.socket, length: int, deadline: Deadline) -> bytes:
    """Exactly ``length`` bytes; BytesIO gives them up without a second copy."""
    collected = io.BytesIO()
    buffer = memoryview(bytearray(min(length, _CHUNK)))
    left = length
    while left:
        deadline.apply(connection)
        count = connection.recv_into(buffer, min(left, _CHUNK))
        if not count:
            raise EOFError
        collected.write(buffer[:count])
        left -= count
    return collected.getvalue()
