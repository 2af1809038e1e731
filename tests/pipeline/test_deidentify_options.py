"""Options that keep or clean whole structures: private blocks, reports, graphics."""

from __future__ import annotations

import struct

from tests.pipeline.deidentifying import dataset, done, output, written
from tests.pipeline.encoding import (
    COMPREHENSIVE_SR,
    EXPLICIT,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Encoding,
    File,
    ct,
)
from webapp.pipeline.verify import verify

write = EXPLICIT_LITTLE.element
sequence = EXPLICIT_LITTLE.sequence
SAFE = "basic+retain-safe-private"
STRUCTURED = "basic+clean-structured-content"


# Retain Safe Private.


def private(block: int = 0x10, creator: str = "SIEMENS MR HEADER") -> File:
    file = ct()
    first = 0x00190000 | block << 8
    file.elements[0x00190000 | block] = write(0x00190000 | block, "LO", creator)
    file.elements[first | 0x0C] = write(first | 0x0C, "IS", "1000")
    file.elements[first | 0x99] = write(first | 0x99, "LO", "not on the list")
    return file


def test_safe_private_attributes_stay_with_their_creator() -> None:
    instance = dataset(private(), SAFE)

    assert instance[0x00190010].value == "SIEMENS MR HEADER"
    assert instance[0x0019100C].value == 1000
    assert 0x00191099 not in instance


def test_they_are_known_by_creator_wherever_their_block_lies() -> None:
    assert dataset(private(0x42), SAFE)[0x0019420C].value == 1000


def test_another_creator_in_the_same_block_is_not_safe() -> None:
    instance = dataset(private(creator="SOMEBODY ELSE"), SAFE)

    assert not [element for element in instance if element.tag.is_private]


def test_without_the_option_every_private_attribute_goes() -> None:
    assert not [element for element in dataset(private()) if element.tag.is_private]


def test_a_name_in_a_safe_private_attribute_is_cut_out() -> None:
    file = ct()
    file.elements[0x00430010] = write(0x00430010, "LO", "GEMS_PARM_01")
    file.elements[0x00431027] = write(0x00431027, "SH", "/1.0:1 Vantongerloo")

    result = done(file, SAFE)

    assert b"Vantongerloo" not in written(result)
    assert b"/1.0:1" in written(result)


def test_implicitly_encoded_safe_attributes_stay_too() -> None:
    file, element = ct(Encoding(explicit=False)), IMPLICIT_LITTLE.element
    file.elements[0x00190010] = element(0x00190010, "LO", "SIEMENS MR HEADER")
    file.elements[0x0019100C] = element(0x0019100C, "IS", "1000")

    assert b"1000" in output(file, SAFE)


# Structured reports.


def code(value: str, scheme: str = "DCM", meaning: str = "a concept") -> bytes:
    return (
        write(0x00080100, "SH", value)
        + write(0x00080102, "SH", scheme)
        + write(0x00080104, "LO", meaning)
    )


def content(kind: str, concept: str, *more: bytes) -> bytes:
    return (
        write(0x0040A010, "CS", "CONTAINS")
        + write(0x0040A040, "CS", kind)
        + sequence(0x0040A043, code(concept))
        + b"".join(more)
    )


ITEMS = (
    content("TEXT", "121071", write(0x0040A160, "UT", "Mass seen by Zebulon in the lung")),
    content("PNAME", "121008", write(0x0040A123, "PN", "Zebulon^Pike")),
    content("DATE", "121031", write(0x0040A121, "DA", "19610719")),
    content("DATETIME", "111526", write(0x0040A120, "DT", "20190402101500")),
    content("UIDREF", "121012", write(0x0040A124, "UI", "1.2.3.4.77")),
    content("NUM", "121033", age := sequence(0x0040A300, write(0x0040A30A, "DS", "95"))),
    content("CODE", "121032", sequence(0x0040A168, code("M", "DCM", "Male"))),
    content("CODE", "121071", sequence(0x0040A168, code("4147007", "SCT", "Mass"))),
    content("CONTAINER", "126000", sequence(0x0040A730, content("TEXT", "121106", write(
        0x0040A160, "UT", "nested Zebulon")))),
)  # fmt: skip


def report(*items: bytes) -> File:
    file = File(EXPLICIT, COMPREHENSIVE_SR)
    values = [
        (0x00080016, "UI", COMPREHENSIVE_SR),
        (0x00080018, "UI", "1.2.3.4.5"),
        (0x00080060, "CS", "SR"),
        (0x00100010, "PN", "Vantongerloo^Mirabel"),
        (0x00100020, "LO", "PID-550182"),
        (0x0020000D, "UI", "1.2.3.4.6"),
        (0x0020000E, "UI", "1.2.3.4.7"),
        (0x0040A040, "CS", "CONTAINER"),
    ]
    file.elements = {tag: write(tag, vr, value) for tag, vr, value in values}
    file.elements[0x0040A043] = sequence(0x0040A043, code("126000"))
    file.elements[0x0040A730] = sequence(0x0040A730, *items)
    return file


