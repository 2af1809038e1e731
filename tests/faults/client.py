"""A client that speaks HTTP to real processes: whole requests, and ones that break off."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

from tests import secrets_of_tests as secrets
from tests.faults.files import Sample
from tests.samples import batch_json

BOUNDARY = "part-of-a-form"


class Answer(NamedTuple):
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Request:
    """A request as bytes are sent: its path, its own headers and its body."""

    path: str
    headers: dict[str, str]
    body: bytes


def single(sample: Sample) -> Request:
    """A file alone."""
    return Request("/upload", {"X-File-Name": quote(sample.name)}, sample.content)


def json_batch(samples: Iterable[Sample], **headers: str) -> Request:
    """Files as base64."""
    body = batch_json(*((sample.name, sample.content) for sample in samples))
    return Request("/upload/batch", {"Content-Type": "application/json", **headers}, body)


def form_batch(samples: Iterable[Sample]) -> Request:
    """Files as the parts of a form."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{sample.name}"'
        "\r\nContent-Type: application/octet-stream\r\n\r\n".encode()
        + sample.content
        + b"\r\n"
        for sample in samples
    ]
    body = b"".join((*parts, f"--{BOUNDARY}--\r\n".encode()))
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    return Request("/upload/batch", {"Content-Type": content_type}, body)


@dataclass
class Client:
    """A frontend with its key, as one of its users or none."""

    port: int
    user: str | None = None
    key: str = secrets.API_KEY

    def ask(self, method: str, path: str, timeout: float = 60, **headers: str) -> Answer:
        """A request without a body."""
        return self._ask(method, Request(path, headers, b""), timeout)

    def get(self, path: str) -> Any:
        """What a GET that must succeed answers in JSON."""
        answer = self.ask("GET", path)
        assert answer.status == 200, (path, answer.status, answer.content)
        return answer.json()

    def send(self, request: Request, timeout: float = 60) -> Answer:
        """A POST, whole."""
        return self._ask("POST", request, timeout)

    def answers(self, path: str = "/readyz") -> bool:
        """Whether a GET succeeds."""
        try:
            return self.ask("GET", path, timeout=10).status == 200
        except OSError:
            return False

    def begin(self, request: Request, sent: int, *, chunked: bool = False) -> socket.socket:
        """A POST of which ``sent`` bytes of the body have been sent, and nothing more yet."""
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(request.body)}"
        headers = {**self._headers(), **request.headers}
        lines = [f"POST {request.path} HTTP/1.1", "Host: localhost", length]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        piece = request.body[:sent]
        connection.sendall(f"{sent:x}\r\n".encode() + piece if chunked else piece)
        return connection

    def _ask(self, method: str, request: Request, timeout: float) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with closing(connection):
            try:
                headers = {**self._headers(), **request.headers}
                connection.request(method, request.path, request.body or None, headers)
                answer = connection.getresponse()
                return Answer(answer.status, dict(answer.headers), answer.read())
            except http.client.HTTPException as error:
                raise ConnectionError from error

    def _headers(self) -> dict[str, str]:
        return secrets.bearer(self.key, self.user)
