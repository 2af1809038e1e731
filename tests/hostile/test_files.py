"""Files made to harm, sent as their senders would: each has one right answer, and leaves nothing.

What the pipeline does with each kind is tested with the pipeline; here it is asked
whether the service in front of it stands, on either database.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pydicom
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests import pictures
from tests.callers import Actor, Cast, assemble
from tests.pages.visitor import somebody
from tests.pipeline.encoding import EXPLICIT_LITTLE, JPEG_BASELINE, UNDEFINED, File
from tests.pipeline.encoding import ct as slice_of_ct
from tests.pipeline.test_convert_hostile import claiming
from tests.samples import batch_json, ct, picture

write = EXPLICIT_LITTLE.element
PDF = b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>>>endobj\n%%EOF"
SVG = b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
HTML = b"<!doctype html><script>alert(document.domain)</script>"
PROGRAM = b"MZ" + bytes(58) + b"\x80\0\0\0"


def lying(*values: tuple[int, str, bytes]) -> bytes:
    """The small CT, with these elements."""
    file = slice_of_ct()
    for tag, vr, value in values:
        file.elements[tag] = write(tag, vr, value)
    return file.encode()


def deflated(size: int) -> bytes:
    """A data set of zeros, deflated a thousandfold."""
    file = slice_of_ct()
    file.transfer_syntax_uid = "1.2.840.10008.1.2.1.99"
    dataset = b"".join(content for _, content in sorted(file.elements.items()))
    packer = zlib.compressobj(9, wbits=-15)
    file.elements = {}
    zeros = write(0x7FE00010, "OW", bytes(size))
    return file.encode() + packer.compress(dataset + zeros) + packer.flush()


def nested(depth: int) -> bytes:
    marker = struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED)
    return write(0x00081115, "SQ", b"", UNDEFINED)[:12] * 0 + (
        (write(0x00081115, "SQ", b"", UNDEFINED) + marker) * depth
    )


def with_element(content: bytes) -> bytes:
    file = slice_of_ct()
    file.elements[0x00081115] = content
    return file.encode()


def encapsulated(content: bytes) -> bytes:
    file = slice_of_ct()
    file.transfer_syntax_uid, file.elements[0x7FE00010] = JPEG_BASELINE, content
    return file.encode()


REFUSED: dict[str, tuple[bytes, int, str]] = {
    "png of 50,000 x 50,000": (claiming("PNG", 50_000), 422, "image-too-large"),
    "tiff of 50,000 x 50,000": (claiming("TIFF", 50_000), 422, "image-too-large"),
    "deflated transfer syntax": (deflated(300 << 20), 422, "dicom-damaged"),
    "zip": (b"PK\x03\x04" + bytes(400), 415, "unrecognised"),
    "gzip": (gzip.compress(bytes(1 << 20)), 415, "unrecognised"),
    "pdf": (PDF, 415, "unrecognised"),
    "svg": (SVG, 415, "unrecognised"),
    "html": (HTML, 415, "unrecognised"),
    "program": (PROGRAM, 415, "unrecognised"),
    "pdf inside dicom": (
        lying((0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.104.1")), 422, "unsupported-sop-class"
    ),
    "a length of 2**32 - 2": (
        with_element(write(0x00189004, "UT", b"x", 0xFFFFFFFE)), 422, "dicom-damaged"
    ),
    "a length of 2**32 - 1": (
        with_element(write(0x00189004, "UT", b"x", UNDEFINED)), 422, "dicom-damaged"
    ),
    "10,000 deep": (with_element(nested(10_000)), 422, "dicom-damaged"),
    "a frame of 2**32 - 1": (
        encapsulated(
            write(0x7FE00010, "OB", b"", UNDEFINED) + struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED)
        ),
        422, "dicom-damaged",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_for_what_it_is_and_leaves_nothing(
    cast: Cast, app: Flask, content: bytes, status: int, code: str
) -> None:
    answer = cast.alice.upload(content)

    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert cast.alice.get("/stats").get_json()["total_uploads"] == 0
    assert not [path for path in app.config["SETTINGS"].upload_dir.rglob("*") if path.is_file()]


def test_one_of_each_in_a_batch_spoils_nothing(cast: Cast) -> None:
    files = [(name, content) for name, (content, _, code) in REFUSED.items() if name != "zip"]
    body = batch_json(*files, ("good.jpg", picture()))

    batch = cast.alice.post("/upload/batch", body).get_json()["batch_id"]

    entries = cast.alice.get(f"/upload/batch/{batch}/files").get_json()["files"]
    assert [entry["status"] for entry in entries] == ["failed"] * len(files) + ["completed"]
    assert [entry["error"]["code"] for entry in entries[:-1]] == [
        code for name, (_, _, code) in REFUSED.items() if name != "zip"
    ]


def test_rows_columns_and_frames_far_beyond_the_data_cost_nothing(cast: Cast) -> None:
    """Truncated pixels are kept as they came; a claim of 36 terabytes makes nobody reserve them."""
    many = struct.pack("<H", 65535)
    claim = [(0x00280010, "US", many), (0x00280011, "US", many), (0x00280008, "IS", b"9999999")]
    upload_id = cast.alice.uploaded(lying(*claim))

    answers = [
        cast.alice.get(f"/upload/{upload_id}/{rest}")
        for rest in ("thumbnail", "preview", "rendered.png", "rendered.png?frame=9999999")
    ]

    assert {answer.status_code for answer in answers} == {422}
    assert cast.alice.get(f"/upload/{upload_id}/details").get_json()["frames"] == 9_999_999


@pytest.mark.parametrize("make", [ct, lambda: picture("PNG"), lambda: picture("JPEG")])
def test_a_file_cut_at_every_64th_byte_is_refused_or_whole(cast: Cast, make: Any) -> None:
    """Cut within its pixels a DICOM file is refused; a JPEG may come with a note."""
    content = make()
    step = 64 * max(1, len(content) // 64 // 60)
    answers = [cast.alice.upload(content[:at]) for at in range(0, len(content), step)]

    assert {answer.status_code for answer in answers} <= {200, 201, 400, 415, 422}
    assert [a.status_code for a in answers[:3]] == [400, *[a.status_code for a in answers[1:3]]]
    for answer in answers:
        if answer.status_code == 201:
            read_back(cast.alice, answer)


def read_back(actor: Actor, answer: TestResponse) -> pydicom.Dataset:
    path = f"/upload/{answer.get_json()['upload_id']}/preprocessed-dicom"
    return pydicom.dcmread(io.BytesIO(actor.get(path).data))


HOSTILE_VALUES: dict[str, tuple[int, str, bytes]] = {
    "modality with a NUL": (0x00080060, "CS", b"C\0T\0"),
    "modality that is long": (0x00080060, "CS", b"CT" * 500),
    "modality that is no text": (0x00080060, "CS", b"\xff\xfe\x80\x81"),
    "frames beyond 32 bits": (0x00280008, "IS", b"4294967297"),
    "frames that are none": (0x00280008, "IS", b"1e9\\x"),
    "frames below zero": (0x00280008, "IS", b"-1"),
    "syntax of a long name": (0x00020010, "UI", b"1." * 100),
    "UID with a NUL": (0x0020000D, "UI", b"1.2\x003.4"),
    "UID that is long": (0x0020000E, "UI", b"1.23" * 500),
    "UID that is markup": (0x00080018, "UI", b"<script>alert(1)</script>"),
    "SOP class that is long": (0x00080016, "UI", b"1.2.840.10008." + b"5." * 400),
    "SOP class with a NUL": (0x00080016, "UI", b"1.2\x003"),
    "photometric that is long": (0x00280004, "CS", b"MONO" * 400),
    "unknown character set": (0x00080005, "CS", b"ISO 2022 IR 9999\\\\X"),
    "a thousand character sets": (0x00080005, "CS", b"ISO 2022 IR 87\\" * 1000),
    "character set with a NUL": (0x00080005, "CS", b"ISO_IR 192\0\0"),
    "escapes without end": (0x00081030, "LO", b"\x1b$B" * 2000),
    "overlong utf-8": (0x00081030, "LO", b"\xc0\xbcscript\xc0\xbe"),
    "bits of nothing": (0x00280100, "US", b"\0\0"),
    "no samples": (0x00280002, "US", b"\0\0"),
}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_no_attribute_is_a_bug_for_the_database(
    request: pytest.FixtureRequest, tmp_path: Any, database: str
) -> None:
    """Columns have their lengths and numbers their bits; PostgreSQL minds both, and NULs."""
    if database == "postgresql":
        from tests import installation

        url = request.getfixturevalue("postgres_url")
        app = installation.app(installation.settings(tmp_path, database_url=url))
    else:
        app = request.getfixturevalue("app")
    alice = assemble(app).alice

    answers = {name: alice.upload(lying(value)) for name, value in HOSTILE_VALUES.items()}

    bad = {name: answer.get_json() for name, answer in answers.items() if answer.status_code >= 500}
    assert not bad
    for answer in answers.values():
        if answer.status_code == 201:
            path = f"/upload/{answer.get_json()['upload_id']}"
            for rest in ("/details", "/preprocessed-dicom", "/thumbnail", "/rendered.png"):
                assert alice.get(path + rest).status_code < 500


def test_markup_in_a_picture_does_not_come_out_of_it(cast: Cast) -> None:
    """HTML/JPEG, and HTML in front of and behind DICOM: the bytes that a browser would run."""
    jpeg = picture("JPEG")
    comment = b"\xff\xfe" + struct.pack(">H", 2 + len(HTML)) + HTML
    behind = slice_of_ct()
    behind.preamble = HTML.ljust(128, b" ")
    program = slice_of_ct()
    program.preamble = PROGRAM.ljust(128, b"\0")
    files = [jpeg[:2] + comment + jpeg[2:], jpeg + HTML, behind.encode() + HTML, program.encode()]

    for content in files:
        answer = cast.alice.upload(content, "page.html", Content_Type="text/html")
        path = f"/upload/{answer.get_json()['upload_id']}/preprocessed-dicom"
        given = cast.alice.get(path)

        assert answer.status_code == 201
        assert b"<script" not in given.data
        assert given.data[:132] == bytes(128) + b"DICM"
        assert given.mimetype == "application/dicom"
        assert given.headers["X-Content-Type-Options"] == "nosniff"
        assert given.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "name",
    [
        "..%2F..%2F..%2Fetc%2Fcron.d%2Fx", "%2Fetc%2Fpasswd", "C%3A%5CWindows%5Cx", "%00.jpg",
        "a.jpg%0d%0aSet-Cookie%3A%20session%3Dx", "a%22%3B%20filename%3Devil.exe",
        "%E2%80%AEgpj.exe", "%2e%2e", "a" * 5000, ".",
        "%ED%A0%80.jpg", "%EF%BF%BF%F0%9F%A9%BB", "%C0%AE%C0%AE%2Fx",
        "=cmd|'/c calc'!A1", "%F3%A0%81%81.jpg",
    ],
)  # fmt: skip
def test_no_name_reaches_a_path_a_header_or_a_line_of_the_log(
    cast: Cast, app: Flask, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    folder = app.config["SETTINGS"].upload_dir
    before = {path for path in folder.parent.rglob("*") if folder not in path.parents}

    upload_id = cast.alice.uploaded(picture(), name)
    given = cast.alice.get(f"/upload/{upload_id}/preprocessed-dicom")

    disposition = given.headers["Content-Disposition"]
    assert disposition.isascii()
    assert disposition.startswith(f"attachment; filename=\"{upload_id}.dcm\"; filename*=UTF-8''")
    assert not set(disposition.partition("''")[2]) & set('"\\/;\r\n\0 ')
    assert "%E2%80%AE" not in disposition
    assert "Set-Cookie" not in given.headers
    new = {path for path in folder.parent.rglob("*") if folder not in path.parents} - before
    assert {path.suffix for path in new} <= {".db", ".db-wal", ".db-shm", ".log", ".lock", ""}
    assert not [p for p in folder.rglob("*") if p.is_file() and len(p.name) not in (32, 36)]
    assert "cron.d" not in caplog.text + app.config["SETTINGS"].log_dir.name
    assert "Set-Cookie" not in caplog.text


def test_no_name_begins_a_line_of_its_own_in_the_log(app: Flask) -> None:
    alice = assemble(app).alice
    forged = "2026-01-01T00:00:00.000Z INFO [1] - webapp: all is well"
    alice.upload(picture(), quote(f"a\r\n{forged}"))
    alice.client.get(f"/no\n{forged}", headers={"User-Agent": f"x {forged}"})
    alice.client.open("/stats", method="GE\tT")

    log = (app.config["SETTINGS"].log_dir / "dicom_service.log").read_text()

    assert "all is well" not in log


BATCHES: dict[str, tuple[bytes, str]] = {
    "1,000 deep": (b'{"x":' * 1000 + b"1" + b"}" * 1000, "batch-too-deep"),
    "a million arrays deep": (b'{"files":' + b"[" * 1_000_000, "batch-too-deep"),
    "NaN": (b'{"files":[{"filename":"a","size":NaN,"content":""}]}', "batch-malformed"),
    "Infinity": (b'{"files":[],"x":-Infinity}', "batch-malformed"),
    "a number without end": (b'{"x":' + b"9" * 100_000 + b"}", "batch-malformed"),
    "not an object": (b'["files"]', "batch-malformed"),
    "files twice": (b'{"files":[],"files":[]}', "batch-malformed"),
    "utf-16": ('{"files":[]}'.encode("utf-16"), "batch-malformed"),
    "gzip": (gzip.compress(b'{"files":[]}'), "batch-malformed"),
    "a string without end": (b'{"files":[{"content":"' + b"A" * 100_000, "batch-malformed"),
}


@pytest.mark.parametrize(("body", "code"), BATCHES.values(), ids=BATCHES)
def test_a_batch_that_is_none_is_refused_whole(cast: Cast, body: bytes, code: str) -> None:
    answer = cast.alice.post("/upload/batch", body, Content_Encoding="gzip")

    assert (answer.status_code, answer.get_json()["code"]) == (400, code)
    assert cast.alice.get("/user/alice/batches").get_json()["count"] == 0


def test_what_an_entry_hides_is_its_own_fault_and_no_bug(any_database: Flask) -> None:
    """Lone surrogates and NULs in names, junk and padding in base64, fields of other kinds."""
    good = b64encode(picture()).decode()
    entries: list[Any] = [
        {"filename": "\ud800\x00\u202egpj", "content": good},
        {"filename": "a", "content": good[:40] + "!!" + good[40:]},
        {"filename": "a", "content": good[:40] + "=" + good[40:]},
        {"filename": "a", "content": "data:text/html;base64," + b64encode(HTML).decode()},
        {"filename": ["a"], "content": {"$ne": 1}},
        {"filename": "../../x", "content": good, "__proto__": {}, "upload_id": "0"},
        None, 7, "x", [], {},
    ]  # fmt: skip
    alice = assemble(any_database).alice

    answer = alice.post("/upload/batch", json.dumps({"files": entries}))
    files = alice.get(f"/upload/batch/{answer.get_json()['batch_id']}/files").get_json()["files"]

    assert answer.status_code == 202
    assert [file["status"] for file in files].count("completed") == 2
    assert {file["status"] for file in files} == {"completed", "failed"}
    assert [file["error"]["code"] for file in files[1:4]] == [
        "base64-invalid", "base64-invalid", "unrecognised"
    ]  # fmt: skip
    assert all(file["error"]["code"] != "processing-error" for file in files if file["error"])


def test_a_zip_of_zips_of_zeros_is_opened_once_and_costs_nothing(cast: Cast) -> None:
    """As 42.zip: each level is packed a thousandfold, and only the first is opened."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.dcm", bytes(64 << 20))
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        for number in range(16):
            archive.writestr(f"lib {number}.zip", inner.getvalue())
        archive.writestr("../../../etc/passwd.jpg", picture())

    answer = cast.alice.post("/upload/batch", batch_json(("42.zip", outer.getvalue())))
    batch = answer.get_json()["batch_id"]

    files = cast.alice.get(f"/upload/batch/{batch}/files").get_json()["files"]
    assert [file["status"] for file in files] == ["failed"] * 16 + ["completed"]
    assert {file["error"]["code"] for file in files[:16]} == {"unrecognised"}
    assert files[16]["filename"] == "etc/passwd.jpg"


