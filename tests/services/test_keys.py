"""Master keys are rotated and retired; nothing that was sealed is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests import installation
from tests.callers import Cast, assemble
from tests.samples import batch_json, picture
from webapp.services import audit_chain, audit_search
from webapp.services.audit_search import Wanted
from webapp.services.context import context
from webapp.services.setup import set_up


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """An installation whose master keys lie in a file, as ``make run`` makes it."""
    in_force = installation.settings(tmp_path, master_keys=None, embedded=True)
    made = installation.app(in_force)
    with made.app_context():
        set_up()
        yield made
    installation.close(made)


@pytest.fixture
def cast(app: Flask) -> Cast:
    return assemble(app)


def rotate(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["keys", "rotate"])
    assert result.exit_code == 0, result.output


def test_everything_opens_after_a_rotation_and_the_old_key_is_gone(app: Flask, cast: Cast) -> None:
    upload_id = cast.alice.uploaded(picture(), "knee.jpg")
    batch = cast.alice.post("/upload/batch", batch_json(("b.jpg", picture(colour=2))))
    path = f"/upload/{upload_id}/preprocessed-dicom"
    before = cast.alice.get(path).data
    old = context().keyring.newest_id

    rotate(app)
    retired = app.test_cli_runner().invoke(args=["keys", "retire", old])

    files = cast.alice.get(f"/upload/batch/{batch.get_json()['batch_id']}/files").get_json()
    assert retired.exit_code == 0, retired.output
    assert cast.alice.get(path).data == before
    assert cast.alice.get(f"/upload/{upload_id}/details").get_json()["filename"] == "knee.jpg"
    assert files["files"][0]["filename"] == "b.jpg"


def test_the_chain_of_the_audit_holds_after_a_rotation_and_names_it(app: Flask, cast: Cast) -> None:
    cast.alice.uploaded(picture())
    audit_chain.seal()
    old = context().keyring.newest_id

    rotate(app)
    app.test_cli_runner().invoke(args=["keys", "retire", old])
    audit_chain.seal()

    verdict = audit_chain.verify()
    done = {event.action for event in audit_search.every(Wanted(actor="operator"))}
    assert (verdict.broken, verdict.unlinked) == (None, 0)
    assert {"master-key.rotate", "master-key.retire"} <= done


def test_a_rotation_changes_no_pseudonym(app: Flask, cast: Cast) -> None:
    first = cast.alice.upload(picture()).get_json()["sop_instance_uid"]

    rotate(app)

    assert cast.bob.upload(picture()).get_json()["sop_instance_uid"] == first


def test_a_rotation_leaves_the_blobs_as_they_are(app: Flask, cast: Cast) -> None:
    cast.alice.uploaded(picture())
    folder = Path(app.config["SETTINGS"].upload_dir)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    rotate(app)

    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_a_key_that_a_row_needs_is_not_retired(app: Flask, cast: Cast) -> None:
    cast.alice.uploaded(picture())
    context().keyring.append_new()
    old = context().keyring.ids[0]

    result = app.test_cli_runner().invoke(args=["keys", "retire", old])

    assert result.exit_code == 1
    assert "still need" in result.output
