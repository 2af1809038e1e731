"""How fast a JSON batch is read: ``python bench/batch_json.py``.

Prints MB/s of base64 for a second of one core for content as Python, PHP and MIME write it,
into a sink that only counts and into a sealing one. The goal is 200 MB/s.
"""

from __future__ import annotations

import base64
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from webapp.pipeline.source import Buffer
from webapp.services.batch_json import BatchLimits, Sink, read_batch
from webapp.storage.vault import Kind, Sealer, new_data_key

TOTAL = 256 << 20
LIMITS = BatchLimits(1 << 40, 1 << 40, 10)


class Body:
    """One file's JSON, its content made of one piece again and again."""

    def __init__(self, piece: bytes) -> None:
        self._pieces = self._all(piece)
        self._rest = b""

    def _all(self, piece: bytes) -> Iterator[bytes]:
        yield b'{"files": [{"filename": "a", "content": "'
        for _ in range(TOTAL // len(piece)):
            yield piece
        yield b'"}]}'

    def read(self, size: int, /) -> bytes:
        return next(self._pieces, b"")


class Counting:
    size = 0

    def write(self, buffer: Buffer) -> None:
        self.size += len(buffer)

    def finish(self) -> None: ...

    def close(self) -> None: ...


class Sealing:
    def __init__(self) -> None:
        self._sealer = Sealer(new_data_key(), UUID(int=1), Kind.ORIGINAL, len)

    def write(self, buffer: Buffer) -> None:
        self._sealer.update(buffer)

    def finish(self) -> None: ...

    def close(self) -> None: ...


def rate(piece: bytes, new_sink: Callable[[], Sink]) -> float:
    started = time.process_time()
    (entry,) = read_batch(Body(piece), LIMITS, new_sink)
    assert entry.error is None
    return TOTAL / 1e6 / (time.process_time() - started)


def main() -> None:
    plain = base64.b64encode(os.urandom(192 * 1024))
    lines = b"\\r\\n".join(plain[at : at + 76] for at in range(0, len(plain), 76))
    kinds = {"plain": plain, "slashes as \\/": plain.replace(b"/", b"\\/"), "lines": lines}
    for name, piece in kinds.items():
        for sink in (Counting, Sealing):
            print(f"{name:16} {sink.__name__:10} {rate(piece, sink):6.0f} MB/s")


if __name__ == "__main__":
    main()
