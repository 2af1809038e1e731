"""A fixed cast: two frontends and who calls for them.

Clinic and Lab are frontends that must never see each other. Alice and Bob are
users of Clinic; Lab has an Alice of its own. Root is an administrator's key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from webapp.services import accounts


@dataclass
class Actor:
    """A caller with an API key, as one user or as a whole frontend."""

    client: FlaskClient
    key: str
    user: str | None = None
    extra: dict[str, str] = field(default_factory=dict)

    def headers(self, **more: str) -> dict[str, str]:
        """Authentication and whatever else."""
        headers = {"Authorization": f"Bearer {self.key}", **self.extra}
        if self.user is not None:
            headers["X-User-ID"] = self.user
        return headers | {name.replace("_", "-"): value for name, value in more.items()}

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers=self.headers(**headers))

    def post(self, path: str, content: Any = b"", **headers: str) -> TestResponse:
        return self.client.post(path, data=content, headers=self.headers(**headers))

    def delete(self, path: str) -> TestResponse:
        return self.client.delete(path, headers=self.headers())

    def upload(self, content: bytes, name: str = "image.jpg", **headers: str) -> TestResponse:
        """Send one file."""
        return self.post("/upload", content, X_File_Name=name, **headers)

    def uploaded(self, content: bytes, name: str = "image.jpg", **headers: str) -> str:
        """Send one file that must be accepted; its id."""
        response = self.upload(content, name, **headers)
        assert response.status_code in (200, 201), response.get_data(as_text=True)
        return str(response.get_json()["upload_id"])


@dataclass
class Cast:
    """Everybody."""

    clinic: Actor
    alice: Actor
    bob: Actor
    lab: Actor
    other_alice: Actor
    reader: Actor
    root: Actor


def assemble(app: Flask) -> Cast:
    """Make the frontends and their keys in a database that ``setup`` has prepared."""
    client = app.test_client(use_cookies=False)
    with app.app_context():
        clinic, lab = (accounts.create_key(name, ("read", "write")) for name in ("clinic", "lab"))
        reader = accounts.create_key("clinic", ("read",))
        root = accounts.create_key("operations", ("read", "write", "admin"))
    return Cast(
        clinic=Actor(client, clinic),
        alice=Actor(client, clinic, "alice"),
        bob=Actor(client, clinic, "bob"),
        lab=Actor(client, lab),
        other_alice=Actor(client, lab, "alice"),
        reader=Actor(client, reader),
        root=Actor(client, root),
    )
