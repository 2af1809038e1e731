"""How fast sealing is, beside the bare cipher: ``python bench/seal.py``.

Prints GB/s on one core and each as a share of ``AESGCM.encrypt_into`` over the
same bytes. The goal is at least half, whatever the size of the pieces.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from webapp.storage.vault import CHUNK, TAG, Kind, SealedSource, Sealer, new_data_key

TOTAL = 512 * CHUNK
PIECES = {"1 MiB": CHUNK, "64 KiB": 1 << 16, "500,000 B": 500_000, "32 MiB": 32 * CHUNK}
UPLOAD = UUID(int=1)


class Memory:
    """A sealed blob in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = memoryview(content)
        self.size = len(content)

    def read(self, offset: int, length: int) -> memoryview:
        return self.content[offset : offset + length]

    def close(self) -> None:
        self.content = memoryview(b"")


def rate(work: Callable[[], object]) -> float:
    """Best of three, in GB/s."""
    best = 0.0
    for _ in range(3):
        started = time.perf_counter()
        work()
        best = max(best, TOTAL / 1e9 / (time.perf_counter() - started))
    return best


def bare(content: bytes) -> None:
    cipher, target = AESGCM(new_data_key()), bytearray(CHUNK + TAG)
    for number in range(TOTAL // CHUNK):
        cipher.encrypt_into(number.to_bytes(12, "big"), content, b"", target)


def seal(piece: bytes) -> None:
    sealer = Sealer(new_data_key(), UPLOAD, Kind.DICOM, len)
    for _ in range(TOTAL // len(piece)):
        sealer.update(piece)
    sealer.finish()


def opened(source: SealedSource, step: int) -> None:
    for offset in range(0, source.size, step):
        source.read(offset, step)


def main() -> None:
    base = rate(lambda: bare(os.urandom(CHUNK)))
    print(f"{'bare encrypt_into':28} {base:6.2f} GB/s")
    for name, size in PIECES.items():
        piece = os.urandom(size)
        speed = rate(lambda piece=piece: seal(piece))
        print(f"{'seal, pieces of ' + name:28} {speed:6.2f} GB/s  {speed / base:4.0%}")
    key, blob = new_data_key(), bytearray()
    sealer = Sealer(key, UPLOAD, Kind.DICOM, blob.extend)
    for _ in range(TOTAL // CHUNK):
        sealer.update(bytes(CHUNK))
    sealer.finish()
    source = SealedSource(Memory(bytes(blob)), key, UPLOAD, Kind.DICOM)
    for name, size in PIECES.items():
        speed = rate(lambda size=size: opened(source, size))
        print(f"{'open, pieces of ' + name:28} {speed:6.2f} GB/s  {speed / base:4.0%}")


if __name__ == "__main__":
    main()
