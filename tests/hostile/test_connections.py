"""Bytes on the wire that no honest client sends, against the whole program."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack

import pytest

from tests import secrets_of_tests as secrets
from tests.pages.visitor import token_in
from tests.running import Program
from tests.samples import batch_json, picture
from webapp.security import HEADERS

KEY = f"Authorization: Bearer {secrets.API_KEY}\r\n"
HIDDEN = b"DELETE /upload/00000000-0000-4000-8000-000000000000 HTTP/1.1\r\nHost: a\r\n\r\n"


def connect(program: Program) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(program.port)), timeout=300)


def tell(program: Program, *pieces: bytes, close: bool = True) -> bytes:
    """All that comes back, to the end of the connection."""
    with connect(program) as sock:
        for piece in pieces:
            sock.sendall(piece)
        if close:
            sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def request(path: str, headers: str, method: str = "POST") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{KEY}X-File-Name: a\r\n{headers}\r\n".encode()


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


SMUGGLED = {
    "length and chunks": "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
    "chunks and length": "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
    "two lengths": "Content-Length: 5\r\nContent-Length: 90\r\n",
    "two equal lengths in one": "Content-Length: 5, 5\r\n",
    "a length with a sign": "Content-Length: +5\r\n",
    "a length below zero": "Content-Length: -5\r\n",
    "a length in another base": "Content-Length: 0x5\r\n",
    "a length of other digits": "Content-Length: ５\r\n",
    "chunks of another case in a list": "Transfer-Encoding: identity, chunKed, identity\r\n",
    "chunks twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "chunks that are none": "Transfer-Encoding: xchunked\r\n",
    "chunks behind a tab": "Transfer-Encoding:\x0bchunked\r\n",
    "a name with a space": "Transfer-Encoding : chunked\r\n",
    "a folded line": "Transfer-Encoding:\r\n chunked\r\n",
    "a bare line feed": "X: y\nTransfer-Encoding: chunked\r\n",
    "a bare carriage return": "X: y\rTransfer-Encoding: chunked\r\n",
    "an underscore": "Content_Length: 90\r\nContent-Length: 5\r\n",
}


@pytest.mark.parametrize("headers", SMUGGLED.values(), ids=SMUGGLED)
def test_no_request_hides_behind_another(program: Program, headers: str) -> None:
    """Whatever two readers may disagree about: one answer, and nothing behind it is obeyed."""
    answer = tell(program, request("/upload", headers) + b"0\r\n\r\n" + HIDDEN)

    assert statuses(answer)[:1] != [201]
    assert statuses(answer)[0] in range(400, 502)
    assert 204 not in statuses(answer)
    assert len(statuses(answer)) == 1 or headers == SMUGGLED["an underscore"]


@pytest.mark.parametrize(
    "chunks",
    [
        b"5\r\nabc", b"5\r\nabcde\r\n", b"5\r\nabcdeXX0\r\n\r\n", b"-1\r\nabc\r\n0\r\n\r\n",
        b"0x5\r\nabcde\r\n0\r\n\r\n", b"ffffffffffffffff\r\nabc", b"5 \r\n" * 3,
        b"5;" + b"x" * 100_000 + b"\r\nabcde\r\n0\r\n\r\n", b"0" * 100_000 + b"\r\n\r\n",
        b"z\r\n", b"\r\n\r\n", b"5\nabcde\n0\n\n",
    ],
    ids=["torn", "no end", "over-long", "below zero", "with a prefix", "of 2**64 - 1", "spaces",
         "long extension", "long zero", "no number", "nothing", "line feeds"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/upload", "/upload/batch"])
def test_a_broken_chunked_body_is_refused_and_stores_nothing(
    program: Program, path: str, chunks: bytes
) -> None:
    before = program.ask_json("GET", "/stats")["total_uploads"]

    answer = tell(program, request(path, "Transfer-Encoding: chunked\r\n"), chunks)

    assert statuses(answer) == [400]
    assert program.ask_json("GET", "/stats")["total_uploads"] == before


def test_a_body_shorter_than_its_length_is_refused_and_a_longer_one_is_no_part_of_it(
    program: Program,
) -> None:
    body = picture(colour=11)
    torn = tell(program, request("/upload", f"Content-Length: {len(body) + 9}\r\n") + body)
    cut = tell(program, request("/upload", f"Content-Length: {len(body) - 9}\r\n") + body)

    assert statuses(torn) == [400]
    # The last nine bytes are read as a request, and are none.
    assert statuses(cut)[1:] in ([], [400])


def test_a_body_without_any_length_is_no_body(program: Program) -> None:
    answer = tell(program, request("/upload", "") + picture(colour=12))

    assert statuses(answer)[0] == 400
    assert 201 not in statuses(answer)


def test_a_form_that_breaks_off_is_refused_and_stores_nothing(program: Program) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    for body in (part, part + picture(), part + picture() + b"\r\n--x", b"--x--", b"", b"--x\r\n"):
        kind = "Content-Type: multipart/form-data; boundary=x\r\n"
        answer = tell(
            program, request("/upload/batch", f"{kind}Content-Length: {len(body)}\r\n"), body
        )

        assert statuses(answer) == [400]


def test_a_compressed_body_is_not_opened(program: Program) -> None:
    import gzip

    body = gzip.compress(bytes(64 << 20))
    headers = f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n"

    single = tell(program, request("/upload", headers), body)
    batch = tell(program, request("/upload/batch", headers), body)

    assert (statuses(single), statuses(batch)) == ([415], [400])


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nX\0: y\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe\r\nContent-Length: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=["long field", "long address", "many fields", "NUL", "TLS", "HTTP/2", "expectation",
         "coding", "address", "connect"],
)  # fmt: skip
def test_what_the_server_itself_refuses_carries_every_header_too(
    program: Program, sent: bytes
) -> None:
    answer = tell(program, sent)
    head = answer.partition(b"\r\n\r\n")[0].decode()

    assert statuses(answer)[0] in (*range(400, 432), 501)
    for name, value in HEADERS.items():
        assert f"{name}: {value}" in head
    assert "X-Request-ID: " in head
    assert "problem+json" in head or "text/html" in head


def test_two_hundred_connections_at_once_are_all_answered(program: Program) -> None:
    with ExitStack() as held:
        socks = [held.enter_context(connect(program)) for _ in range(200)]
        for number, sock in enumerate(socks):
            body = picture("PNG", size=(64 + number, 48))
            sock.sendall(
                request("/upload", f"Connection: close\r\nContent-Length: {len(body)}\r\n") + body
            )
        answers = [b"".join(iter(lambda s=sock: s.recv(65536), b"")) for sock in socks]

    assert [statuses(answer) for answer in answers] == [[201]] * 200


def test_slow_heads_and_bodies_keep_no_upload_waiting(program: Program) -> None:
    """Eight of them starved a plain thread worker of four threads for forty seconds."""
    with ExitStack() as held:
        for _ in range(100):
            held.enter_context(connect(program)).sendall(b"POST /upload HTTP/1.1\r\nX-Slow: ")
            slow = held.enter_context(connect(program))
            slow.sendall(request("/upload", "Content-Length: 100000\r\n") + b"\xff\xd8\xff")
            chunked = held.enter_context(connect(program))
            chunked.sendall(request("/upload/batch", "Transfer-Encoding: chunked\r\n") + b"1\r\n{")

        answers = [
            program.ask("POST", "/upload", picture(colour=n), {"X-File-Name": "a"})[0]
            for n in range(5)
        ]
        batch = program.ask("POST", "/upload/batch", batch_json(("a", picture())))[0]

    assert set(answers) <= {200, 201}
    assert batch == 202


def test_two_hundred_log_ins_at_once_are_all_answered_within_the_memory(program: Program) -> None:
    """Argon2 takes 64 MB each: hashed all at once they would take 12 GB."""
    status, page = program.ask("GET", "/login", headers={"Accept": "text/html"})
    assert status == 200
    cookie, token = session_and_token(program)
    answers: list[int] = []

    def log_in(number: int) -> None:
        form = f"csrf_token={token}&email={number}%40example.org&password=wrong"
        head = (
            f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{program.port}\r\nCookie: {cookie}\r\n"
            f"Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(form)}\r\n\r\n"
        )
        answers.extend(statuses(tell(program, (head + form).encode(), close=False)))

    threads = [threading.Thread(target=log_in, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 200
    assert set(answers) == {422, 429}
    assert peak(program) < 1 << 30


def session_and_token(program: Program) -> tuple[str, str]:
    answer = tell(
        program, b"GET /login HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
    ).decode()
    cookie = next(
        line.partition(": ")[2].partition(";")[0]
        for line in answer.splitlines()
        if line.lower().startswith("set-cookie: session=")
    )
    return cookie, token_in(answer)


def peak(program: Program) -> int:
    """The most memory, in bytes, that any of its processes has ever held."""
    from tests.hostile.memory import peaks

    return max(peaks(program).values())
