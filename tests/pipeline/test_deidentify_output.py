"""What comes out: it says what was done to it, keeps what names nobody, and reads well."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from tests.pipeline.deidentifying import PSEUDONYMS, dataset, done, output, written
from tests.pipeline.encoding import CT, EXPLICIT_LITTLE, Encoding, File, ct
from webapp.pipeline.deidentify.dictionary import registered
from webapp.pipeline.deidentify.part10 import IMPLEMENTATION_CLASS_UID
from webapp.pipeline.deidentify.profile import SWITCHES, Option, parse_profile
from webapp.pipeline.deidentify.rules import KEEP, Plan

write = EXPLICIT_LITTLE.element


def test_it_says_that_and_how_it_was_deidentified() -> None:
    instance = dataset(ct(), "basic+retain-uids+clean-descriptors")

    codes = [item.CodeValue for item in instance.DeidentificationMethodCodeSequence]
    assert instance.PatientIdentityRemoved == "YES"
    assert "2026d" in instance.DeidentificationMethod
    assert codes == ["113100", "113105", "113110"]
    assert {i.CodingSchemeDesignator for i in instance.DeidentificationMethodCodeSequence} == {
        "DCM"
    }


@pytest.mark.parametrize("option", SWITCHES.values(), ids=SWITCHES)
def test_each_option_is_recorded_under_its_code(option: Option) -> None:
    instance = dataset(ct(), f"basic+{option.switch}")

    codes = [item.CodeValue for item in instance.DeidentificationMethodCodeSequence]
    assert codes == ["113100", option.code]


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("basic", "REMOVED"),
        ("basic+retain-full-dates", "UNMODIFIED"),
        ("basic+retain-modified-dates", "MODIFIED"),
    ],
)
def test_it_says_what_became_of_dates(profile: str, said: str) -> None:
    assert dataset(ct(), profile).LongitudinalTemporalInformationModified == said


def test_the_file_meta_information_is_our_own() -> None:
    file = ct()
    file.meta = write(0x00020012, "UI", "1.2.9.9") + write(0x00020016, "AE", "HOSPITAL_7")
    instance = dataset(file)

    meta = instance.file_meta
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.MediaStorageSOPClassUID == CT
    assert meta.MediaStorageSOPInstanceUID == instance.SOPInstanceUID
    assert "SourceApplicationEntityTitle" not in meta


def test_the_preamble_becomes_zeros() -> None:
    file = ct()
    file.preamble = b"MZ" + b"\x90" * 126

    assert output(file)[:132] == bytes(128) + b"DICM"


def test_bytes_after_the_end_are_dropped() -> None:
    file = ct()
    clean = output(file)
    file.trailer = b"PK\x03\x04 a whole archive" * 20

    assert output(file) == clean


@pytest.mark.parametrize("encoding", [Encoding(), Encoding(explicit=False), Encoding(order=">")])
def test_pixels_are_the_same_numbers(encoding: Encoding) -> None:
    numbers = range(700, 716)
    pixels = struct.pack(f"{encoding.order}16H", *numbers)

    instance = dataset(ct(encoding, pixels))

    assert struct.unpack("<16H", instance.PixelData) == tuple(numbers)


def test_the_facts_of_the_instance_are_those_of_the_output() -> None:
    result = done(ct())
    content = written(result)
    instance, facts = pydicom.dcmread(io.BytesIO(content)), result.instance

    assert facts.sop_class_uid == CT
    assert facts.sop_instance_uid == instance.SOPInstanceUID == PSEUDONYMS.uid("1.2.3.4.5")
    assert facts.study_instance_uid == instance.StudyInstanceUID
    assert facts.series_instance_uid == instance.SeriesInstanceUID
    assert facts.transfer_syntax_uid == instance.file_meta.TransferSyntaxUID
    assert (facts.modality, facts.photometric_interpretation) == ("CT", "MONOCHROME2")
    assert (facts.rows, facts.columns, facts.bits_allocated, facts.bits_stored) == (4, 4, 16, 16)
    assert facts.number_of_frames is None
    assert facts.pixel_offset is not None
    assert facts.pixel_length == 32
    assert content[facts.pixel_offset :][:32] == instance.PixelData


def test_a_file_without_pixels_says_so() -> None:
    file = ct()
    for tag in (0x7FE00010, 0x00280010, 0x00280011, 0x00280100):
        del file.elements[tag]

    facts = done(file).instance

    assert (facts.has_pixels, facts.pixel_offset, facts.pixel_length) == (False, None, None)


def test_uids_that_every_instance_must_have_are_added_and_noted() -> None:
    file = ct()
    for tag in (0x00080018, 0x0020000D):
        del file.elements[tag]
    file.elements[0x0020000E] = write(0x0020000E, "UI", b"")

    result = done(file)
    instance = pydicom.dcmread(io.BytesIO(written(result)))

    assert instance.SOPInstanceUID.startswith("2.25.")
    assert instance.StudyInstanceUID == result.instance.study_instance_uid != ""
    assert instance.SeriesInstanceUID == result.instance.series_instance_uid != ""
    assert "uid-added" in result.report.notes


def test_the_report_counts_actions_and_holds_no_value() -> None:
    file = ct()
    file.elements[0x00091001] = write(0x00091001, "LO", "secret")
    nested = write(0x00100010, "PN", "Vantongerloo^Mirabel")
    file.elements[0x00081115] = EXPLICIT_LITTLE.sequence(0x00081115, nested, nested)

    report = done(file).report.as_dict()
    text = json.dumps(report)

    actions = {(a["attribute"], a["action"]): a for a in report["actions"]}  # type: ignore[attr-defined]
    assert actions["PatientName", "Z"]["count"] == 3
    assert actions["PatientName", "Z"]["depth"] == 1
    assert actions["Private Attributes", "X"]["count"] == 1
    for value in ("Vantongerloo", "secret", "PID-550182", "19610719", "PATIENT^", "2.25."):
        assert value not in text


def test_the_representation_shows_no_identifier() -> None:
    assert "Vantongerloo" not in repr(done(ct()))


KEPT_IN_A_CT = [
    "ImageType",
    "SOPClassUID",
    "Modality",
    "Manufacturer",
    "SliceThickness",
    "KVP",
    "SeriesNumber",
    "InstanceNumber",
    "PhotometricInterpretation",
    "Rows",
    "BitsStored",
    "PixelRepresentation",
]


@pytest.mark.parametrize("keyword", KEPT_IN_A_CT)
def test_what_names_nobody_is_kept_as_it_is(keyword: str) -> None:
    before = pydicom.dcmread(io.BytesIO(ct().encode()))

    assert dataset(ct())[keyword].value == before[keyword].value


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "examples_palette.dcm"])
def test_nothing_is_deleted_that_the_profile_keeps(name: str) -> None:
    """Over-deleting is an error as well: every unlisted attribute of a real file, counted."""
    path = get_testdata_file(name)
    assert isinstance(path, str)
    before = pydicom.dcmread(path)
    after = dataset(Path(path).read_bytes())
    rules = Plan(parse_profile("basic"), None).rules()

    unlisted = [e for e in before if not e.tag.is_private and rules[int(e.tag)] is KEEP]
    lost = [e.keyword for e in unlisted if e.tag not in after or after[e.tag].value != e.value]

    assert len(unlisted) > 20
    assert lost == []


def test_a_flood_of_strange_tags_is_forgotten_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is remembered of headers is bounded: with room for none, the same comes out."""
    before = output(ct())
    monkeypatch.setattr("webapp.pipeline.deidentify.rules.MOST_STEPS", 1)
    plan = Plan(parse_profile("basic"), None)
    steps = plan.rules().steps(True, False)

    for number in range(0x1001, 0x1101):
        steps[number.to_bytes(2, "little") * 2 + b"LO"]

    assert len(steps) == 1
    assert output(ct()) == before


