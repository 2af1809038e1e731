"""The page about de-identification says what the rules do."""

from __future__ import annotations

from html import unescape

from flask.testing import FlaskClient

from webapp.pipeline.deidentify import parse_profile
from webapp.pipeline.deidentify.describe import BEYOND_THE_TABLE, describe
from webapp.pipeline.deidentify.table import table_e1_1


def page(client: FlaskClient) -> str:
    return unescape(client.get("/de-identification").get_data(as_text=True))


def test_the_page_holds_the_generated_text_of_the_profile_in_force(client: FlaskClient) -> None:
    text = page(client)

    assert describe(parse_profile("basic")) in text
    assert all(sentence in text for sentence in BEYOND_THE_TABLE)


def test_the_page_names_every_row_of_the_table(client: FlaskClient) -> None:
    text = page(client)

    assert [row.name for row in table_e1_1().values() if row.name not in text] == []
