"""Nothing planted anywhere comes out; where an option keeps, only what the table says it keeps."""

from __future__ import annotations

import pytest

from tests.pipeline import canaries
from tests.pipeline.canaries import Canaries
from tests.pipeline.deidentifying import done, written
from tests.pipeline.encoding import EXPLICIT_LITTLE, Encoding, File, ct
from webapp.pipeline.deidentify.profile import SWITCHES, Option
from webapp.pipeline.deidentify.table import row_for
from webapp.pipeline.verify import verify

ENCODINGS = {
    "explicit": Encoding(),
    "implicit": Encoding(explicit=False),
    "big endian": Encoding(order=">"),
    "delimited": Encoding(delimited=True),
    "implicit delimited": Encoding(explicit=False, delimited=True),
}


def leaks(planting: tuple[File, Canaries], profile: str = "basic") -> dict[bytes, str]:
    file, planted = planting
    result = done(file, profile)
    assert verify(result) == ()
    return canaries.found(written(result), planted.tokens)


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_no_attribute_of_the_table_leaks_at_the_top(encoding: Encoding) -> None:
    assert leaks(canaries.every_attribute(encoding)) == {}


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("depth", [1, 3, 40])
def test_no_attribute_of_the_table_leaks_in_nested_items(encoding: Encoding, depth: int) -> None:
    assert leaks(canaries.nested(depth, encoding)) == {}


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("profile", ["basic", "basic+retain-safe-private"])
def test_nothing_leaks_from_private_sequences(encoding: Encoding, profile: str) -> None:
    assert leaks(canaries.in_private(encoding), profile) == {}


@pytest.mark.parametrize("tag", [0x00081115, 0x00409096, 0x00400555])
def test_nothing_leaks_from_sequences_sent_as_un(tag: int) -> None:
    assert leaks(canaries.in_unknown(tag)) == {}


@pytest.mark.parametrize("planting", list(canaries.under_wrong_vrs()), ids=canaries.WRONG_VRS)
def test_no_attribute_leaks_under_a_wrong_vr(planting: tuple[File, Canaries]) -> None:
    assert leaks(planting) == {}


def test_nothing_leaks_from_the_hiding_places() -> None:
    assert leaks(canaries.in_hiding_places()) == {}


KEEPING = {option: option.column for option in Option if option.switch.startswith("retain")}


@pytest.mark.parametrize("option", SWITCHES.values(), ids=SWITCHES)
@pytest.mark.parametrize("depth", [0, 2])
def test_under_an_option_only_what_its_column_names_comes_out(option: Option, depth: int) -> None:
    planting = canaries.nested(depth) if depth else canaries.every_attribute()

    survivors = leaks(planting, f"basic+{option.switch}")

    for place in survivors.values():
        tag = int(place.split()[-1].split("/")[0], 16)
        row = row_for(tag)
        assert row is not None
        assert option.column in row.options, place
        assert not place.endswith(("/name", "/id")), place


def test_all_options_together_keep_no_person() -> None:
    every = [s for s, o in SWITCHES.items() if o is not Option.RETAIN_MODIFIED_DATES]
    file, planted = canaries.every_attribute()

    survivors = canaries.found(written(done(file, "+".join(["basic", *every]))), planted.tokens)

    assert not [place for place in survivors.values() if place.endswith(("/name", "/id"))]
    for tag in ("00100010", "00100020", "00100030", "00080090", "00101040", "00080050"):
        assert f"top {tag}" not in survivors.values()


PERSON = {
    "name": b"Vantongerloo",
    "id": b"PID-550182",
    "physician": b"Quincke",
    "accession": b"ACC-77123",
}


@pytest.mark.parametrize("secret", PERSON.values(), ids=PERSON)
@pytest.mark.parametrize("tag", [0x00181160, 0x00080008, 0x00081090, 0x00181250, 0x00204000])
def test_an_identifying_value_in_an_unlisted_attribute_is_cut_out(secret: bytes, tag: int) -> None:
    vrs = {0x00181160: "SH", 0x00080008: "CS", 0x00204000: "LT"}
    file = ct()
    file.elements[tag] = EXPLICIT_LITTLE.element(tag, vrs.get(tag, "SH"), b"Filter " + secret)

    result = done(file)

    assert secret not in written(result)
    assert verify(result) == ()