def test_a_step_is_known_by_tag_and_vr_together() -> None:
    """The same attribute under a longer VR has a longer header, and is looked at."""
    steps = Plan(parse_profile("basic"), None).rules().steps(True, False)
    rows = b"\x28\0\x34\0"

    assert (steps[rows + b"IS"].ahead, steps[rows + b"IS"].passed) == (8, True)
    assert (steps[rows + b"UN"].ahead, steps[rows + b"UN"].passed) == (12, False)
    assert steps[rows + b"??"].ahead == 0


def every_unlisted() -> File:
    """A CT with a value in every registered attribute that no rule names, sequences apart."""
    values = {"US": b"\1\0", "SS": b"\1\0", "UL": bytes(4), "SL": bytes(4), "FL": bytes(4)}
    values |= {"FD": bytes(8), "IS": b"7", "DS": b"7.5", "AT": bytes(4), "CS": b"YES"}
    file, rules = ct(), Plan(parse_profile("basic"), "ct-image").rules()
    for group in (0x0018, 0x0020, 0x0028, 0x0040, 0x0054, 0x3006, 0x300A):
        for number in range(0x0001, 0x10000):
            tag = group << 16 | number
            known = registered(tag)
            if known and rules[tag] is KEEP and known[0] in {*values, "LO", "SH", "ST", "LT"}:
                content = values.get(known[0], b"harmless text")
                file.elements[tag] = write(tag, known[0], content)
    return file


def test_every_registered_attribute_that_no_row_names_stays() -> None:
    file = every_unlisted()

    before = pydicom.dcmread(io.BytesIO(file.encode()))
    after = dataset(file)

    kept = [e for e in before if e.tag in after and after[e.tag].value == e.value]
    rules = Plan(parse_profile("basic"), "ct-image").rules()
    unlisted = [e for e in before if rules[int(e.tag)] is KEEP]
    assert len(unlisted) > 1200
    assert [e.keyword for e in unlisted if e not in kept] == []
