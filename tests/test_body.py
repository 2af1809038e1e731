from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from tests import body_app
from webapp.body import BodyGuard
from webapp.guarded_input import BodyIncomplete, BodyTooLarge, GuardedInput
from webapp.storage.blobs import LocalBlobStore
from webapp.storage.errors import StorageFull
from webapp.storage.keys import Keyring, new_key
from webapp.storage.spool import Vault

ROOT = Path(__file__).parents[1]
SERVERS = ["gunicorn", "patient", "werkzeug"]
MULTIPART = "multipart/form-data; boundary=XX"
Connect = Callable[..., socket.socket]


@pytest.fixture(scope="module", params=SERVERS)
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Opens connections to a running server: ``connect()``, or one that drains little."""
    with contextlib.ExitStack() as running:
        ports = {
            name: running.enter_context(_serving(request.param, name))
            for name in ("app", "impatient")
        }
        yield lambda name="app": socket.create_connection(("127.0.0.1", ports[name]), 60)


@contextlib.contextmanager
def _serving(server: str, name: str) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    if server == "werkzeug":
        listener.close()
        running = make_server("127.0.0.1", port, getattr(body_app, name), threaded=True)
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield port
        running.shutdown()
        thread.join()
        return
    worker = "webapp.server.PatientWorker" if server == "patient" else "gthread"
    command = [sys.executable, "-m", "gunicorn", "-k", worker, "--threads", "4", "-w", "1"]
    command += ["-c", os.devnull, "-b", f"fd://{listener.fileno()}", "--log-level", "critical"]
    process = subprocess.Popen(
        [*command, f"tests.body_app:{name}"], cwd=ROOT, pass_fds=[listener.fileno()]
    )
    listener.close()
    yield port
    process.terminate()
    process.wait(30)


def head(path: str, *lines: str) -> bytes:
    rest = "".join(f"{line}\r\n" for line in lines)
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{rest}\r\n".encode()


def answer(connection: socket.socket, end: bool = True) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of the answer; with ``end`` nothing more will be sent."""
    if end:
        with contextlib.suppress(OSError):  # the server may have closed already
            connection.shutdown(socket.SHUT_WR)
    file = connection.makefile("rb")
    status = int(file.readline().split()[1])
    while status == 100:
        assert file.readline() == b"\r\n"
        status = int(file.readline().split()[1])
    headers = {}
    while (line := file.readline()) != b"\r\n":
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return status, headers, json.loads(file.read(int(headers["content-length"])))


@pytest.mark.parametrize("path", ["/stream", "/data", "/json", "/form"])
@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream", MULTIPART])
def test_a_body_torn_off_before_its_content_length_is_refused(
    connect: Connect, path: str, kind: str
) -> None:
    with connect() as client:
        client.sendall(head(path, "Content-Length: 20000", f"Content-Type: {kind}"))
        client.sendall(b"[1]" if path != "/form" else b"--XX\r\nContent-Disp")

        status, _, body = answer(client)

    if path == "/json" and kind != "application/json":
        assert (status, body["code"]) == (415, "Unsupported Media Type")
    elif path == "/form" and kind != MULTIPART:
        assert body == {"fields": {}, "files": {}}
    else:
        assert (status, body) == (400, {"code": "body-incomplete"})


