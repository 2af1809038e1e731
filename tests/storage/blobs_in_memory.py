"""Fakes that the storage tests share."""

from __future__ import annotations

from webapp.storage.vault import Buffer


class MemoryBlob:
    """A stored blob in memory."""

    def __init__(self, content: Buffer) -> None:
        self.content = bytes(content)
        self.size = len(self.content)
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        return self.content[offset : offset + length]

    def close(self) -> None:
        self.content = b""
