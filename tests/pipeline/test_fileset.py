"""The DICOMDIR: a record of the right kind for every kind of instance, and none for a guess."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from tests.samples import ct
from webapp.pipeline.fileset import Directory, FileID, Namer
from webapp.pipeline.fileset.record_keys import LEAVES, record_type
from webapp.pipeline.source import BytesSource

NAME: FileID = ("DICOM", "ST000001", "SE000001", "IM000001")


def listed(*contents: bytes) -> Dataset:
    """The DICOMDIR of these files."""
    directory, namer = Directory(), Namer()
    for content in contents:
        directory.add(namer.name("", ""), BytesSource(content))
    return pydicom.dcmread(io.BytesIO(directory.content()))


def sample(name: str) -> bytes:
    return Path(str(get_testdata_file(name, download=False))).read_bytes()


def kinds(directory: Dataset) -> list[str]:
    return [str(record.DirectoryRecordType) for record in directory.DirectoryRecordSequence]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("CT_small.dcm", "IMAGE"),
        ("rtplan.dcm", "RT PLAN"),
        ("rtdose.dcm", "RT DOSE"),
        ("test-SR.dcm", "SR DOCUMENT"),
        ("waveform_ecg.dcm", "WAVEFORM"),
    ],
)
def test_each_kind_of_instance_has_its_kind_of_record(name: str, kind: str) -> None:
    assert kinds(listed(sample(name))) == ["PATIENT", "STUDY", "SERIES", kind]


@pytest.mark.parametrize(
    ("sop_class", "is_image", "kind"),
    [
        ("1.2.840.10008.5.1.4.1.1.481.5", False, "RT PLAN"),
        ("1.2.840.10008.5.1.4.1.1.88.59", False, "KEY OBJECT DOC"),
        ("1.2.840.10008.5.1.4.1.1.88.33", False, "SR DOCUMENT"),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", False, "WAVEFORM"),
        ("1.2.3.4", True, "IMAGE"),
        ("1.2.3.4", False, None),
    ],
)
def test_the_kind_comes_from_the_sop_class(sop_class: str, is_image: bool, kind: str) -> None:
    assert record_type(sop_class, is_image) == kind


def test_what_de_identification_emptied_gets_a_stand_in_where_the_standard_wants_a_value() -> None:
    directory = listed(ct(StudyDate="", StudyTime="", StudyID="", PatientID=""))

    study = directory.DirectoryRecordSequence[1]
    assert (study.StudyDate, study.StudyTime, study.StudyID) == ("19000101", "000000", "1")
    assert directory.DirectoryRecordSequence[0].PatientID == "UNKNOWN"


def test_records_point_to_one_another_by_their_places() -> None:
    directory = listed(ct(SOPInstanceUID="1.1"), ct(SOPInstanceUID="1.2", PatientID="other"))

    records = list(directory.DirectoryRecordSequence)
    places = [record.seq_item_tell for record in records]
    assert directory.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity == places[0]
    assert directory.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity == places[4]
    assert records[0].OffsetOfTheNextDirectoryRecord == places[4]
    assert records[0].OffsetOfReferencedLowerLevelDirectoryEntity == places[1]
    assert records[3].OffsetOfTheNextDirectoryRecord == 0


def test_names_in_other_character_sets_stay_readable() -> None:
    content = ct(SpecificCharacterSet="ISO_IR 192", PatientName="Ærø^Åse")

    assert str(listed(content).DirectoryRecordSequence[0].PatientName) == "Ærø^Åse"


@pytest.mark.parametrize(
    "content",
    [
        ct(SOPInstanceUID=""),
        ct(StudyInstanceUID=""),
        ct(SeriesInstanceUID=""),
        b"no data set at all",
    ],
)
def test_what_cannot_be_listed_is_left_out(content: bytes) -> None:
    directory = Directory()

    assert directory.add(NAME, BytesSource(content)) is False
    assert kinds(pydicom.dcmread(io.BytesIO(directory.content()))) == []


def test_the_same_files_make_the_same_directory() -> None:
    assert listed(ct()) == listed(ct())


@pytest.mark.parametrize("name", ["CT_small.dcm", "rtplan.dcm", "rtdose.dcm", "waveform_ecg.dcm"])
def test_dciodvfy_finds_no_element_missing(tmp_path: Path, name: str) -> None:
    directory = Directory()
    directory.add(NAME, BytesSource(sample(name)))
    (tmp_path / "DICOMDIR").write_bytes(directory.content())

    command = ["dciodvfy", tmp_path / "DICOMDIR"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr

    assert "BasicDirectory" in said
    assert "Missing" not in said


def test_file_ids_are_of_the_characters_and_length_that_media_allow() -> None:
    namer = Namer()
    names = [namer.name(study, series) for study, series in (("1", "a"), ("1", "b"), ("2", "a"))]

    assert names[1] == ("DICOM", "ST000001", "SE000002", "IM000001")
    assert names[2] == ("DICOM", "ST000002", "SE000001", "IM000001")
    assert all(len(part) <= 8 and part.isalnum() and part.isupper() for part in names[0])


def test_every_kind_has_its_keys() -> None:
    assert {"IMAGE", "RT DOSE", "SR DOCUMENT", "PRESENTATION", "RAW DATA"} <= LEAVES.keys()
