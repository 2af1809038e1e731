"""Values: dates and ages, names in every character set, UIDs, text that is cleaned."""

from __future__ import annotations

from datetime import date

import pytest

from tests.pipeline.deidentifying import PSEUDONYMS, dataset, done, output, written
from tests.pipeline.encoding import CT, EXPLICIT_LITTLE, File, ct
from webapp.pipeline.deidentify import dates
from webapp.pipeline.deidentify.finder import Finder
from webapp.pipeline.deidentify.text import clean_text
from webapp.pipeline.verify import verify

write = EXPLICIT_LITTLE.element
MODIFIED = "basic+retain-modified-dates"
FULL = "basic+retain-full-dates"
PATIENT = "basic+retain-patient-characteristics"


def with_(file: File, tag: int, vr: str, value: bytes | str) -> File:
    file.elements[tag] = write(tag, vr, value)
    return file


def nothing() -> Finder:
    return Finder(())


# Dates.


@pytest.mark.parametrize(
    ("vr", "value", "moved"),
    [
        ("DA", "20200301", "20200229"),
        ("DA", " 20200301 ", "20200229"),
        ("DA", "2020.03.01", "20200229"),
        ("DA", "20200301\\20200302", "20200229\\20200301"),
        ("DT", "20200301101112.5+0100", "20200229101112.5+0100"),
        ("DT", "20200301", "20200229"),
        ("DT", "202003", "202002"),
        ("DT", "2020", "2019"),
        ("TM", "101112.123456", "101112.123456"),
        ("TM", "10:11:12", "10:11:12"),
        ("DA", "", ""),
    ],
)
def test_a_value_moves_by_whole_days_and_keeps_its_precision(
    vr: str, value: str, moved: str
) -> None:
    assert dates.shift(vr, value, -1) == moved


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("DA", "20200230"),
        ("DA", "today"),
        ("DA", "00010101"),
        ("DT", "20201301"),
        ("DT", "2020010125"),
        ("TM", "250000"),
        ("TM", "Smith"),
        ("DA", "20200301\\Smith"),
    ],
)
def test_what_is_no_date_does_not_move(vr: str, value: str) -> None:
    assert dates.shift(vr, value, -1) is None


def test_all_dates_of_a_patient_move_by_the_same_days_and_times_stay() -> None:
    days = PSEUDONYMS.date_shift_days("id:PID-550182")
    first, second = with_(ct(), 0x0008002A, "DT", "20190405235900"), ct()
    del second.elements[0x00080050]

    one, two = dataset(first, MODIFIED), dataset(second, MODIFIED)

    moved = date.fromordinal(date(2019, 4, 2).toordinal() + days)
    assert one.StudyDate == two.StudyDate == f"{moved:%Y%m%d}"
    assert one.StudyTime == "101500"
    assert one.AcquisitionDateTime[8:] == "235900"
    assert int(one.AcquisitionDateTime[:8]) - int(one.StudyDate) in (3, 73, 72, 71, 70, 8872)


def test_nested_dates_move_with_the_others() -> None:
    file = ct()
    inner = write(0x0040A121, "DA", "20190402")
    file.elements[0x00400555] = EXPLICIT_LITTLE.sequence(0x00400555, inner)

    instance = dataset(file, f"{MODIFIED}+clean-structured-content")

    assert instance.AcquisitionContextSequence[0].Date == instance.StudyDate


def test_full_dates_stay_but_never_the_birth_date() -> None:
    instance = dataset(ct(), FULL)

    assert (instance.StudyDate, instance.StudyTime) == ("20190402", "101500")
    assert instance.PatientBirthDate == ""


@pytest.mark.parametrize("profile", [FULL, MODIFIED])
def test_a_name_where_a_date_should_be_goes_even_where_dates_stay(profile: str) -> None:
    file = with_(ct(), 0x00080021, "DA", "Vantongerloo")

    assert b"Vantongerloo" not in output(file, profile)


