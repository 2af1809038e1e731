"""Blobs as objects of an S3-compatible bucket, which any number of machines share.

An object's name is the prefix and the key. What a killed process left of a
large blob is an unfinished multipart upload: the inventory names it with
``.part``, and deleting that name ends it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress

from webapp.storage.blobs import BlobWriter, StoredBlob
from webapp.storage.errors import BlobMissing, StorageUnavailable
from webapp.storage.local_blob import PART
from webapp.storage.s3_address import S3Address
from webapp.storage.s3_blob import S3Blob, S3BlobWriter
from webapp.storage.s3_bucket import Bucket

_KEY = re.compile(r"[0-9a-f]{32}")


class S3BlobStore:
    """A bucket as :class:`webapp.storage.blobs.BlobStore`."""

    def __init__(self, address: S3Address) -> None:
        self._bucket = Bucket(address)

    def create(self, key: str | None = None) -> S3BlobWriter:
        """A new blob; nothing is sent yet."""
        return S3BlobWriter(self._bucket, key or secrets.token_hex(16))

    def commit_all(self, writers: Sequence[BlobWriter]) -> list[str]:
        """All of them, or none is left."""
        ours = [writer for writer in writers if isinstance(writer, S3BlobWriter)]
        assert len(ours) == len(writers), "a writer belongs to the store that made it"
        try:
            for writer in ours:
                writer.finish()
            return [writer.commit() for writer in ours]
        except BaseException:
            for writer in ours:
                writer.undo()
            raise

    def open(self, key: str) -> S3Blob:
        """Raises BlobMissing or StorageUnavailable."""
        return S3Blob(self._bucket, _checked(key))

    def delete(self, key: str) -> None:
        """Raises StorageUnavailable; a blob that is gone already is no error."""
        whole = _checked(key.removesuffix(PART))
        if key != whole:
            self._end_uploads(whole)
            return
        with suppress(BlobMissing):
            self._bucket.call("delete_object", Key=self._bucket.name(whole))

    def iterate(self, beginning: str = "") -> Iterator[StoredBlob]:
        """Objects in order of their keys, then unfinished uploads; no foreign names."""
        start = self._bucket.name("")
        for page in self._bucket.pages("list_objects_v2", Prefix=start + beginning):
            for found in page.get("Contents", ()):
                key = found["Key"].removeprefix(start)
                if _KEY.fullmatch(key):
                    yield StoredBlob(key, int(found["Size"]), found["LastModified"].timestamp())
        for page in self._bucket.pages("list_multipart_uploads", Prefix=start + beginning):
            for found in page.get("Uploads", ()):
                key = found["Key"].removeprefix(start)
                if _KEY.fullmatch(key):
                    yield StoredBlob(key + PART, 0, found["Initiated"].timestamp())

    def check(self) -> None:
        """Writes, reads and deletes a few bytes."""
        writer = self.create()
        writer.write(b"room?")
        key = writer.commit()
        try:
            if self.open(key).read(0, 16) != b"room?":
                raise StorageUnavailable
        finally:
            self.delete(key)

    def _end_uploads(self, key: str) -> None:
        name = self._bucket.name(key)
        for page in self._bucket.pages("list_multipart_uploads", Prefix=name):
            for found in page.get("Uploads", ()):
                if found["Key"] == name:
                    with suppress(BlobMissing):
                        self._bucket.call(
                            "abort_multipart_upload", Key=name, UploadId=found["UploadId"]
                        )


def _checked(key: str) -> str:
    """Raises BlobMissing for what is no key."""
    if not _KEY.fullmatch(key):
        raise BlobMissing
    return key
