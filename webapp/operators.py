"""Commands act as their operator: the audit says which account of which machine."""

from __future__ import annotations

import getpass
import socket
from typing import Any

import click
from flask.cli import AppGroup

from webapp.services.audit import Actor, Origin, origin

LONGEST = 45


class OperatorGroup(AppGroup):
    """A group of commands whose acts are an operator's."""

    def invoke(self, ctx: click.Context) -> Any:
        before = origin.set(Origin(Actor.OPERATOR, address=_where()))
        try:
            return super().invoke(ctx)
        finally:
            origin.reset(before)


def _where() -> str:
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        account = "-"  # a container's user without a name
    return f"{account}@{socket.gethostname()}"[:LONGEST]
