"""The arrows between the packages run one way; an arrow may skip a level, never turn."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "webapp").rglob("*.py"))

BELOW = {
    "pages": {"tasks", "services", "pipeline", "storage"},
    "api": {"tasks", "services", "pipeline", "storage"},
    "tasks": {"services", "pipeline", "storage"},
    "services": {"pipeline", "storage"},
    "pipeline": set[str](),
    "storage": set[str](),
}
PURE = {"pipeline", "storage"}
SHELL = {"flask", "flask_login", "flask_wtf", "werkzeug", "jinja2", "huey", "redis"}
# A clock and chance are handed in, so that the pipeline does the same thing every time.
IMPURE = SHELL | {"sqlalchemy", "flask_sqlalchemy", "random", "secrets", "time"}
# How the helper process and its caller speak: deadlines need a clock.
TRANSPORT = {"messages.py"}


def imports(file: Path) -> Iterator[str]:
    """The full names of the modules that ``file`` imports anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import hides its arrow"
            module = node.module or ""
            yield module
            if module == "webapp":
                yield from (f"webapp.{alias.name}" for alias in node.names)


def from_flask(file: Path) -> set[str]:
    """What a file takes from Flask by name."""
    return {
        alias.name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "flask"
        for alias in node.names
    }


def layer(file: Path) -> str:
    """The package of ``webapp`` that ``file`` lies in; its own name outside of them."""
    return file.relative_to(ROOT / "webapp").parts[0].removesuffix(".py")


def ours(file: Path) -> set[str]:
    """What of ``webapp`` a file imports: the names of packages, or of files beside them."""
    return {name.split(".")[1] for name in imports(file) if name.startswith("webapp.")}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_follow_the_arrows(file: Path) -> None:
    here = layer(file)
    if here not in BELOW:
        return  # beside the packages, where everything is put together

    packages = (ours(file) & BELOW.keys()) - {here}

    assert packages <= BELOW[here]


@pytest.mark.parametrize(
    "file", [f for f in FILES if layer(f) in PURE], ids=lambda f: str(f.relative_to(ROOT))
)
def test_pipeline_and_storage_know_nothing_of_the_program_around_them(file: Path) -> None:
    assert ours(file) <= {layer(file), "errors"}


@pytest.mark.parametrize(
    "file",
    [f for f in FILES if layer(f) == "pipeline" and f.name not in TRANSPORT],
    ids=lambda f: str(f.relative_to(ROOT)),
)
def test_the_pipeline_is_pure(file: Path) -> None:
    assert not {name.split(".")[0] for name in imports(file)} & IMPURE


@pytest.mark.parametrize(
    "file", [f for f in FILES if layer(f) == "storage"], ids=lambda f: str(f.relative_to(ROOT))
)
def test_storage_knows_no_web(file: Path) -> None:
    assert not {name.split(".")[0] for name in imports(file)} & SHELL


@pytest.mark.parametrize(
    "file", [f for f in FILES if layer(f) == "services"], ids=lambda f: str(f.relative_to(ROOT))
)
def test_services_know_their_app_and_no_request(file: Path) -> None:
    assert from_flask(file) <= {"Flask", "current_app"}


def test_errors_stand_on_nothing() -> None:
    assert not ours(ROOT / "webapp" / "errors.py")
