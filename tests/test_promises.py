"""Promises that hold for the whole program, asked of the program itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from webapp.errors import ServiceError
from webapp.problems import PROBLEMS, detail_of

ROOT = Path(__file__).parents[1]


def codes() -> set[str]:
    """Every code that a class of the program carries."""
    found: set[str] = set()
    for file in (ROOT / "webapp").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                found |= {
                    str(line.value.value)
                    for line in node.body
                    if isinstance(line, ast.Assign)
                    and isinstance(line.value, ast.Constant)
                    and [getattr(target, "id", "") for target in line.targets] == ["code"]
                }
    return found - {ServiceError.code, "rejected"}


def test_every_error_has_its_row_in_the_table() -> None:
    assert codes() - PROBLEMS.keys() == set()


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_code_has_a_sentence_without_its_facts(code: str) -> None:
    assert "{" not in detail_of(code, {})


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_problem_type_leads_to_a_page(client: FlaskClient, code: str) -> None:
    response = client.get(f"/problems/{code}")

    assert response.status_code == 200
    assert code in response.get_data(as_text=True)
