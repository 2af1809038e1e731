"""One blob as one object: its reader and its writer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any

from webapp.errors import ServiceError
from webapp.storage.errors import BlobMissing, StorageUnavailable
from webapp.storage.s3_bucket import Bucket, RangeRefused, s3_errors
from webapp.storage.vault import CHUNK, HEADER_LENGTH, TAG, Buffer

log = logging.getLogger(__name__)

PART = 8 << 20
"""Bytes of one part; a bucket takes 10,000 of at least 5 MiB."""

HEAD = HEADER_LENGTH + CHUNK + TAG
"""What the first request brings, in bytes: all of a small blob, or the header and a chunk."""

AHEAD = 4 << 20
"""Bytes that a reader who goes on where it stopped gets at once."""


class S3Blob:
    """An object read by position; safe for several threads.

    Raises BlobMissing or StorageUnavailable.
    """

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket = bucket
        self._name = bucket.name(key)
        self._lock = threading.Lock()
        self._open = True
        self._start = 0
        self.size, self._window = self._begin()

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; fewer only at the end."""
        if not self._open:
            raise StorageUnavailable
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        with self._lock:
            start, window = self._start, self._window
        if not start <= offset <= offset + length <= start + len(window):
            goes_on = offset == start + len(window)
            start = offset
            _, window = self._get(offset, max(length, AHEAD) if goes_on else length)
            if len(window) < length:
                raise StorageUnavailable
            with self._lock:
                self._start, self._window = start, window
        return window[offset - start : offset - start + length]

    def close(self) -> None:
        """Reading ends; a second call does nothing."""
        self._open, self._window = False, b""

    def _begin(self) -> tuple[int, bytes]:
        """Size and first bytes, in one request: an empty object has no range to give."""
        try:
            return self._get(0, HEAD)
        except RangeRefused:
            return 0, b""

    def _get(self, offset: int, length: int) -> tuple[int, bytes]:
        """The object's size, and ``length`` bytes of it, or as many as there are."""
        span = f"bytes={offset}-{offset + length - 1}"
        answer = self._bucket.call("get_object", Key=self._name, Range=span)
        with s3_errors():
            content: bytes = answer["Body"].read()
        return int(answer["ContentRange"].rpartition("/")[2]), content


class S3BlobWriter:
    """Sends parts while it is written. See :class:`webapp.storage.blobs.BlobWriter`.

    A bucket shows an object only when all of it has come, so it has its name
    from ``finish`` on, and nobody knows that name before a row says it.
    """

    def __init__(self, bucket: Bucket, key: str) -> None:
        self.key = key
        self._bucket = bucket
        self._name = bucket.name(key)
        self._waiting = bytearray()
        self._upload_id: str | None = None
        self._sent: list[Future[dict[str, Any]]] = []
        self._finished = False
        self._ended = False

    def write(self, buffer: Buffer) -> None:
        """Append bytes; a full part is sent from a thread."""
        if self._finished:
            raise ValueError("the writing has ended")
        view = memoryview(buffer).cast("B")
        while view:
            room = PART - len(self._waiting)
            self._waiting += view[:room]
            view = view[room:]
            if len(self._waiting) == PART:
                self._guarded(self._send_part)

    def finish(self) -> None:
        """Hand over the last bytes. A small blob may still be on its way when this returns."""
        if self._finished:
            return
        self._finished = True
        self._guarded(self._send_whole if self._upload_id is None else self._complete)

    def open(self) -> S3Blob:
        """Read the finished blob."""
        self.finish()
        self._guarded(self._settle)
        return S3Blob(self._bucket, self.key)

    def commit(self, durable: bool = True) -> str:
        """Wait until the bucket has it, which is as durable as it gets."""
        self.finish()
        self._guarded(self._settle)
        self._ended = True
        return self.key

    def abort(self) -> None:
        """Remove what was sent, unless it was committed."""
        if not self._ended:
            self.undo()

    def undo(self) -> None:
        """Remove, committed or not; what cannot be removed is left to the sweep."""
        self._finished = self._ended = True
        self._waiting = bytearray()
        if self._sent or self._upload_id:
            self._calm()
            self._remove()

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except BlobMissing:  # somebody ended the upload under us
            self.undo()
            raise StorageUnavailable from None
        except BaseException:
            self.undo()
            raise

    def _send_part(self) -> None:
        if self._upload_id is None:
            answer = self._bucket.call("create_multipart_upload", Key=self._name)
            self._upload_id = str(answer["UploadId"])
        for sent in self._sent:
            if sent.done():
                sent.result()
        body, self._waiting = self._waiting, bytearray()
        part = {"UploadId": self._upload_id, "PartNumber": len(self._sent) + 1}
        self._sent.append(self._bucket.send("upload_part", Key=self._name, Body=body, **part))

    def _send_whole(self) -> None:
        body, self._waiting = self._waiting, bytearray()
        self._sent.append(self._bucket.send("put_object", Key=self._name, Body=body))

    def _complete(self) -> None:
        if self._waiting:
            self._send_part()
        parts = [
            {"PartNumber": number, "ETag": sent.result()["ETag"]}
            for number, sent in enumerate(self._sent, 1)
        ]
        self._bucket.call(
            "complete_multipart_upload",
            Key=self._name,
            UploadId=self._upload_id,
            MultipartUpload={"Parts": parts},
        )

    def _settle(self) -> None:
        for sent in self._sent:
            sent.result()

    def _calm(self) -> None:
        """Nothing may arrive after the removal."""
        for sent in self._sent:
            sent.cancel()
        for sent in self._sent:
            try:
                sent.result()
            except (ServiceError, CancelledError) as error:
                log.debug("storage: %s, of a blob that is taken back", type(error).__name__)

    def _remove(self) -> None:
        """Both, as nobody knows whether a request that failed was carried out."""
        steps: list[tuple[str, dict[str, Any]]] = [("delete_object", {})]
        if self._upload_id:
            steps.insert(0, ("abort_multipart_upload", {"UploadId": self._upload_id}))
        for operation, more in steps:
            try:
                self._bucket.call(operation, Key=self._name, **more)
            except ServiceError as error:
                log.debug("storage: %s, left to the sweep", error.code)
