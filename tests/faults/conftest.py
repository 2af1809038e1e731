"""Installations as real processes, in both shapes, for everything that can go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import shapes
from tests.faults.shapes import Shape
from tests.running import copy_of_the_program


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, apart from the work tree that somebody may be editing."""
    return copy_of_the_program(tmp_path_factory.mktemp("program") / "copy")


@pytest.fixture(scope="module", params=list(shapes.SHAPES))
def shape(
    request: pytest.FixtureRequest, program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shape]:
    """Each shape in turn, shared by the tests of a file."""
    with shapes.SHAPES[request.param](program, tmp_path_factory.mktemp("shape")) as made:
        yield made


@pytest.fixture(scope="module")
def scaled_out(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shape]:
    with shapes.scaled_out(program, tmp_path_factory.mktemp("shape")) as made:
        yield made