def test_a_study_on_the_day_of_birth_is_not_held_where_dates_stay() -> None:
    file = with_(ct(), 0x00100030, "DA", "20190402")

    assert verify(done(file, FULL)) == ()


def test_a_dummy_date_is_a_real_one() -> None:
    file = with_(ct(), 0x00189074, "DT", "20190402101500")

    assert dates.is_valid("DT", "19000101000000")
    assert dates.is_valid("DA", "19000101")
    assert b"00010101" not in output(file)


# Ages.


@pytest.mark.parametrize(
    ("age", "told"),
    [
        ("045Y", "045Y"),
        ("089Y", "089Y"),
        ("090Y", "090Y"),
        ("091Y", "090Y"),
        ("104Y", "090Y"),
        ("003M", "003M"),
        ("999M", "999M"),
        ("012D", "012D"),
    ],
)
def test_an_age_above_89_is_told_as_90(age: str, told: str) -> None:
    assert dataset(with_(ct(), 0x00101010, "AS", age), PATIENT).PatientAge == told


def test_an_age_is_removed_where_characteristics_are_not_kept() -> None:
    assert "PatientAge" not in dataset(with_(ct(), 0x00101010, "AS", "045Y"))


def test_an_age_that_is_none_is_not_kept() -> None:
    assert b"Roe" not in output(with_(ct(), 0x00101010, "AS", "Roe"), PATIENT)


# Names and ids.


def test_names_that_differ_in_padding_are_one_patient() -> None:
    one = dataset(with_(ct(), 0x00100010, "PN", "Roe^Ann"))
    two = dataset(with_(ct(), 0x00100010, "PN", "Roe^Ann^"))

    assert (one.PatientName, one.PatientID) == (two.PatientName, two.PatientID)


def test_two_patient_ids_are_two_patients_whatever_their_name() -> None:
    one, two = dataset(ct()), dataset(with_(ct(), 0x00100020, "LO", "PID-550183"))

    assert one.PatientID != two.PatientID
    assert one.PatientName != two.PatientName


def test_an_empty_name_and_id_stay_empty() -> None:
    file = with_(with_(ct(), 0x00100010, "PN", ""), 0x00100020, "LO", "")

    instance = dataset(file)

    assert (instance.PatientName, instance.PatientID) == ("", "")


def test_files_of_one_study_stay_together_under_new_ids() -> None:
    one, two = dataset(ct()), dataset(with_(ct(), 0x00080018, "UI", "1.2.3.4.99"))

    assert one.StudyInstanceUID == two.StudyInstanceUID != "1.2.3.4.6"
    assert one.AccessionNumber == two.AccessionNumber != "ACC-77123"
    assert one.SOPInstanceUID != two.SOPInstanceUID


def test_another_secret_gives_other_pseudonyms() -> None:
    assert written(done(ct())) != written(done(ct(), secret=b"z" * 32))


NAMES = {
    "ISO_IR 100": "Müller^Jörg",
    "ISO_IR 144": "Люкceмбypг^Иван",
    "ISO_IR 126": "Διονυσιος^Ανδρεας",
    "ISO_IR 13": "ﾔﾏﾀﾞ^ﾀﾛｳ",
    "GB18030": "王小东^Wang",
    "GBK": "王小东^Wang",
    "ISO_IR 192": "山田^太郎",
}
PYTHON = {
    "ISO_IR 100": "latin-1",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 13": "shift_jis",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO_IR 192": "utf-8",
}


@pytest.mark.parametrize("charset", NAMES)
def test_a_name_in_any_character_set_goes_wherever_it_stands(charset: str) -> None:
    encoded = NAMES[charset].encode(PYTHON[charset])
    family = encoded.split(b"^")[0]
    file = with_(with_(ct(), 0x00080005, "CS", charset), 0x00100010, "PN", encoded)
    with_(file, 0x00181250, "SH", b"coil " + family)

    result = done(file)

    content = written(result)
    assert encoded not in content
    assert family not in content
    assert NAMES[charset].split("^")[0].encode() not in content
    assert verify(result) == ()


