"""Sealing and opening: AES-256-GCM over chunks, the STREAM construction.

A sealed blob is a header and chunks. Every chunk but the last holds exactly
``CHUNK`` bytes of content, the last one fewer (maybe none), each followed by
its tag. The nonce is a random prefix, the chunk's number and a flag for the
last one, so a chunk that was moved, left out or cut off does not open. The
data key is new for every blob; upload id and kind are authenticated with each
chunk, so no blob can stand in for another.

    header  magic 4 | version 1 | kind 1 | prefix 7 | 0 3 | chunk size 4    (20 bytes)
    nonce   prefix 7 | chunk number 4 | last 1                             (12 bytes)
"""

from __future__ import annotations

import secrets
import struct
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from webapp.storage.errors import Damaged
from webapp.storage.keys import KEY_LENGTH, Keyring

Buffer = bytes | bytearray | memoryview

VERSION = 1
CHUNK = 1 << 20
TAG = 16
MAX_SIZE = CHUNK << 32
"""Bytes of content in one blob: the chunk number has 32 bits."""

_MAGIC = b"SEAL"
_HEADER = struct.Struct(">4sBB7s3xI")
HEADER_LENGTH = _HEADER.size
_CACHED = 2


class Kind(StrEnum):
    """What a sealed blob is; part of what is authenticated."""

    ORIGINAL = "original"
    DICOM = "dicom"
    THUMBNAIL = "thumbnail"
    PREVIEW = "preview"
    NAME = "name"


_KIND_BYTES = {kind: number for number, kind in enumerate(Kind, 1)}  # append, never reorder


class RandomAccess(Protocol):
    """A stored blob, read by position; safe for several threads at once."""

    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes: ...

    def close(self) -> None: ...


def new_data_key() -> bytes:
    """256 random bits, for one blob and one only."""
    return secrets.token_bytes(KEY_LENGTH)


def context(upload_id: UUID, kind: Kind) -> bytes:
    """The AAD of chunks and of the wrapped data key: version, kind, upload id."""
    return bytes((VERSION, _KIND_BYTES[kind])) + upload_id.bytes


