"""A disk that is full: of the blobs, and of the databases as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import shapes
from tests.faults.client import Client, Request, form_batch, json_batch, single
from tests.faults.files import Sample, large, mixed, photograph, slice_of_ct
from tests.faults.promise import Promise
from tests.faults.shapes import Shape
from tests.faults.site import until
from tests.faults.small_disk import fill, make_room, mounted, small_disk

pytestmark = pytest.mark.faults
long = pytest.mark.long
MEGABYTES = 48

FORMS: dict[str, Callable[[Sample], Request]] = {
    "alone": single,
    "JSON": lambda sample: json_batch([sample]),
    "form": lambda sample: form_batch([sample]),
}


@dataclass
class Full:
    """An installation, the disk that gets full, and a client."""

    shape: Shape
    disk: Path
    client: Client


@pytest.fixture(scope="module")
def blobs(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Full]:
    """The blobs lie on a small disk."""
    folder = tmp_path_factory.mktemp("full")
    with (
        small_disk(folder / "disk", MEGABYTES) as disk,
        shapes.embedded(program, folder) as shape,
    ):
        shape.site.settings["UPLOAD_DIR"] = str(disk)
        yield Full(shape, disk, shape.site.start_web())
        shape.site.end()


@pytest.fixture(scope="module")
def everything(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Full]:
    """Blobs, databases and logs lie on one small disk. It must be mounted: SQLite follows links."""
    folder = tmp_path_factory.mktemp("full")
    (folder / "site").mkdir()
    with mounted(folder / "site", MEGABYTES), shapes.embedded(program, folder) as shape:
        yield Full(shape, folder / "site", shape.site.start_web())
        shape.site.end()


@pytest.fixture(params=["blobs", pytest.param("everything", marks=long)])
def full(request: pytest.FixtureRequest) -> Iterator[Full]:
    found: Full = request.getfixturevalue(request.param)
    yield found
    (found.disk / "filling").unlink(missing_ok=True)
    found.shape.site.end(spared=1)


@pytest.fixture
def promise(full: Full) -> Promise:
    return full.shape.promise(full.client)


@pytest.mark.parametrize("form", [*FORMS])
@pytest.mark.parametrize("make", [slice_of_ct, large])
def test_without_room_a_file_is_refused_whole_and_taken_once_there_is_room(
    full: Full, promise: Promise, form: str, make: Callable[[], Sample]
) -> None:
    kept = slice_of_ct()
    promise.upload(kept)
    sample = make()
    before = promise.stored()
    fill(full.disk)

    answer = promise.client.send(FORMS[form](sample))

    assert (answer.status, answer.json()["code"]) == (507, "storage-full")
    assert int(answer.headers["Retry-After"]) > 0
    assert promise.stored() - {"filling"} == before
    assert len(promise.rows()) == 1
    upload_id = next(iter(promise.uploads))
    assert promise.client.ask("GET", f"/upload/{upload_id}/preprocessed-dicom").status == 200
    make_room(full.disk)
    promise.upload(sample)
    promise.kept()


def test_a_batch_that_finds_no_room_for_its_results_waits_for_it(
    full: Full, promise: Promise
) -> None:
    promise.batch([*mixed(4), large()])
    fill(full.disk)
    full.shape.site.start_worker()

    until(lambda: full.shape.site.log(": storage-full"), what="a worker that finds no room")
    make_room(full.disk)

    promise.upload(photograph())
    promise.kept()