@pytest.mark.parametrize("charset", NAMES)
def test_text_that_stays_is_written_in_utf_8(charset: str) -> None:
    text = NAMES[charset].replace("^", " ")
    file = with_(ct(), 0x00080005, "CS", charset)
    with_(file, 0x00080070, "LO", text.encode(PYTHON[charset]))

    instance = dataset(file)

    assert instance.SpecificCharacterSet == "ISO_IR 192"
    assert instance.Manufacturer == text


def test_a_name_in_iso_2022_is_read_across_its_escapes() -> None:
    name = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
    file = with_(with_(ct(), 0x00080005, "CS", "\\ISO 2022 IR 87"), 0x00100010, "PN", name)
    with_(file, 0x00080070, "LO", b"\x1b$B;3ED\x1b(B")
    with_(file, 0x00081090, "LO", b"\x1b$BEl5~\x1b(B")

    result = done(file)
    content = written(result)

    assert b"\x1b$" not in content
    assert "山田".encode() not in content
    assert "東京".encode() in content
    assert verify(result) == ()


def test_an_item_with_a_character_set_of_its_own_is_read_in_it() -> None:
    inner = write(0x00080005, "CS", "ISO_IR 144") + write(
        0x00080104, "LO", "Иван".encode("iso8859_5")
    )
    file = ct()
    file.elements[0x00082218] = EXPLICIT_LITTLE.sequence(0x00082218, inner)
    with_(file, 0x00321070, "LO", "x")

    item = dataset(file).AnatomicRegionSequence[0]

    assert (item.SpecificCharacterSet, item.CodeMeaning) == ("ISO_IR 192", "Иван")


def test_text_outside_its_character_set_is_guessed_and_never_an_error() -> None:
    file = with_(with_(ct(), 0x00080005, "CS", "NONSENSE"), 0x00080070, "LO", b"M\xfcnchen")

    assert dataset(file).Manufacturer == "München"


# UIDs.


def test_references_are_replaced_like_what_they_refer_to() -> None:
    inner = write(0x00081150, "UI", CT) + write(0x00081155, "UI", "1.2.3.4.5")
    file = ct()
    file.elements[0x00081199] = EXPLICIT_LITTLE.sequence(0x00081199, inner)

    instance = dataset(file)

    reference = instance.ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == instance.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == CT


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.4.1.1", "1.2.840.10008.15.0.3.15"])
def test_well_known_uids_are_never_replaced(uid: str) -> None:
    assert dataset(with_(ct(), 0x00200052, "UI", uid)).FrameOfReferenceUID == uid


def test_a_name_behind_the_standards_root_is_no_well_known_uid() -> None:
    file = with_(ct(), 0x00200052, "UI", "1.2.840.10008.Vantongerloo")

    assert b"Vantongerloo" not in output(file)


def test_a_private_sop_class_is_kept_by_its_tag() -> None:
    private = "1.3.12.2.1107.5.9.1"

    assert dataset(with_(ct(), 0x00080016, "UI", private)).SOPClassUID == private


@pytest.mark.parametrize("tag", [0x00209312, 0x00280304, 0x0070031B, 0x00081167])
def test_instance_uids_that_the_table_lacks_are_replaced_too(tag: int) -> None:
    file = with_(ct(), tag, "UI", "1.2.3.4.5")

    assert dataset(file)[tag].value == PSEUDONYMS.uid("1.2.3.4.5")
    assert dataset(file, "basic+retain-uids")[tag].value == "1.2.3.4.5"


def test_a_replaced_uid_that_stands_in_a_text_is_cut_out() -> None:
    file = with_(ct(), 0x00181250, "SH", "of 1.2.3.4.6")

    assert b"1.2.3.4.6" not in output(file)


# What identifies, and what does not.


