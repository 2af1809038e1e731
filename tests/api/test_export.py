"""``POST /export``: many instances as one ZIP, whole or not at all."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pydicom
import pytest
from flask import Flask
from pydicom.fileset import FileSet
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from tests.callers import Actor, Cast, assemble
from tests.samples import ct, picture
from webapp.services import export
from webapp.services.context import context
from webapp.services.export import Member
from webapp.storage.admin_models import AuditEvent
from webapp.storage.database import reading, writing
from webapp.storage.errors import Damaged
from webapp.storage.models import Blob, Status, Upload

NAME = "DICOM/ST000001/SE000001/IM000001"


def asked(actor: Actor, *upload_ids: str) -> TestResponse:
    body = json.dumps({"upload_ids": upload_ids})
    return actor.post("/export", body, Content_Type="application/json")


def opened(response: TestResponse) -> zipfile.ZipFile:
    assert response.status_code == 200, response.get_data(as_text=True)
    return zipfile.ZipFile(io.BytesIO(response.data))


def series(actor: Actor, count: int, study: str = "1.2.3") -> list[str]:
    """Slices of one series; the first that is sent has the highest number."""
    return [
        actor.uploaded(
            ct(
                StudyInstanceUID=study,
                SeriesInstanceUID=f"{study}.1",
                SOPInstanceUID=f"{study}.1.{n}",
                InstanceNumber=n,
            ),
            f"Doe^Jane {n}.dcm",
        )
        for n in range(count, 0, -1)
    ]


def set_status(app: Flask, upload_id: str, status: Status) -> None:
    with app.app_context(), writing(context().engine) as session:
        session.execute(update(Upload).where(Upload.id == UUID(upload_id)).values(status=status))


def test_every_chosen_instance_is_in_the_archive_as_it_is(any_database: Flask) -> None:
    alice = assemble(any_database).alice
    chosen = [*series(alice, 2), alice.uploaded(picture())]
    single = [alice.get(f"/upload/{each}/preprocessed-dicom").data for each in chosen]

    with opened(asked(alice, *chosen)) as archive:
        stored = [archive.read(name) for name in archive.namelist()[:-1]]

    assert stored == single


def test_it_is_a_zip_that_unzip_accepts_stored_and_with_its_sizes_in_front(
    cast: Cast, tmp_path: Path
) -> None:
    response = asked(cast.alice, *series(cast.alice, 2))
    (tmp_path / "all.zip").write_bytes(response.data)

    tested = subprocess.run(
        ["unzip", "-t", tmp_path / "all.zip"], capture_output=True, text=True, check=False
    )
    entries = opened(response).infolist()

    assert tested.returncode == 0, tested.stdout
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert not [entry for entry in entries if entry.flag_bits & 0x08]  # no data descriptor
    assert response.mimetype == "application/zip"
    assert response.headers["Content-Disposition"].startswith('attachment; filename="dicom-')


def test_names_in_it_say_nothing_of_the_files(cast: Cast) -> None:
    chosen = [*series(cast.alice, 2), *series(cast.alice, 1, "1.2.4")]

    response = asked(cast.alice, *chosen)

    assert opened(response).namelist() == [
        NAME,
        "DICOM/ST000001/SE000001/IM000002",
        "DICOM/ST000002/SE000001/IM000001",
        "DICOMDIR",
    ]
    assert b"Doe" not in response.data


def unpacked(response: TestResponse, folder: Path) -> Path:
    with opened(response) as archive:
        archive.extractall(folder)
    return folder / "DICOMDIR"


def test_pydicom_finds_every_instance_by_the_dicomdir(cast: Cast, tmp_path: Path) -> None:
    chosen = [
        *series(cast.alice, 3),
        *series(cast.alice, 1, "1.2.4"),
        cast.alice.uploaded(picture()),
    ]

    listed = FileSet(unpacked(asked(cast.alice, *chosen), tmp_path))

    assert len(listed) == 5
    assert len(listed.find_values("StudyInstanceUID")) == 3
    assert all(one.load().SOPInstanceUID == one.SOPInstanceUID for one in listed)


def test_the_dicomdir_lists_a_series_by_instance_number(cast: Cast, tmp_path: Path) -> None:
    response = asked(cast.alice, *series(cast.alice, 3))

    records = pydicom.dcmread(unpacked(response, tmp_path)).DirectoryRecordSequence

    images = [record for record in records if record.DirectoryRecordType == "IMAGE"]
    assert [int(image.InstanceNumber) for image in images] == [1, 2, 3]
    assert images[0].ReferencedFileID[-1] == "IM000003"


def test_the_dicomdir_is_what_the_standard_asks_for(cast: Cast, tmp_path: Path) -> None:
    chosen = [*series(cast.alice, 2), cast.alice.uploaded(picture())]
    file = unpacked(asked(cast.alice, *chosen), tmp_path)

    said = subprocess.run(["dciodvfy", file], capture_output=True, text=True, check=False).stderr

    assert "BasicDirectory" in said
    assert "Error" not in said


def test_dcmtk_reads_the_dicomdir_and_adds_to_it(cast: Cast, tmp_path: Path) -> None:
    file = unpacked(asked(cast.alice, *series(cast.alice, 2)), tmp_path)
    more = asked(cast.alice, cast.alice.uploaded(ct(SOPInstanceUID="1.9", InstanceNumber=9)))
    (tmp_path / "MORE").write_bytes(opened(more).read(NAME))

    command = ["dcmmkdir", "--append", "--invent", "+id", tmp_path, "+D", file, "MORE"]
    added = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    listed = pydicom.dcmread(file).DirectoryRecordSequence
    assert added.returncode == 0, added.stderr
    assert [one.DirectoryRecordType for one in listed].count("IMAGE") == 3


def test_of_two_files_with_one_sop_instance_uid_the_directory_lists_one(cast: Cast) -> None:
    first = cast.alice.uploaded(ct(), "a.dcm")
    second = cast.alice.uploaded(ct(SliceThickness=9), "b.dcm")

    with opened(asked(cast.alice, first, second)) as archive:
        directory = pydicom.dcmread(io.BytesIO(archive.read("DICOMDIR")))

    assert len(archive.namelist()) == 3
    assert len(directory.DirectoryRecordSequence) == 4


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.HELD, "held"),
        (Status.FAILED, "failed"),
        (Status.QUEUED, "not-ready"),
        (Status.PROCESSING, "not-ready"),
    ],
)
def test_one_that_cannot_be_given_out_refuses_all(
    any_database: Flask, status: Status, code: str
) -> None:
    cast = assemble(any_database)
    chosen = series(cast.alice, 2)
    set_status(any_database, chosen[1], status)

    answers = [asked(actor, *chosen) for actor in (cast.alice, cast.root)]

    assert [(each.status_code, each.get_json()["code"]) for each in answers] == [(409, code)] * 2
    assert ("Retry-After" in answers[0].headers) == (code == "not-ready")


def test_somebody_elses_is_as_if_it_were_not_there(any_database: Flask) -> None:
    cast = assemble(any_database)
    chosen = series(cast.alice, 1)

    answers = [asked(actor, *chosen) for actor in (cast.bob, cast.other_alice, cast.lab)]
    unknown = asked(cast.alice, *chosen, str(uuid4()))

    assert [each.status_code for each in (*answers, unknown)] == [404] * 4
    assert asked(cast.clinic, *chosen).status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "selection-malformed"),
        (b"[]", "selection-malformed"),
        (b'{"upload_ids": ["x"]}', "selection-malformed"),
        (b'{"upload_ids": "x"}', "selection-malformed"),
        (b"[" * 100_000, "selection-malformed"),
        (b'{"upload_ids": []}', "selection-empty"),
    ],
)
def test_a_malformed_selection_is_refused(cast: Cast, body: bytes, code: str) -> None:
    response = cast.alice.post("/export", body, Content_Type="application/json")

    assert (response.status_code, response.get_json()["code"]) == (400, code)


def test_too_many_are_refused(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MOST", 2)

    response = asked(cast.alice, *(str(uuid4()) for _ in range(3)))

    assert (response.status_code, response.get_json()["code"]) == (413, "selection-too-large")


def test_the_same_one_twice_is_in_it_once(cast: Cast) -> None:
    upload_id = cast.alice.uploaded(picture())

    assert len(opened(asked(cast.alice, upload_id, upload_id)).namelist()) == 2


def test_more_than_one_statement_takes_are_found_in_their_order(
    any_database: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_AT_ONCE", 2)
    alice = assemble(any_database).alice
    chosen = series(alice, 5)

    with opened(asked(alice, *chosen)) as archive:
        numbers = [
            pydicom.dcmread(archive.open(name)).InstanceNumber for name in archive.namelist()[:-1]
        ]

    assert numbers == [5, 4, 3, 2, 1]


def test_each_download_is_in_the_audit(any_database: Flask) -> None:
    alice = assemble(any_database).alice
    chosen = series(alice, 2)
    asked(alice, *chosen)

    query = select(AuditEvent.object_id).where(AuditEvent.action == "upload.download")
    with any_database.app_context(), reading(context().engine) as session:
        noted = {str(each) for each in session.scalars(query)}

    assert noted == set(chosen)


def damage(app: Flask, upload_id: str) -> None:
    query = select(Blob).where(Blob.upload_id == UUID(upload_id), Blob.kind == "dicom")
    with app.app_context(), reading(context().engine) as session:
        location = session.scalars(query).one().location
    folder: Path = app.config["SETTINGS"].upload_dir
    file = next(found for found in folder.rglob("*") if found.name in location and found.is_file())
    content = bytearray(file.read_bytes())
    content[500] ^= 1
    file.write_bytes(content)


def test_a_damaged_first_file_is_an_error_and_no_archive(cast: Cast, app: Flask) -> None:
    chosen = series(cast.alice, 2)
    damage(app, chosen[0])

    response = asked(cast.alice, *chosen)

    assert (response.status_code, response.get_json()["code"]) == (500, "blob-damaged")


def test_damage_further_on_ends_the_stream_before_anything_that_opens(
    cast: Cast, app: Flask
) -> None:
    chosen = series(cast.alice, 3)
    damage(app, chosen[2])
    got = bytearray()

    with pytest.raises(Damaged):  # the server breaks off the connection when an answer raises
        receive(asked(cast.alice, *chosen).response, got)

    assert len(got) > 30_000
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(got))


def receive(pieces: Iterable[bytes], into: bytearray) -> None:
    for piece in pieces:
        into += piece


class Counting:
    """A large file that exists only as it is read, and how much of it was read at once."""

    def __init__(self, head: bytes, size: int) -> None:
        self.head, self.size = head, size
        self.largest = self.read_in_all = 0

    def read(self, offset: int, length: int) -> bytes:
        length = min(length, self.size - offset)
        self.largest = max(self.largest, length)
        self.read_in_all += length
        return self.head[offset : offset + length].ljust(length, b"\0")

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Any]], Iterable[bytes]]:
    """A ZIP of sources that no storage holds."""

    def made(sources: list[Any]) -> Iterable[bytes]:
        members: Any = [
            Member((*NAME.split("/")[:3], f"IM{n:06d}"), SimpleNamespace(size=source.size))
            for n, source in enumerate(sources)
        ]
        waiting = iter(sources)
        monkeypatch.setattr(export, "unseal", lambda _blob: next(waiting))
        return export.archive(members)

    return made


def test_a_large_file_is_read_and_sent_piece_by_piece(
    exported: Callable[[list[Any]], Iterable[bytes]],
) -> None:
    source = Counting(ct(), 64 << 20)

    sent = [len(piece) for piece in exported([source])]

    assert source.largest <= 1 << 20
    assert source.read_in_all < 2 * source.size + (1 << 20)
    assert max(sent) <= 1 << 20
    assert sum(sent) > source.size


def test_from_four_gigabytes_on_it_is_zip64(
    exported: Callable[[list[Any]], Iterable[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ZIP64_FROM", 1 << 20)

    content = b"".join(exported([Counting(ct(), 9 << 20)]))

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {entry.create_version for entry in archive.infolist()} == {45}


class Open:
    """A source that counts how many of its kind are open."""

    now = most = 0

    def __init__(self, content: bytes) -> None:
        self.content, self.size = content, len(content)

    def read(self, offset: int, length: int) -> bytes:
        if offset == 0:
            Open.now += 1
            Open.most = max(Open.most, Open.now)
        return self.content[offset : offset + length]

    def close(self) -> None:
        Open.now = 0


def test_of_thousands_of_files_one_is_open_at_a_time(
    exported: Callable[[list[Any]], Iterable[bytes]],
) -> None:
    one_by_one = Counting(ct(), len(ct()))
    few = 3  # reads from its beginning: the header, and the file

    total = sum(len(piece) for piece in exported([Open(ct()) for _ in range(2000)]))

    assert total > 2000 * one_by_one.size
    assert Open.most <= few
