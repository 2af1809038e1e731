"""The cast, on an app of its own."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.callers import Cast, assemble


@pytest.fixture
def cast(app: Flask) -> Cast:
    return assemble(app)
