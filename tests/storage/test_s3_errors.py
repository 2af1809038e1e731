"""What goes wrong with a bucket: said in our own errors, and nothing half-written stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.servers import free_port
from webapp.errors import ServiceError
from webapp.storage.errors import StorageFull, StorageUnavailable
from webapp.storage.s3_address import parse_storage_url
from webapp.storage.s3_blobs import S3BlobStore
from webapp.storage.s3_bucket import Bucket

LARGE = bytes(20 << 20)


@pytest.fixture
def store(storage_url: str) -> S3BlobStore:
    return S3BlobStore(parse_storage_url(storage_url))


def test_a_server_that_is_away_is_unavailable(store: S3BlobStore) -> None:
    away = parse_storage_url(f"s3://blobs?endpoint_url=http://127.0.0.1:{free_port()}")

    with pytest.raises(StorageUnavailable):
        S3BlobStore(away).check()


def test_a_bucket_that_does_not_exist_is_unavailable_and_not_a_missing_blob(
    storage_url: str,
) -> None:
    store = S3BlobStore(parse_storage_url(storage_url.replace("//blobs/", "//another/")))

    with pytest.raises(StorageUnavailable):
        store.open("a" * 32)


def test_credentials_that_are_refused_are_unavailable_and_never_logged(
    storage_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = Bucket(parse_storage_url(storage_url))
    signer = bucket._connection.client._request_signer
    monkeypatch.setattr(signer._credentials, "secret_key", "another-secret")

    with pytest.raises(StorageUnavailable):
        bucket.call("put_object", Key="x", Body=b"")

    assert "SignatureDoesNotMatch" in caplog.text
    assert "another-secret" not in caplog.text


@pytest.mark.parametrize("error", [StorageFull, StorageUnavailable])
@pytest.mark.parametrize(
    ("operation", "content"),
    [
        ("put_object", b"small"),
        ("create_multipart_upload", LARGE),
        ("upload_part", LARGE),
        ("complete_multipart_upload", LARGE),
    ],
)
@pytest.mark.parametrize("together", [False, True])
def test_trouble_at_any_request_leaves_nothing(
    store: S3BlobStore,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    content: bytes,
    error: type[ServiceError],
    together: bool,
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Bucket, "call", _failing(operation, error))
        with pytest.raises(error):
            _write(store, content, together)

    assert list(store.iterate()) == []
    assert _write(store, content, together) in {blob.key for blob in store.iterate()}


def test_an_upload_that_somebody_ended_under_us_is_unavailable(store: S3BlobStore) -> None:
    writer = store.create()
    writer.write(LARGE)
    store.delete(writer.key + ".part")

    with pytest.raises(StorageUnavailable):
        writer.commit()

    assert list(store.iterate()) == []


@pytest.fixture
def answer() -> Iterator[Callable[[int, str], S3BlobStore]]:
    """A server that gives every request one and the same error."""
    servers: list[ThreadingHTTPServer] = []

    def serve(status: int, code: str) -> S3BlobStore:
        body = f"<Error><Code>{code}</Code><Message>Doe^Jane</Message></Error>".encode()
        server = ThreadingHTTPServer(("127.0.0.1", 0), _answering(status, body))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        url = f"s3://blobs?endpoint_url=http://127.0.0.1:{server.server_port}&region=us-east-1"
        return S3BlobStore(parse_storage_url(url))

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (507, "XMinioStorageFull", StorageFull),
        (507, "Anything", StorageFull),
        (403, "QuotaExceeded", StorageFull),
        (403, "AccessDenied", StorageUnavailable),
        (404, "NoSuchBucket", StorageUnavailable),
    ],
)
def test_what_a_server_answers_becomes_an_error_of_ours_without_its_text(
    answer: Callable[[int, str], S3BlobStore],
    storage_url: str,
    caplog: pytest.LogCaptureFixture,
    status: int,
    code: str,
    error: type[ServiceError],
) -> None:
    with pytest.raises(error) as refused:
        answer(status, code).create().commit()

    assert type(refused.value) is error
    assert "Doe" not in caplog.text + str(refused.value)


def _write(store: S3BlobStore, content: bytes, together: bool) -> str:
    writer = store.create()
    writer.write(content)
    return store.commit_all([writer])[0] if together else writer.commit()


def _failing(broken: str, error: type[ServiceError]) -> Callable[..., Any]:
    real = Bucket.call

    def call(self: Bucket, operation: str, **arguments: Any) -> dict[str, Any]:
        if operation == broken:
            raise error
        return real(self, operation, **arguments)

    return call


def _answering(status: int, body: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_DELETE = do_PUT

        def log_message(self, *_: object) -> None:
            """Nobody needs to read it."""

    return Handler
