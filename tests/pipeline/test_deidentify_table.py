"""The product's own tables, held against the numbers of the standard."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from webapp.pipeline.deidentify import describe, standard
from webapp.pipeline.deidentify.dictionary import registered
from webapp.pipeline.deidentify.iod_types import iod_of, type_of
from webapp.pipeline.deidentify.profile import Option, parse_profile
from webapp.pipeline.deidentify.rules import PRIVATE, Plan, Rule
from webapp.pipeline.deidentify.safe_private import safe_vr
from webapp.pipeline.deidentify.structured import concept_code
from webapp.pipeline.deidentify.table import row_for, table_e1_1

ROOT = Path(__file__).parents[2]
CT = "ct-image"


def test_the_table_is_that_of_2026d_with_its_657_rows() -> None:
    assert standard.EDITION == "2026d"
    assert len(table_e1_1()) == 657


def test_the_action_codes_are_as_many_of_each_as_in_the_standard() -> None:
    codes = Counter(row.basic for row in table_e1_1().values())

    assert codes == {
        "X": 417, "D": 93, "U": 55, "Z": 42, "X/D": 23, "X/Z": 11, "X/Z/D": 8, "Z/D": 6, "X/Z/U*": 2
    }  # fmt: skip


def test_the_options_name_as_many_attributes_as_in_the_standard() -> None:
    columns = Counter(column for row in table_e1_1().values() for column in row.options)

    assert columns == {
        "full-dates": 169, "modified-dates": 169, "descriptors": 141, "uids": 60, "device": 59,
        "patient": 19, "institution": 10, "structured": 4, "graphics": 4, "private": 1,
    }  # fmt: skip


def test_every_attribute_of_the_table_is_registered_with_its_vr() -> None:
    keys = [key for key in table_e1_1() if key.isalnum() and "xx" not in key and key != "private"]

    assert not [key for key in keys if registered(int(key, 16)) is None]


def test_every_table_names_its_source() -> None:
    for file in Path(standard.__file__).parent.glob("*.tsv"):
        assert file.read_text("utf-8").startswith("# "), file.name
    assert "NEMA" in (Path(standard.__file__).parent / "table_e1_1.tsv").read_text("utf-8")


def test_there_are_479_rows_of_safe_private_attributes_and_207_or_less_concepts() -> None:
    assert sum(1 for _ in standard.rows("safe_private")) == 479
    assert sum(1 for _ in standard.rows("sr_concepts")) == 206


def test_a_safe_private_attribute_is_known_by_its_creator_and_group() -> None:
    assert safe_vr("SIEMENS MR HEADER", 0x0019, 0x0C) == b"IS"
    assert safe_vr("SIEMENS MR HEADER", 0x0021, 0x0C) is None
    assert safe_vr("somebody else", 0x0019, 0x0C) is None


def rule(tag: int, profile: str = "basic", iod: str | None = CT, parent: int = 0) -> Rule:
    return Plan(parse_profile(profile), iod).rules(parent)[tag]


@pytest.mark.parametrize(
    ("tag", "iod", "action"),
    [
        (0x00080020, CT, "empty"),  # Study Date: Z, Type 2
        (0x00080022, CT, "remove"),  # Acquisition Date: X/Z, Type 3
        (0x0008002A, "enhanced-ct-image", "dummy"),  # Acquisition DateTime: X/Z/D, Type 1C
        (0x00080023, "enhanced-ct-image", "dummy"),  # Content Date: Z/D, Type 1
        (0x00081010, CT, "remove"),  # Station Name: X/Z/D, Type 3
        (0x00181400, CT, "remove"),  # Acquisition Device Processing Description: X/D, Type 3
        (0x00700082, "grayscale-softcopy-presentation-state", "dummy"),  # X, but Type 1 there
        (0x00700082, CT, "remove"),
        (0x00081030, CT, "remove"),  # Study Description: X
        (0x00180010, CT, "empty"),  # Contrast/Bolus Agent: Z/D, Type 2
        (0x0040A730, CT, "remove"),  # Content Sequence: D, but no part of a CT
        (0x0008002A, None, "dummy"),  # where the IOD is not known: present, with a value
        (0x00080022, None, "empty"),
        (0x00080018, None, "uid"),
    ],
)
def test_a_code_is_resolved_by_the_type_in_the_iod(tag: int, iod: str | None, action: str) -> None:
    assert rule(tag, iod=iod).action == action


def test_requested_procedure_id_is_emptied_where_its_sequence_wants_it() -> None:
    inside = rule(0x00401001, iod="enhanced-sr", parent=0x0040A370)

    assert (type_of("enhanced-sr", "RequestedProcedureID", "ReferencedRequestSequence")) == "2"
    assert inside.action == "empty"


def test_the_iod_is_told_by_the_sop_class() -> None:
    assert iod_of("1.2.840.10008.5.1.4.1.1.2") == CT
    assert iod_of("1.2.3") is None


@pytest.mark.parametrize(
    ("tag", "option", "action"),
    [
        (0x00080020, Option.RETAIN_FULL_DATES, "keep_date"),
        (0x00080020, Option.RETAIN_MODIFIED_DATES, "shift"),
        (0x0020000D, Option.RETAIN_UIDS, "fixed_uid"),
        (0x00181000, Option.RETAIN_DEVICE_IDENTITY, "keep"),
        (0x00080080, Option.RETAIN_INSTITUTION_IDENTITY, "keep"),
        (0x00101010, Option.RETAIN_PATIENT_CHARACTERISTICS, "age"),
        (0x00102110, Option.RETAIN_PATIENT_CHARACTERISTICS, "clean"),
        (0x00081030, Option.CLEAN_DESCRIPTORS, "clean"),
        (0x00400555, Option.CLEAN_STRUCTURED_CONTENT, "walk"),
        (0x00700001, Option.CLEAN_GRAPHICS, "walk"),
    ],
)
def test_an_option_changes_the_action(tag: int, option: Option, action: str) -> None:
    assert rule(tag, f"basic+{option.switch}").action == action


def test_calibration_dates_move_with_the_others_even_where_devices_are_kept() -> None:
    both = "basic+retain-device-identity+retain-modified-dates"

    assert rule(0x00181200, both).action == "shift"


def test_private_attributes_are_one_rule() -> None:
    assert Plan(parse_profile("basic"), CT).private is PRIVATE


def test_a_concept_is_removed_kept_or_cleaned_as_its_row_says() -> None:
    age = ("121033", "DCM")

    assert concept_code(frozenset(), age, "NUM") == "X"
    assert concept_code(frozenset({"patient"}), age, "NUM") == "K"
    assert concept_code(frozenset({"descriptors"}), ("121106", "DCM"), "TEXT") == "C"
    assert concept_code(frozenset(), ("121106", "DCM"), "NUM") == ""


def test_the_documentation_is_what_the_rules_generate() -> None:
    """Run ``python -m webapp.pipeline.deidentify.describe`` to bring it up to date."""
    assert (ROOT / "docs/deidentification.md").read_text("utf-8") == describe.document()


def test_a_profile_tells_in_words_what_each_of_its_options_does() -> None:
    text = describe.describe(parse_profile("basic+retain-uids+clean-descriptors"))

    assert "2026d" in text
    assert describe.WHAT_IT_DOES[Option.RETAIN_UIDS] in text
    assert describe.WHAT_IT_DOES[Option.RETAIN_FULL_DATES] not in text


def test_what_a_page_shows_for_a_row_follows_the_profile() -> None:
    row = row_for(0x00080020)
    assert row is not None

    assert describe.action(row, parse_profile("basic")) == "Z"
    assert describe.action(row, parse_profile("basic+retain-full-dates")) == "K"
    assert describe.action(row, parse_profile("basic+retain-modified-dates")) == "C"


def test_profiles_are_values_and_their_names_are_read_back() -> None:
    profile = parse_profile("basic+retain-uids+clean-graphics")

    assert profile.name == "basic+clean-graphics+retain-uids"
    assert parse_profile(profile.name) == profile
    assert parse_profile("Basic + Retain_UIDs") == parse_profile("basic+retain-uids")
    assert parse_profile("basic+retain-longitudinal-full-dates").options == {
        Option.RETAIN_FULL_DATES
    }


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("", ""),
        ("full", "full"),
        ("basic+retain-everything", "retain-everything"),
        ("basic+clean-pixel-data", "clean-pixel-data"),
        ("basic+retain-full-dates+retain-modified-dates", "retain-modified-dates"),
    ],
)
def test_a_profile_that_is_none_is_refused_by_the_name_of_its_bad_part(name: str, bad: str) -> None:
    with pytest.raises(ValueError, match=f"^{bad}$"):
        parse_profile(name)


def test_the_codes_of_the_options_are_those_of_cid_7050() -> None:
    codes = sorted(option.code for option in Option)

    assert codes == [str(number) for number in range(113101, 113113)]