def test_a_short_id_among_measurements_is_a_number() -> None:
    file = with_(with_(ct(), 0x00100020, "LO", "1024"), 0x00281051, "DS", "1024")

    result = done(file)

    assert b"1024" in written(result)
    assert verify(result) == ()


def test_a_long_id_in_a_numeric_attribute_is_replaced() -> None:
    file = with_(with_(ct(), 0x00100020, "LO", "55018277"), 0x00281051, "DS", "55018277")

    assert b"55018277" not in output(file)


def test_a_name_that_is_a_defined_term_takes_nothing_away() -> None:
    file = with_(with_(ct(), 0x00100010, "PN", "Chest^Head"), 0x00180015, "CS", "CHEST")

    result = done(file)

    assert b"CHEST" in written(result)
    assert verify(result) == ()


def test_a_name_is_cut_out_as_a_word_and_not_within_words() -> None:
    file = with_(with_(ct(), 0x00100010, "PN", "Brow^Ned"), 0x00181250, "SH", "Brownian Brow")

    assert dataset(file).ReceiveCoilName == "Brownian"


def test_a_value_that_was_nothing_but_a_name_becomes_a_dummy() -> None:
    file = with_(ct(), 0x00181250, "SH", "VANTONGERLOO")

    assert dataset(file).ReceiveCoilName == "REMOVED"


def test_of_several_values_only_the_one_that_identifies_becomes_a_dummy() -> None:
    file = with_(ct(), 0x00080008, "CS", "ORIGINAL\\VANTONGERLOO\\AXIAL")

    assert list(dataset(file).ImageType) == ["ORIGINAL", "REMOVED", "AXIAL"]


# Cleaned text.


@pytest.mark.parametrize(
    "text",
    [
        "CT chest with contrast",
        "T1w axial post gad",
        "Lung 1.25 mm, 120 kV",
        "Head^Routine",
        "Findings: no acute fracture of the left femur.",
    ],
)
def test_words_of_the_field_stay(text: str) -> None:
    assert clean_text(text, nothing()) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Chest of Quockerwodger", "Chest of"),
        ("Seen on 12.03.2019 by Dr. Quock", "Seen on by"),
        ("Seen 2019-03-12", "Seen"),
        ("Seen March 12, 2019", "Seen"),
        ("Seen 12 Mar 2019", "Seen"),
        ("Seen 20190312", "Seen"),
        ("Telephone +44 20 7946 0018", "Telephone"),
        ("chest a.roe@example.org thin", "chest thin"),
        ("see https://example.org/a", "see"),
        ("chest number 1234567", "chest number"),
        ("95 year old female", "90 year old female"),
        ("45 year old female", "45 year old female"),
        ("Quockerwodger", ""),
    ],
)
def test_what_may_identify_does_not_stay(text: str, cleaned: str) -> None:
    assert clean_text(text, nothing()) == cleaned


def test_a_word_of_the_field_that_is_the_patients_name_goes() -> None:
    file = with_(with_(ct(), 0x00100010, "PN", "Femur^Axial"), 0x00081030, "LO", "Left femur")

    assert dataset(file, "basic+clean-descriptors").StudyDescription == "Left femur"

    file = with_(with_(ct(), 0x00100010, "PN", "Iliac^X"), 0x00081030, "LO", "Left iliac")

    assert dataset(file, "basic+clean-descriptors").StudyDescription in ("Left", "Left iliac")


def test_descriptions_are_cleaned_and_not_emptied() -> None:
    instance = dataset(ct(), "basic+clean-descriptors")

    assert instance.StudyDescription == "CT chest of"


def test_an_institution_does_not_stay_in_a_cleaned_text() -> None:
    file = with_(ct(), 0x00080080, "LO", "Chest Clinic")
    with_(file, 0x00081030, "LO", "CT, Chest Clinic, thin")

    assert "Clinic" not in dataset(file, "basic+clean-descriptors").StudyDescription
