"""A bucket as the store talks to it: requests, their errors, and threads that send."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from webapp.errors import ServiceError
from webapp.storage.errors import BlobMissing, StorageFull, StorageUnavailable
from webapp.storage.s3_address import S3Address

log = logging.getLogger(__name__)

SENDING = 8
"""Requests with content that one process has under way at once; each holds one part."""

MISSING = frozenset({"NoSuchKey", "NoSuchUpload"})
FULL = frozenset(
    {
        "InsufficientStorage",
        "InsufficientCapacity",
        "QuotaExceeded",
        "StorageFull",
        "XMinioAdminBucketQuotaExceeded",
        "XMinioStorageFull",
    }
)
_making = threading.Lock()  # sessions are not made for several threads

HTTP_RANGE_REFUSED = 416
HTTP_INSUFFICIENT_STORAGE = 507


class RangeRefused(StorageUnavailable):
    """The object holds none of the bytes that were asked for."""


@dataclass
class _Connection:
    """What one process shares: a fork must not use its parent's sockets and threads."""

    client: Any
    pid: int = field(default_factory=os.getpid)
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(SENDING, "storage")
    )
    slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(SENDING))


class Bucket:
    """Requests to one bucket, under one prefix. Safe for threads, and across a fork."""

    def __init__(self, address: S3Address) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._connected: _Connection | None = None

    def name(self, key: str) -> str:
        """The object's name in the bucket."""
        return self.address.prefix + key

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One request, by boto3's name for it.

        Raises:
            BlobMissing: there is no such object or upload.
            StorageFull, StorageUnavailable: as they say.
        """
        with s3_errors():
            method = getattr(self._connection.client, operation)
            answer: dict[str, Any] = method(Bucket=self.address.bucket, **arguments)
        return answer

    def pages(self, operation: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """A listing, page by page. Raises StorageUnavailable."""
        with s3_errors():
            paginator = self._connection.client.get_paginator(operation)
            yield from paginator.paginate(Bucket=self.address.bucket, **arguments)

    def send(self, operation: str, **arguments: Any) -> Future[dict[str, Any]]:
        """The same as :meth:`call` in a thread; waits while too many are under way already."""
        connection = self._connection
        connection.slots.acquire()
        try:
            sent = connection.threads.submit(self.call, operation, **arguments)
        except BaseException:
            connection.slots.release()
            raise
        sent.add_done_callback(_releasing(connection.slots))
        return sent

    @property
    def _connection(self) -> _Connection:
        with self._lock:
            if self._connected is None or self._connected.pid != os.getpid():
                self._connected = _Connection(_client(self.address))
            return self._connected


@contextmanager
def s3_errors() -> Iterator[None]:
    """Turn boto3's errors into ours; their text stays unseen."""
    try:
        yield
    except ClientError as error:
        raise _error_for(error) from None
    except (BotoCoreError, HTTPError, OSError) as error:
        log.warning("storage: %s", type(error).__name__)
        raise StorageUnavailable from None


def _error_for(error: ClientError) -> ServiceError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code in MISSING:
        return BlobMissing()
    if status == HTTP_RANGE_REFUSED:
        return RangeRefused()
    log.warning("storage: %s answered %s", error.operation_name, code)
    full = code in FULL or status == HTTP_INSUFFICIENT_STORAGE
    return StorageFull() if full else StorageUnavailable()


def _releasing(slots: threading.Semaphore) -> Callable[[Future[dict[str, Any]]], None]:
    return lambda _: slots.release()


@cache
def _session() -> Any:
    """It reads boto3's description of the service (0.3 s) once for all clients."""
    return boto3.session.Session()


def _client(address: S3Address) -> Any:
    """Checksums of newer SDKs are unknown to many servers; what is sealed proves itself anyway."""
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=4 * SENDING,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": address.addressing},
    )
    with s3_errors(), _making:
        return _session().client(
            "s3", endpoint_url=address.endpoint_url, region_name=address.region, config=config
        )
