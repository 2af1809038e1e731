"""Every address of the service, with ids put in: so that no route is forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

from flask import Flask

from webapp.guards import guard_of

SAFE = ("GET", "HEAD", "OPTIONS")
ARGUMENT = re.compile(r"<(?:([a-z]+):)?([a-z_]+)>")


@dataclass(frozen=True)
class Address:
    """One method of one route."""

    method: str
    rule: str
    endpoint: str
    guard: str | None

    @property
    def arguments(self) -> set[str]:
        return {name for _, name in ARGUMENT.findall(self.rule)}

    @property
    def changes(self) -> bool:
        """Whether it is unsafe (RFC 9110 section 9.2.1)."""
        return self.method not in SAFE

    def path(self, **values: str) -> str:
        """The path with ``values`` in it, and ids of nothing for all others."""

        def value(found: re.Match[str]) -> str:
            return values.get(found[2], "1" if found[1] == "int" else str(uuid4()))

        return ARGUMENT.sub(value, self.rule)


def addresses(app: Flask) -> Iterator[Address]:
    """Every method of every route."""
    for rule in app.url_map.iter_rules():
        guard = guard_of(app.view_functions[rule.endpoint])
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Address(method, rule.rule, rule.endpoint, guard)
