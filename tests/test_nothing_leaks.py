"""What identifies is found in no place that the service writes, whatever was planted."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from flask import Flask
from PIL import Image

from tests.callers import Actor, assemble
from tests.pipeline import canaries
from tests.samples import batch_json
from webapp.config import Settings

PLANTINGS = {
    "every attribute": canaries.every_attribute,
    "nested": lambda: canaries.nested(3),
    "private": canaries.in_private,
    "hiding places": canaries.in_hiding_places,
}


def written_files(settings: Settings) -> list[Path]:
    """Everything on disk: database, its journals, the queue, sealed files, logs."""
    folders = (settings.state_dir, settings.upload_dir, settings.log_dir)
    return [file for folder in folders for file in folder.rglob("*") if file.is_file()]


def given_out(actor: Actor, upload_id: str) -> list[bytes]:
    """Every answer about an upload, pictures decoded; the sender's own file name apart."""
    paths = ("details", "preprocessed-dicom", "thumbnail", "preview", "rendered.png")
    answers = [actor.get(f"/upload/{upload_id}/{path}") for path in paths]
    pictures = [
        Image.open(io.BytesIO(answer.data)).tobytes()
        for answer in answers
        if answer.mimetype.startswith("image/")
    ]
    return [answer.data + str(answer.headers).encode() for answer in answers] + pictures


@pytest.mark.parametrize("planting", PLANTINGS.values(), ids=PLANTINGS)
@pytest.mark.parametrize("way", ["single", "batch"])
def test_no_token_survives_anywhere(app: Flask, planting: object, way: str) -> None:
    file, planted = planting()  # type: ignore[operator]
    content = file.encode()
    actor = assemble(app).alice
    if way == "single":
        upload_id = actor.uploaded(content, "a.dcm")
    else:
        sent = actor.post("/upload/batch", batch_json(("a.dcm", content))).get_json()
        entries = actor.get(f"/upload/batch/{sent['batch_id']}/files").get_json()["files"]
        upload_id = entries[0]["upload_id"]

    places = given_out(actor, upload_id)
    places += [file.read_bytes() for file in written_files(app.config["SETTINGS"])]

    leaked = [canaries.found(place, planted.tokens) for place in places]
    assert len(canaries.found(content, planted.tokens)) == len(planted.tokens)
    assert [found for found in leaked if found] == []
