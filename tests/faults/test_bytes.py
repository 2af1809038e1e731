"""Sealed bytes that were changed, cut or lost, and master keys that are not the right ones."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from tests.faults.client import Client, single
from tests.faults.files import large, photograph, slice_of_ct
from tests.faults.promise import Promise
from tests.faults.shapes import Shape
from tests.servers import free_port
from webapp.storage.models import Blob

long = pytest.mark.long
SHAPES = ["embedded", pytest.param("scaled-out", marks=long)]
pytestmark = [
    pytest.mark.faults,
    pytest.mark.parametrize("shape", SHAPES, indirect=True, scope="module"),
]

OTHER = base64.b64encode(b"not the key that sealed anything").decode()
WRONG = {"test": (500, "blob-damaged"), "unknown": (503, "key-missing")}
PLACES = {
    "header": 2,
    "prefix": 8,
    "first chunk": 40,
    "a chunk in the middle": 1_500_000,
    "last chunk": -100,
    "last tag": -1,
}


@pytest.fixture(scope="module")
def client(shape: Shape) -> Iterator[Client]:
    yield shape.site.start_web()
    shape.site.end()


@pytest.fixture
def promise(shape: Shape, client: Client) -> Iterator[Promise]:
    yield shape.promise(client)
    shape.site.end(spared=1)


def blob_of(promise: Promise, upload_id: str) -> Path:
    """The file that holds an upload's bytes."""
    with Session(create_engine(promise.url)) as session:
        ids = {str(row.upload_id): row.location for row in session.scalars(select(Blob))}
    uploads = Path(str(promise.site.settings["UPLOAD_DIR"]))
    return next(uploads.rglob(ids[upload_id]))


def flip(file: Path, at: int) -> Callable[[], None]:
    """Turn one bit of a file; the function turns it back."""

    def turn() -> None:
        content = bytearray(file.read_bytes())
        content[at] ^= 1
        file.write_bytes(content)

    turn()
    return turn


def refusal(promise: Promise, upload_id: str, **headers: str) -> tuple[int, str]:
    answer = promise.client.ask("GET", f"/upload/{upload_id}/preprocessed-dicom", **headers)
    return answer.status, answer.json()["code"]


@pytest.mark.parametrize("place", [*PLACES])
def test_a_flipped_bit_is_an_error_and_never_half_an_answer(promise: Promise, place: str) -> None:
    upload_id = promise.upload(large()).json()["upload_id"]
    promise.upload(photograph())

    undo = flip(blob_of(promise, upload_id), PLACES[place])

    assert refusal(promise, upload_id) == (500, "blob-damaged")
    thumbnail = promise.client.ask("GET", f"/upload/{upload_id}/thumbnail")
    assert (thumbnail.status, thumbnail.json()["code"]) == (500, "blob-damaged")
    undo()
    promise.kept()


@pytest.mark.long
def test_a_range_of_sound_bytes_is_given_and_one_with_a_flipped_bit_is_not(
    promise: Promise,
) -> None:
    upload_id = promise.upload(large()).json()["upload_id"]

    undo = flip(blob_of(promise, upload_id), PLACES["a chunk in the middle"])

    path = f"/upload/{upload_id}/preprocessed-dicom"
    assert promise.client.ask("GET", path, Range="bytes=0-999999").status == 206
    assert refusal(promise, upload_id, Range="bytes=0-1999999") == (500, "blob-damaged")
    undo()
    promise.kept()


@pytest.mark.long
@pytest.mark.parametrize("length", [0, 10, 1_000, 1 << 20, -1])
def test_a_blob_that_was_cut_is_an_error(promise: Promise, length: int) -> None:
    upload_id = promise.upload(large()).json()["upload_id"]
    file = blob_of(promise, upload_id)
    whole = file.read_bytes()

    file.write_bytes(whole[:length])

    assert refusal(promise, upload_id) == (500, "blob-damaged")
    file.write_bytes(whole)
    promise.kept()


@pytest.mark.long
def test_a_blob_that_is_gone_is_an_error_that_says_so(promise: Promise) -> None:
    upload_id = promise.upload(slice_of_ct()).json()["upload_id"]
    file = blob_of(promise, upload_id)
    content = file.read_bytes()

    file.unlink()

    assert refusal(promise, upload_id) == (500, "blob-missing")
    file.write_bytes(content)
    promise.kept()


@pytest.mark.long
def test_one_upload_s_bytes_cannot_stand_in_for_another_s(promise: Promise) -> None:
    one, other = (promise.upload(slice_of_ct()).json()["upload_id"] for _ in range(2))
    files = [blob_of(promise, upload_id) for upload_id in (one, other)]
    first, second = (file.read_bytes() for file in files)

    files[0].write_bytes(second)

    assert refusal(promise, one) == (500, "blob-damaged")
    files[0].write_bytes(first)
    promise.kept()


def test_an_original_damaged_while_it_waits_fails_with_that_reason(promise: Promise) -> None:
    damaged = replace(slice_of_ct(), code="blob-damaged")
    answer = promise.batch([damaged, slice_of_ct()])
    files = promise.client.get(f"/upload/batch/{answer.json()['batch_id']}/files")["files"]
    flip(blob_of(promise, files[0]["upload_id"]), 1000)

    promise.site.start_worker()

    promise.kept()


@pytest.mark.parametrize("key_id", ["test", pytest.param("unknown", marks=long)])
def test_a_wrong_master_key_gives_and_takes_nothing_and_the_right_one_all(
    promise: Promise, key_id: str
) -> None:
    upload_id = promise.upload(slice_of_ct()).json()["upload_id"]
    before = promise.stored()
    right = promise.client.port
    wrong = promise.site.start_web(port=free_port(), MASTER_KEYS=f"{key_id}:{OTHER}")

    promise.client.port = wrong.port
    read = refusal(promise, upload_id)
    sent = promise.client.send(single(slice_of_ct()))

    assert read == (sent.status, sent.json()["code"]) == WRONG[key_id]
    assert promise.stored() == before
    promise.client.port = right
    promise.kept()