CHUNKED = {
    "no chunk at all": b"",
    "in the first size": b"5",
    "after a size": b"5\r\n",
    "within a chunk": b"5\r\nab",
    "before the chunk's end": b"5\r\nabcde",
    "between two chunks": b"5\r\nabcde\r\n",
    "in a later chunk": b"5\r\nabcde\r\n4000\r\nabc",
    "a size that is no number": b"xyz\r\nabcde\r\n0\r\n\r\n",
    "a chunk longer than its size": b"2\r\nabcde\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("path", ["/stream", "/data", "/json"])
@pytest.mark.parametrize("torn", CHUNKED)
def test_a_torn_or_malformed_chunked_body_is_refused(
    connect: Connect, path: str, torn: str
) -> None:
    with connect() as client:
        client.sendall(
            head(path, "Transfer-Encoding: chunked", "Content-Type: application/json")
            + CHUNKED[torn]
        )

        assert answer(client)[::2] == (400, {"code": "body-incomplete"})


@pytest.mark.parametrize("path", ["/stream", "/data"])
def test_a_whole_body_arrives_whole_however_it_is_framed(connect: Connect, path: str) -> None:
    with connect() as client:
        client.sendall(head(path, "Content-Length: 300000") + bytes(300_000))
        assert answer(client)[::2] == (200, {"size": 300_000})
    with connect() as client:
        client.sendall(head(path, "Transfer-Encoding: chunked"))
        for _ in range(3):
            client.sendall(b"186a0\r\n" + bytes(100_000) + b"\r\n")
        client.sendall(b"0\r\n\r\n")
        assert answer(client)[::2] == (200, {"size": 300_000})
    with connect() as client:
        client.sendall(head(path))
        assert answer(client)[::2] == (200, {"size": 0})


@pytest.mark.parametrize("framing", ["length", "chunked", "expect"])
def test_an_early_answer_reaches_a_client_that_is_still_sending(
    connect: Connect, framing: str
) -> None:
    size = 4 << 20
    with connect() as client:
        if framing == "chunked":
            client.sendall(head("/early", "Transfer-Encoding: chunked"))
            client.sendall(b"%x\r\n" % size + bytes(size) + b"\r\n0\r\n\r\n")
        else:
            expect = ["Expect: 100-continue"] if framing == "expect" else []
            client.sendall(head("/early", f"Content-Length: {size}", *expect))
            client.sendall(bytes(size))

        assert answer(client)[::2] == (401, {"early": True})


def test_after_an_early_answer_the_connection_carries_the_next_request(connect: Connect) -> None:
    with connect() as client:
        client.sendall(head("/early", "Content-Length: 100000") + bytes(100_000))
        status, headers, _ = answer(client, end=False)
        assert status == 401
        if headers["connection"] == "close":  # Werkzeug's server always does
            return
        client.sendall(head("/stream", "Content-Length: 3") + b"abc")

        assert answer(client)[::2] == (200, {"size": 3})


def test_a_client_that_stalls_gets_its_early_answer_and_the_connection_closes(
    connect: Connect,
) -> None:
    with connect("impatient") as client:
        client.sendall(head("/early", "Content-Length: 100000") + b"and then nothing")

        status, headers, body = answer(client, end=False)

        assert (status, body) == (401, {"early": True})
        assert headers["connection"] == "close"
        assert client.recv(1) == b""


def test_an_early_answer_to_an_endless_body_comes_after_the_most_that_is_drained(
    connect: Connect,
) -> None:
    with connect("impatient") as client:
        client.sendall(head("/early", "Content-Length: 900000000") + bytes((1 << 20) + 1000))

        status, headers, _ = answer(client, end=False)

    assert (status, headers["connection"]) == (401, "close")


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_over_the_limit_is_refused_and_never_cut(connect: Connect, framing: str) -> None:
    with connect() as client:
        if framing == "chunked":
            client.sendall(head("/limited", "Transfer-Encoding: chunked"))
            client.sendall(b"3e9\r\n" + bytes(1001) + b"\r\n0\r\n\r\n")
        else:
            client.sendall(head("/limited", "Content-Length: 1001") + bytes(1001))

        assert answer(client)[::2] == (400, {"code": "too-large"})


def test_a_body_of_just_the_limit_is_taken(connect: Connect) -> None:
    with connect() as client:
        client.sendall(head("/limited", "Transfer-Encoding: chunked"))
        client.sendall(b"3e8\r\n" + bytes(1000) + b"\r\n0\r\n\r\n")

        assert answer(client)[::2] == (200, {"size": 1000})


@pytest.fixture
def client() -> FlaskClient:
    app = body_app.create_app()
    app.wsgi_app = BodyGuard(app.wsgi_app)  # type: ignore[method-assign]
    return app.test_client()


def form(*parts: tuple[str, str | None, bytes], end: bytes = b"--XX--\r\n") -> bytes:
    pieces = []
    for name, filename, content in parts:
        file = f'; filename="{filename}"' if filename is not None else ""
        pieces.append(
            b"--XX\r\nContent-Disposition: form-data; "
            + f'name="{name}"{file}\r\n\r\n'.encode()
            + content
            + b"\r\n"
        )
    return b"".join(pieces) + end


def test_a_form_with_thousands_of_files_is_read(client: FlaskClient) -> None:
    body = form(*(("files", f"{number}.dcm", b"x" * number) for number in range(1500)))

    found = client.post("/form", data=body, content_type=MULTIPART).get_json(force=True)

    assert found["files"] == {f"{number}.dcm": number for number in range(1500)}


def test_fields_and_files_of_a_form_are_told_apart(client: FlaskClient) -> None:
    body = form(("token", None, "Größe".encode()), ("files", "a", b"\r\n--X not yet\r\n"))

    found = client.post("/form", data=body, content_type=MULTIPART).get_json(force=True)

    assert found == {"fields": {"token": "Größe"}, "files": {"a": 15}}


@pytest.mark.parametrize(
    "body",
    [
        form(("files", "a", b"abc"), end=b""),
        form(("files", "a", b"abc"), end=b"--XX"),
        b"--XX\r\nContent-Type: text/plain\r\n\r\nabc\r\n--XX--\r\n",
        b"no boundary anywhere",
    ],
)
def test_a_form_that_does_not_parse_is_refused_and_not_empty(
    client: FlaskClient, body: bytes
) -> None:
    found = client.post("/form", data=body, content_type=MULTIPART)

    assert (found.status_code, found.json) == (400, {"code": "form-malformed"})


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=Ä"])
def test_a_form_without_a_usable_boundary_is_refused(client: FlaskClient, kind: str) -> None:
    found = client.post("/form", data=form(("a", None, b"b")), content_type=kind)

    assert (found.status_code, found.json) == (400, {"code": "form-malformed"})


def test_the_fields_of_a_form_are_bounded_together(client: FlaskClient) -> None:
    body = form(*((f"f{number}", None, bytes(100_000)) for number in range(6)))

    assert client.post("/form", data=body, content_type=MULTIPART).status_code == 413


def test_a_url_encoded_form_is_bounded_with_and_without_its_length(client: FlaskClient) -> None:
    kind = "application/x-www-form-urlencoded"
    assert client.post("/form", data=b"a=b", content_type=kind).status_code == 200
    assert client.post("/form", data=bytes(600_000), content_type=kind).status_code == 413
    endless = client.post(
        "/form",
        input_stream=io.BytesIO(bytes(600_000)),
        content_type=kind,
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert endless.status_code == 413


def test_parts_of_a_form_lie_sealed_and_go_with_the_request(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path)
    vault = Vault(Keyring(new_key()), store)
    seen: list[bytes] = []
    app = body_app.create_app()
    spools = []

    def part() -> Any:
        spools.append(vault.spool())
        return spools[-1]

    app.extensions["part_factory"] = part

    @app.after_request
    def look(response: Any) -> Any:
        seen.extend(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        return response

    body = form(("files", "one", b"Doe^Jane" * 200_000), ("files", "two", b"Doe^Jane"))

    found = app.test_client().post("/form", data=body, content_type=MULTIPART)

    assert found.get_json(force=True)["files"] == {"one": 1_600_000, "two": 8}
    assert len(seen) == 2
    assert not any(b"Doe^Jane" in content for content in seen)
    assert list(store.iterate()) == []
    assert all(spool.closed for spool in spools)


def test_parts_of_a_form_that_broke_off_go_too(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path)
    vault = Vault(Keyring(new_key()), store)
    app = body_app.create_app()
    app.extensions["part_factory"] = vault.spool
    body = form(("files", "one", bytes(3_000_000)), ("files", "two", b"abc"), end=b"--X")

    found = app.test_client().post("/form", data=body, content_type=MULTIPART)

    assert found.status_code == 400
    assert list(store.iterate()) == []


def test_a_full_disk_while_a_form_is_read_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    app = body_app.create_app()
    store = LocalBlobStore(tmp_path)
    vault = Vault(Keyring(new_key()), store)
    spools = [vault.spool()]

    def part() -> Any:
        if not spools:
            raise StorageFull
        return spools.pop()

    app.extensions["part_factory"] = part
    app.register_error_handler(StorageFull, lambda error: ({"code": error.code}, 507))
    body = form(("files", "one", b"abc"), ("files", "two", b"abc"))

    found = app.test_client().post("/form", data=body, content_type=MULTIPART)

    assert (found.status_code, found.json) == (507, {"code": "storage-full"})
    assert list(store.iterate()) == []


def test_a_guarded_body_goes_on_refusing_once_it_was_torn() -> None:
    body = GuardedInput({"wsgi.input": io.BytesIO(b"abc"), "CONTENT_LENGTH": "5"})

    assert body.read(10) == b"abc"
    for _ in range(2):
        with pytest.raises(BodyIncomplete):
            body.read(10)


def test_a_guarded_body_never_reads_past_its_end() -> None:
    stream = io.BytesIO(b"bodyGET / HTTP/1.1")
    body = GuardedInput({"wsgi.input": stream, "CONTENT_LENGTH": "4"})

    assert body.read() == b"body"
    assert body.read() == b""
    assert stream.read() == b"GET / HTTP/1.1"


def test_a_guarded_body_is_a_file_object() -> None:
    body = GuardedInput({"wsgi.input": io.BytesIO(b"one\ntwo"), "CONTENT_LENGTH": "7"})

    assert list(body) == [b"one\n", b"two"]


@pytest.mark.parametrize("length", ["-5", "abc", "", "٣"])
def test_a_length_that_is_no_number_announces_no_body(length: str) -> None:
    body = GuardedInput({"wsgi.input": io.BytesIO(b"abc"), "CONTENT_LENGTH": length})

    assert body.read() == b""


def test_the_first_byte_over_the_limit_is_refused() -> None:
    body = GuardedInput({"wsgi.input": io.BytesIO(bytes(9)), "CONTENT_LENGTH": "9"})
    body.limit = 8

    with pytest.raises(BodyTooLarge) as caught:
        body.read()

    assert caught.value.facts == {"limit": 8}


def _guarded(app: Any, body: bytes, announced: int) -> tuple[list[Any], list[bytes], io.BytesIO]:
    started: list[Any] = []
    stream = io.BytesIO(body)
    environ = {"wsgi.input": stream, "CONTENT_LENGTH": str(announced)}

    def start(*args: Any) -> Callable[[bytes], object]:
        started.append((args[0], args[1], stream.tell()))
        return lambda piece: started.append(piece)

    pieces = BodyGuard(app)(environ, start)
    found = list(pieces)
    pieces.close()  # type: ignore[attr-defined]
    return started, found, stream


def test_the_head_is_held_back_until_the_body_was_read() -> None:
    def app(_environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("X", "y")])
        yield b"a"
        yield b"b"

    started, found, _ = _guarded(app, bytes(200_000), 200_000)

    assert started == [("200 OK", [("X", "y")], 200_000)]
    assert found == [b"a", b"b"]


def test_a_torn_rest_ends_the_connection() -> None:
    def app(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    started, found, _ = _guarded(app, b"abc", 5)

    assert started == [("200 OK", [("Connection", "close")], 3)]
    assert found == []


def test_an_app_that_writes_and_one_that_restarts_its_head_are_served() -> None:
    def app(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        write = start_response("500 Oops", [], (ValueError, ValueError(), None))
        write(b"first")
        return [b"second"]

    started, found, _ = _guarded(app, b"abc", 3)

    assert started == [("500 Oops", [], 3), b"first"]
    assert found == [b"second"]


def test_the_apps_answer_is_closed_even_when_nobody_reads_it() -> None:
    closed: list[bool] = []

    class Pieces(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    def app(_environ: Any, start_response: Any) -> Pieces:
        start_response("200 OK", [])
        return Pieces([b"a"])

    environ = {"wsgi.input": io.BytesIO(b"abc"), "CONTENT_LENGTH": "3"}
    BodyGuard(app)(environ, lambda *_: len).close()  # type: ignore[attr-defined]

    assert closed == [True]


def test_a_request_without_a_body_passes_through_untouched() -> None:
    pieces = [os.urandom(3)]

    def app(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return pieces

    assert BodyGuard(app)({"wsgi.input": io.BytesIO()}, lambda *_: len) is pieces