def kinds(file: File, profile: str) -> list[str]:
    return [item.ValueType for item in dataset(file, profile).ContentSequence]


def test_no_content_item_keeps_what_identifies() -> None:
    for profile in ("basic", STRUCTURED, f"{STRUCTURED}+clean-descriptors"):
        result = done(report(*ITEMS), profile)

        for secret in (b"Zebulon", b"Pike", b"19610719", b"20190402", b"1.2.3.4.77"):
            assert secret not in written(result), (profile, secret)
        assert verify(result) == ()


def test_content_items_whose_concept_identifies_are_removed() -> None:
    assert "NUM" not in kinds(report(*ITEMS), STRUCTURED)
    assert kinds(report(*ITEMS), STRUCTURED).count("CODE") == 1


def test_text_is_replaced_by_the_basic_profile_and_cleaned_by_the_option() -> None:
    finding = content("TEXT", "121999", write(0x0040A160, "UT", "Mass of Zebulon in the lung"))

    assert dataset(report(finding)).ContentSequence[0].TextValue == "REMOVED"
    cleaned = dataset(report(finding), STRUCTURED).ContentSequence[0].TextValue
    assert cleaned == "Mass of in the lung"


def test_a_subjects_age_above_89_is_told_as_90_where_it_stays() -> None:
    item = content("NUM", "121033", age)

    kept = dataset(report(item), f"{STRUCTURED}+retain-patient-characteristics")

    assert kept.ContentSequence[0].MeasuredValueSequence[0].NumericValue == 90


def test_measurements_and_findings_stay() -> None:
    size = content("NUM", "410668003", sequence(0x0040A300, write(0x0040A30A, "DS", "12.5")))

    kept = dataset(report(size, ITEMS[7])).ContentSequence

    assert kept[0].MeasuredValueSequence[0].NumericValue == 12.5
    assert kept[1].ConceptCodeSequence[0].CodeMeaning == "Mass"


def test_items_stay_where_others_point_at_them_by_position() -> None:
    pointing = write(0x0040A010, "CS", "INFERRED FROM") + write(
        0x0040DB73, "UL", struct.pack("<2L", 1, 1)
    )
    parent = content("TEXT", "121999", write(0x0040A160, "UT", "x"), sequence(0x0040A730, pointing))

    file = report(ITEMS[5], ITEMS[6], parent)
    items = dataset(file, STRUCTURED).ContentSequence

    assert len(items) == 3
    assert items[0].MeasuredValueSequence[0].NumericValue == 0
    assert b"Male" not in output(file, STRUCTURED)


# Graphics.


def annotated() -> File:
    words = write(0x00700006, "ST", "chest Zebulon 7")
    shape = write(0x00700022, "FL", struct.pack("<4f", 1, 2, 3, 4)) + write(
        0x00700023, "CS", "POLYLINE"
    )
    file = ct()
    file.elements[0x00080016] = write(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.11.1")
    file.elements[0x00700001] = sequence(
        0x00700001, sequence(0x00700008, words) + sequence(0x00700009, shape)
    )
    return file


def test_graphics_are_replaced_by_the_basic_profile() -> None:
    annotation = dataset(annotated()).GraphicAnnotationSequence[0]

    assert annotation.TextObjectSequence[0].UnformattedTextValue == "REMOVED"
    assert list(annotation.GraphicObjectSequence[0].GraphicData) == [0, 0, 0, 0]


def test_under_clean_graphics_shapes_stay_and_texts_are_cleaned() -> None:
    annotation = dataset(annotated(), "basic+clean-graphics").GraphicAnnotationSequence[0]

    assert list(annotation.GraphicObjectSequence[0].GraphicData) == [1, 2, 3, 4]
    assert b"Zebulon" not in output(annotated(), "basic+clean-graphics")


def test_what_others_devices_and_institutions_are_called_stays_only_when_asked() -> None:
    file = ct()
    file.elements[0x00080080] = write(0x00080080, "LO", "Invented Hospital")
    file.elements[0x00181000] = write(0x00181000, "LO", "SN-4711-X")

    assert "InstitutionName" not in dataset(file)
    kept = dataset(file, "basic+retain-institution-identity+retain-device-identity")
    assert (kept.InstitutionName, kept.DeviceSerialNumber) == ("Invented Hospital", "SN-4711-X")