def sealed_size(size: int) -> int:
    """Length of the blob that ``size`` bytes of content make."""
    return HEADER_LENGTH + size + (size // CHUNK + 1) * TAG


class Sealer:
    """Seals a stream into ``sink``, which is called with the blob's bytes in order.

    The views handed to ``sink`` are used again: it must take the bytes before
    it returns. Buffers are allocated with the first byte, and a full chunk in
    the caller's own buffer is sealed from there without a copy.
    """

    def __init__(
        self, data_key: bytes, upload_id: UUID, kind: Kind, sink: Callable[[Buffer], object]
    ) -> None:
        self._cipher = AESGCM(data_key)
        self._prefix = secrets.token_bytes(7)
        self._header = _HEADER.pack(_MAGIC, VERSION, _KIND_BYTES[kind], self._prefix, CHUNK)
        self._aad = context(upload_id, kind) + self._header
        self._sink = sink
        self._number = 0
        self._waiting = memoryview(bytearray())
        self._filled = 0
        self._sealed = memoryview(bytearray())
        self._finished = False
        self.size = 0

    def update(self, buffer: Buffer) -> None:
        """Seal more content, any length."""
        if self._finished:
            raise ValueError("a finished blob takes no more")
        view = memoryview(buffer).cast("B")
        self.size += len(view)
        if self._filled:
            view = self._wait(view)
        while len(view) >= CHUNK:
            self._seal(view[:CHUNK], last=False)
            view = view[CHUNK:]
        if view:
            self._wait(view)

    def finish(self) -> None:
        """Seal the last chunk. Without it the blob does not open."""
        self._seal(self._waiting[: self._filled], last=True)
        self._finished = True
        self._waiting = self._sealed = memoryview(bytearray())

    def _wait(self, view: memoryview) -> memoryview:
        """Keep what fills no chunk yet; what did not fit any more comes back."""
        taken = min(CHUNK - self._filled, len(view))
        end = self._filled + taken
        if end > len(self._waiting):
            grown = memoryview(bytearray(min(CHUNK, max(end, 2 * len(self._waiting)))))
            grown[: self._filled] = self._waiting[: self._filled]
            self._waiting = grown
        self._waiting[self._filled : end] = view[:taken]
        self._filled = end
        if end == CHUNK:
            self._seal(self._waiting, last=False)
            self._filled = 0
        return view[taken:]

    def _seal(self, content: memoryview, last: bool) -> None:
        if self._finished or self.size >= MAX_SIZE:
            raise ValueError("a finished or full blob takes no more")
        if self._number == 0:
            self._sink(self._header)
        length = len(content) + TAG
        if len(self._sealed) < length:
            self._sealed = memoryview(bytearray(length))
        target = self._sealed[:length]
        self._cipher.encrypt_into(
            _nonce(self._prefix, self._number, last), content, self._aad, target
        )
        self._number += 1
        self._sink(target)


class SealedSource:
    """The content of a sealed blob, read by position. Safe for several threads.

    The last chunk is opened first, because only its flag shows that nothing
    was cut off. Raises Damaged whenever anything is not as it was sealed.
    """

    def __init__(self, blob: RandomAccess, data_key: bytes, upload_id: UUID, kind: Kind) -> None:
        self._blob = blob
        self._cipher = AESGCM(data_key)
        self._lock = threading.Lock()
        self._opened: dict[int, memoryview] = {}
        header = bytes(blob.read(0, HEADER_LENGTH))
        self._prefix = _checked_prefix(header, kind)
        self._aad = context(upload_id, kind) + header
        self._last, rest = divmod(blob.size - HEADER_LENGTH, CHUNK + TAG)
        if rest < TAG:
            raise Damaged
        self.size = self._last * CHUNK + rest - TAG
        self._chunk(self._last)

    def read(self, offset: int, length: int) -> memoryview:
        """Up to ``length`` bytes from ``offset``; fewer only at the end.

        A read-only view; a view within one chunk is no copy.
        """
        offset = min(max(offset, 0), self.size)
        length = max(0, min(length, self.size - offset))
        number, start = divmod(offset, CHUNK)
        if start + length <= CHUNK:
            return self._chunk(number)[start : start + length]
        target = memoryview(bytearray(length))
        done = 0
        while done < length:
            number, start = divmod(offset + done, CHUNK)
            done += self._fill(target[done : done + CHUNK - start], number, start)
        return target.toreadonly()

    def close(self) -> None:
        """Let go of the blob."""
        self._blob.close()

    def _fill(self, target: memoryview, number: int, start: int) -> int:
        if len(target) == self._length(number) and number not in self._opened:
            self._open_into(number, target)
        else:
            target[:] = self._chunk(number)[start : start + len(target)]
        return len(target)

    def _chunk(self, number: int) -> memoryview:
        with self._lock:
            opened = self._opened.get(number)
        if opened is not None:
            return opened
        target = memoryview(bytearray(self._length(number)))
        self._open_into(number, target)
        opened = target.toreadonly()
        with self._lock:
            while len(self._opened) >= _CACHED:
                del self._opened[next(iter(self._opened))]
            self._opened[number] = opened
        return opened

    def _open_into(self, number: int, target: memoryview) -> None:
        at = HEADER_LENGTH + number * (CHUNK + TAG)
        sealed = self._blob.read(at, len(target) + TAG)
        nonce = _nonce(self._prefix, number, number == self._last)
        try:
            self._cipher.decrypt_into(nonce, sealed, self._aad, target)
        except (InvalidTag, ValueError):
            raise Damaged from None

    def _length(self, number: int) -> int:
        return CHUNK if number < self._last else self.size - self._last * CHUNK


def seal_name(keyring: Keyring, text: str, upload_id: UUID) -> tuple[str, bytes]:
    """A short text (a file's name) sealed directly under the newest master key: its id, bytes."""
    content = text.encode("utf-8", "surrogatepass")
    return keyring.wrap(content, context(upload_id, Kind.NAME))


def open_name(keyring: Keyring, key_id: str, sealed: bytes, upload_id: UUID) -> str:
    """The text that :func:`seal_name` sealed. Raises KeyMissing or Damaged."""
    content = keyring.unwrap(key_id, sealed, context(upload_id, Kind.NAME))
    return content.decode("utf-8", "surrogatepass")


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + struct.pack(">IB", number, last)


def _checked_prefix(header: bytes, kind: Kind) -> bytes:
    if len(header) != HEADER_LENGTH:
        raise Damaged
    magic, version, sealed_kind, prefix, chunk = _HEADER.unpack(header)
    if (magic, version, sealed_kind, chunk) != (_MAGIC, VERSION, _KIND_BYTES[kind], CHUNK):
        raise Damaged
    assert isinstance(prefix, bytes)
    return prefix
