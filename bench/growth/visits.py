"""Somebody with a browser, or a program with a key, on one connection that is kept."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Visitor:
    """Keeps cookies, as a browser does, and the headers that every request says."""

    def __init__(self, port: int, headers: Mapping[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = dict(headers or {"Accept": "text/html"})
        self._cookies: dict[str, str] = {}

    def logged_in(self, email: str, password: str) -> Visitor:
        """The same, once logged in."""
        _, page = self._ask("GET", "/login")
        token = TOKEN.search(page.decode())
        if token is None:
            raise RuntimeError("the log-in page has no token")
        form = {"email": email, "password": password, "csrf_token": token.group(1)}
        status, _ = self._ask("POST", "/login", urlencode(form).encode())
        if status != 303:
            raise RuntimeError(f"the log-in was answered with {status}")
        return self

    def visit(self, path: str) -> Callable[[], float]:
        """Asks for ``path``; the milliseconds until its answer was read."""

        def asked() -> float:
            began = time.perf_counter()
            status, _ = self._ask("GET", path)
            if status != 200:
                raise RuntimeError(f"{path} was answered with {status}")
            return (time.perf_counter() - began) * 1000

        return asked

    def send(self, path: str, body: bytes) -> float:
        """Post ``body``; the milliseconds until the answer was read."""
        began = time.perf_counter()
        status, _ = self._ask("POST", path, body)
        if status != 201:
            raise RuntimeError(f"{path} was answered with {status}")
        return (time.perf_counter() - began) * 1000

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {**(FORM if body else {}), **self._headers, "Cookie": cookies}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, rest = cookie.partition("=")
            self._cookies[name] = rest.partition(";")[0]
        return answer.status, content
