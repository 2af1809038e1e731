"""Writing and opening sealed blobs: what services hold in their hands.

A :class:`SealedSpool` takes bytes from anywhere (a raw body, a part of a
form, an entry of a batch, the parts of a finished instance), seals them on
their way to the storage and reads them back by position. Plaintext never
touches a disk, and what nobody keeps is gone when the spool is closed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from webapp.storage.blobs import BlobStore, BlobWriter
from webapp.storage.keys import Keyring
from webapp.storage.vault import (
    Buffer,
    Kind,
    SealedSource,
    Sealer,
    context,
    new_data_key,
    open_name,
    seal_name,
)

HEAD = 256


@dataclass(frozen=True, slots=True)
class SealedBlob:
    """What a row records of a blob; named as its columns are.

    ``data_key`` is wrapped; ``size`` and ``sha256`` are the content's.
    """

    location: str
    data_key: bytes
    master_key_id: str
    size: int
    sha256: bytes


class SealedSpool(io.RawIOBase):
    """A file object that seals what is written and then reads it back.

    Writing comes first; ``finish`` (or the first ``seek``, which Werkzeug does
    when a part is complete) ends it. ``keep`` makes the blob last; ``close``
    without it, or forgetting the object, leaves nothing. With ``limit`` (bytes),
    a longer content is counted but not stored, and ``overflowed`` tells.

    ``head`` is the first ``HEAD`` bytes, to be looked at without opening the blob.

    Raises StorageFull or StorageUnavailable.
    """

    def __init__(
        self,
        keyring: Keyring,
        writer: BlobWriter,
        upload_id: UUID | None = None,
        kind: Kind = Kind.ORIGINAL,
        limit: int | None = None,
    ) -> None:
        self.upload_id = upload_id or uuid4()
        self.kind = kind
        self.size = 0
        self.head = b""
        self.overflowed = False
        self._limit = limit
        self._keyring = keyring
        self._writer = writer
        self._key = new_data_key()
        self._digest = hashlib.sha256()
        self._sealer = Sealer(self._key, self.upload_id, kind, self._writer.write)
        self._finished = False
        self._source: SealedSource | None = None
        self._at = 0

    @property
    def sha256(self) -> bytes:
        """Digest of the content so far."""
        return self._digest.digest()

    @property
    def source(self) -> SealedSource:
        """The content by position; ends the writing."""
        self.finish()
        if self._source is None:
            blob = self._writer.open()
            self._source = SealedSource(blob, self._key, self.upload_id, self.kind)
        return self._source

    def write(self, buffer: Buffer) -> int:  # type: ignore[override]
        """Seal more bytes. Raises ValueError once the writing has ended."""
        if self._finished:
            raise ValueError("the writing has ended")
        view = memoryview(buffer).cast("B")
        self.size += len(view)
        if len(self.head) < HEAD:
            self.head += view[: HEAD - len(self.head)]
        if self._limit is not None and self.size > self._limit:
            self.overflowed = True
            self._writer.abort()
        if not self.overflowed:
            self._digest.update(view)
            self._sealer.update(view)
        return len(view)

    def finish(self) -> None:
        """End the writing and let go of the descriptor; again does nothing."""
        if not self._finished and not self.overflowed:
            self._sealer.finish()
            self._writer.finish()
        self._finished = True

    def keep(self, durable: bool = True) -> SealedBlob:
        """Commit the blob. ``durable``: the bytes survive a power loss once this returns."""
        record = self._record()
        self._writer.commit(durable)
        return record

    def release(self) -> None:
        """Let go of what reading holds, a descriptor and opened chunks; ``source`` reopens it."""
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def close(self) -> None:
        """Let go of everything; what was not kept is removed."""
        if self.closed:
            return
        super().close()
        self.release()
        self._writer.abort()

    discard = close

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return not self._finished

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at if self._finished else self.size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.finish()
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = self.source.read(self._at, len(buffer))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _record(self) -> SealedBlob:
        """Before the commit: a key that cannot be wrapped must leave no blob behind."""
        if self.overflowed:
            raise ValueError("a content over its limit was not stored")
        self.finish()
        key_id, wrapped = self._keyring.wrap(self._key, context(self.upload_id, self.kind))
        return SealedBlob(self._writer.key, wrapped, key_id, self.size, self.sha256)


class Vault:
    """A keyring and a store together. Safe to share between threads."""

    def __init__(self, keyring: Keyring, store: BlobStore) -> None:
        self.keyring = keyring
        self.store = store

    def spool(
        self,
        upload_id: UUID | None = None,
        kind: Kind = Kind.ORIGINAL,
        limit: int | None = None,
    ) -> SealedSpool:
        """A new spool; without ``upload_id`` it draws one. Raises StorageFull."""
        return SealedSpool(self.keyring, self.store.create(), upload_id, kind, limit)

    def seal(
        self, content: Iterable[Buffer], upload_id: UUID, kind: Kind, durable: bool = True
    ) -> SealedBlob:
        """Seal pieces into a new blob and commit it; on any error nothing stays."""
        spool = self.spool(upload_id, kind)
        try:
            for piece in content:
                spool.write(piece)
            return spool.keep(durable)
        finally:
            spool.close()

    def keep_all(self, spools: Sequence[SealedSpool]) -> list[SealedBlob]:
        """Commit many durably at a shared cost: all of them or none."""
        records = [spool._record() for spool in spools]
        self.store.commit_all([spool._writer for spool in spools])
        return records

    def open(
        self, location: str, data_key: bytes, master_key_id: str, upload_id: UUID, kind: Kind
    ) -> SealedSource:
        """The content of a kept blob. Raises BlobMissing, KeyMissing or Damaged."""
        key = self.keyring.unwrap(master_key_id, data_key, context(upload_id, kind))
        blob = self.store.open(location)
        try:
            return SealedSource(blob, key, upload_id, kind)
        except BaseException:
            blob.close()
            raise

    def rewrap(
        self, data_key: bytes, master_key_id: str, upload_id: UUID, kind: Kind
    ) -> tuple[str, bytes]:
        """The same data key under the newest master key: its id and the wrapped key."""
        aad = context(upload_id, kind)
        return self.keyring.wrap(self.keyring.unwrap(master_key_id, data_key, aad), aad)

    def delete(self, location: str) -> None:
        """Remove a blob; no error when it is gone already."""
        self.store.delete(location)

    def seal_name(self, text: str, upload_id: UUID) -> tuple[str, bytes]:
        """A file's name under the newest master key: the key's id and the sealed bytes."""
        return seal_name(self.keyring, text, upload_id)

    def open_name(self, key_id: str, sealed: bytes, upload_id: UUID) -> str:
        """The name again. Raises KeyMissing or Damaged."""
        return open_name(self.keyring, key_id, sealed, upload_id)
