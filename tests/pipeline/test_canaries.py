"""The canaries themselves: what does not stand in the input proves nothing about the output."""

from __future__ import annotations

import base64

import pytest

from tests.pipeline import canaries
from tests.pipeline.canaries import Canaries
from tests.pipeline.encoding import Encoding, File

PLANTINGS = [
    canaries.every_attribute(),
    canaries.every_attribute(Encoding(explicit=False)),
    canaries.nested(1),
    canaries.nested(3, Encoding(delimited=True)),
    canaries.in_private(),
    canaries.in_unknown(),
    canaries.in_hiding_places(),
    *canaries.under_wrong_vrs(),
]


@pytest.mark.parametrize("planting", PLANTINGS)
def test_every_planted_token_stands_in_the_input(planting: tuple[File, Canaries]) -> None:
    file, planted = planting

    assert canaries.found(file.encode(), planted.tokens) == planted.tokens


def test_most_attributes_of_the_table_hold_a_token() -> None:
    _, planted = canaries.every_attribute()

    assert len(planted.tokens) > 780


@pytest.mark.parametrize("shift", range(3))
def test_a_token_in_base64_is_found_wherever_it_begins(shift: int) -> None:
    token = Canaries().draw("text")

    hidden = base64.b64encode(b"x" * (30 + shift) + token + b"y" * 30)

    assert canaries.found(hidden, {token: "text"})


def test_a_token_in_utf_16_is_found_in_either_byte_order() -> None:
    token = Canaries().draw("text")

    assert canaries.found(token.decode().encode("utf-16-le"), {token: "text"})
    assert canaries.found(token.decode().encode("utf-16-be") + b"\0", {token: "text"})