def test_a_zip_of_zeros_is_refused_by_what_it_claims(cast: Cast) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.dcm", bytes(64 << 20))

    answer = cast.alice.post("/upload/batch", batch_json(("bomb.zip", bomb.getvalue())))
    batch = answer.get_json()["batch_id"]

    (file,) = cast.alice.get(f"/upload/batch/{batch}/files").get_json()["files"]
    assert file["error"]["code"] == "archive-bomb"


def test_a_formula_in_a_name_is_text_in_every_export(app: Flask) -> None:
    from webapp.storage.models import Role

    root = somebody(app, role=Role.ADMIN)
    root.uploaded(ct(Modality="=1+1"), quote("=HYPERLINK(1)"))
    root.uploaded(lying((0x00080060, "CS", b"@SUM(A1)")), "+1")

    for address in (
        "/admin/audit.csv",
        "/admin/numbers/modalities.csv",
        "/admin/numbers/owners.csv",
    ):
        answer = root.get(address)
        cells = answer.get_data(as_text=True).replace("\r\n", ",").split(",")

        assert answer.status_code in (200, 404), address
        assert not [c for c in cells if c.strip('"').lstrip().startswith(("=", "@", "+"))], address


def test_a_picture_whose_colours_lie_is_whole_or_refused(cast: Cast) -> None:
    for variant in pictures.VARIANTS[::7]:
        content = bytearray(variant.make())
        content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)

        answer = cast.alice.upload(bytes(content))

        assert answer.status_code in (200, 201, 415, 422), variant.title


def test_a_file_of_nothing_but_a_header_is_no_file(cast: Cast) -> None:
    answers = [
        cast.alice.upload(File(elements={}).encode()),
        cast.alice.upload(bytes(128) + b"DICM"),
        cast.alice.upload(b"\xff\xd8\xff"),
        cast.alice.upload(b"\x89PNG\r\n\x1a\n"),
    ]

    assert {answer.status_code for answer in answers} == {422}
