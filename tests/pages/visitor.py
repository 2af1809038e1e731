"""A person and a browser without scripts: log in, read pages, send forms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from webapp.services import accounts
from webapp.storage.models import Role

PASSWORD = "a password of the tests"
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
PAGE = {"Accept": "text/html"}
SCRIPT = {"Accept": "application/json"}


@dataclass
class Visitor:
    """One browser, and whose."""

    client: FlaskClient
    email: str
    _token: str = ""

    def get(self, path: str, **headers: str) -> TestResponse:
        """Ask for a page."""
        return self.client.get(path, headers=PAGE | _named(headers))

    def page(self, path: str) -> str:
        """A page that must be there, as text."""
        response = self.get(path)
        assert response.status_code == 200, response.status
        return response.get_data(as_text=True)

    def token(self) -> str:
        """The token that this session's forms carry."""
        self._token = self._token or token_in(self.page("/account"))
        return self._token

    def send(self, path: str, **fields: Any) -> TestResponse:
        """Send a form with its token, as the page does."""
        data = {"csrf_token": self.token(), **fields}
        return self.client.post(path, data=data, headers=PAGE)

    def script(self, method: str, path: str, content: bytes = b"", **headers: str) -> TestResponse:
        """What the upload page's script sends: token in the header, JSON wanted."""
        named = SCRIPT | {"X-CSRFToken": self.token()} | _named(headers)
        return self.client.open(path, method=method, data=content, headers=named)

    def log_in(self, password: str = PASSWORD, target: str = "/login") -> TestResponse:
        token = token_in(self.get(target).get_data(as_text=True))
        fields = {"email": self.email, "password": password, "csrf_token": token}
        self._token = ""
        return self.client.post(target, data=fields, headers=PAGE)

    def opened(self) -> str:
        """A new open batch; the path of its page."""
        return str(self.script("POST", "/batches").get_json()["location"])

    def added(self, batch: str, content: bytes, name: str = "image.jpg", **headers: str) -> Any:
        """One file into an open batch; the answer."""
        response = self.script("POST", f"{batch}/files", content, X_File_Name=name, **headers)
        assert response.status_code == 202, response.get_data(as_text=True)
        return response.get_json()

    def uploaded(self, content: bytes, name: str = "image.jpg") -> str:
        """One file in a batch of its own, closed; the id of its upload."""
        batch = self.opened()
        upload_id = str(self.added(batch, content, name)["upload_id"])
        assert self.script("POST", f"{batch}/close").status_code == 204
        return upload_id


def token_in(html: str) -> str:
    """The CSRF token of a page."""
    found = TOKEN.search(html)
    assert found, html
    return unescape(found[1])


def newcomer(app: Flask, email: str, role: Role = Role.CLINICIAN) -> Visitor:
    """A new account and a browser that nobody is logged in with."""
    with app.app_context():
        accounts.create_person(email, PASSWORD, role)
    return Visitor(app.test_client(), email)


def somebody(app: Flask, email: str = "anna@example.org", role: Role = Role.CLINICIAN) -> Visitor:
    """A new account, logged in."""
    visitor = newcomer(app, email, role)
    assert visitor.log_in().status_code == 303
    return visitor


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
