"""The command line: files and folders, exit codes, the manifest, the key."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from tests.pipeline.deidentifying import SECRET, output
from tests.pipeline.encoding import EXPLICIT_LITTLE, ct
from webapp.pipeline.deidentify import cli, files


@pytest.fixture
def key(tmp_path: Path) -> str:
    file = tmp_path / "key"
    file.write_bytes(SECRET)
    return str(file)


def run(*arguments: object) -> tuple[int, str]:
    errors = io.StringIO()
    return cli.main([str(argument) for argument in arguments], errors), errors.getvalue()


def folder(tmp_path: Path) -> Path:
    """Two instances of one series, one whose UID comes twice, and things that are none."""
    place = tmp_path / "in"
    (place / "Roe, Ann").mkdir(parents=True)
    (place / "Roe, Ann/1.dcm").write_bytes(ct().encode())
    second = ct()
    second.elements[0x00200013] = EXPLICIT_LITTLE.element(0x00200013, "IS", "15")
    (place / "Roe, Ann/2.dcm").write_bytes(second.encode())
    (place / "notes.txt").write_text("Ann Roe was here")
    (place / "cut.dcm").write_bytes(ct().encode()[:-9])
    return place


def manifest(place: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (place / "manifest.jsonl").read_text().splitlines()]


def test_one_file_is_written_as_the_library_writes_it(tmp_path: Path, key: str) -> None:
    (tmp_path / "in.dcm").write_bytes(ct().encode())

    code, _ = run(tmp_path / "in.dcm", tmp_path / "out.dcm", "--key-file", key)

    assert code == 0
    assert (tmp_path / "out.dcm").read_bytes() == output(ct())


def test_a_folder_is_written_under_new_uids(tmp_path: Path, key: str) -> None:
    code, progress = run(folder(tmp_path), tmp_path / "out", "--key-file", key)

    files = sorted((tmp_path / "out").rglob("*.dcm"))
    assert code == 1
    assert len(files) == 2
    assert "4 of 4: 2 written, 2 refused, 0 held" in progress
    assert not [file for file in files if "Roe" in str(file)]
    assert {pydicom.dcmread(file).InstanceNumber for file in files} == {14, 15}


def test_the_manifest_says_what_became_of_each_file_and_no_value(tmp_path: Path, key: str) -> None:
    run(folder(tmp_path), tmp_path / "out", "--key-file", key)

    lines = {str(line["source"]): line for line in manifest(tmp_path / "out")}
    assert lines["Roe, Ann/1.dcm"]["status"] == "written"
    assert lines["notes.txt"]["code"] == "unrecognised"
    assert lines["cut.dcm"]["code"] == "dicom-damaged"
    assert "Vantongerloo" not in (tmp_path / "out/manifest.jsonl").read_text()


def test_a_survivor_holds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "verify", lambda done: ("PatientName",))
    place = folder(tmp_path)

    code, _ = run(place, tmp_path / "out")

    assert code == 1
    assert not list((tmp_path / "out").rglob("*.dcm"))
    assert {line["status"] for line in manifest(tmp_path / "out")} == {"held", "refused"}


def test_nothing_half_written_stays_when_the_disk_is_full(
    tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_write_all", full)

    code, _ = run(folder(tmp_path), tmp_path / "out", "--key-file", key)

    assert code == 1
    assert [file.name for file in (tmp_path / "out").rglob("*") if file.is_file()] == [
        "manifest.jsonl"
    ]


@pytest.mark.parametrize("form", ["raw", "hexadecimal", "base64"])
def test_a_key_is_read_in_any_form(tmp_path: Path, form: str) -> None:
    import base64

    content = {
        "raw": SECRET,
        "hexadecimal": SECRET.hex().encode() + b"\n",
        "base64": base64.b64encode(SECRET) + b"\n",
    }[form]
    (tmp_path / "key").write_bytes(content)
    (tmp_path / "in.dcm").write_bytes(ct().encode())

    run(tmp_path / "in.dcm", tmp_path / "out.dcm", "--key-file", tmp_path / "key")

    assert (tmp_path / "out.dcm").read_bytes() == output(ct())


def test_without_a_key_a_fresh_one_is_used_and_said_so(tmp_path: Path) -> None:
    (tmp_path / "in.dcm").write_bytes(ct().encode())

    code, told = run(tmp_path / "in.dcm", tmp_path / "out.dcm")

    assert code == 0
    assert "fresh random key" in told
    assert (tmp_path / "out.dcm").read_bytes() != output(ct())


def test_wrong_use_is_told_and_ends_with_2(tmp_path: Path, key: str) -> None:
    (tmp_path / "in.dcm").write_bytes(ct().encode())
    (tmp_path / "short").write_bytes(b"too short")
    given, target = tmp_path / "in.dcm", tmp_path / "out"

    for arguments, told in (
        ((given, target, "--profile", "basic+magic"), "magic"),
        ((given, target, "--key-file", tmp_path / "short"), "32 bytes"),
        ((given, target, "--key-file", tmp_path / "none"), "cannot be read"),
        ((tmp_path / "none", target), "must exist"),
        ((given, given), "another place"),
    ):
        code, errors = run(*arguments)
        assert (code, told in errors) == (2, True), errors


def test_an_output_folder_inside_the_input_is_not_walked(tmp_path: Path, key: str) -> None:
    place = folder(tmp_path)

    run(place, place / "out", "--key-file", key)
    run(place, place / "out", "--key-file", key)

    assert len(manifest(place / "out")) == 4


def test_a_large_file_is_read_by_position(
    tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "IN_MEMORY", 0)
    (tmp_path / "in.dcm").write_bytes(ct().encode())

    run(tmp_path / "in.dcm", tmp_path / "out.dcm", "--key-file", key)

    assert (tmp_path / "out.dcm").read_bytes() == output(ct())


def test_it_runs_as_a_module_without_an_app(tmp_path: Path, key: str) -> None:
    (tmp_path / "in.dcm").write_bytes(ct().encode())
    command = [sys.executable, "-m", "webapp.pipeline.deidentify", "in.dcm", "out.dcm"]

    done = subprocess.run(
        [*command, "--key-file", key, "--profile", "basic+retain-uids"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert pydicom.dcmread(tmp_path / "out.dcm").StudyInstanceUID == "1.2.3.4.6"


def test_copies_of_one_instance_are_each_written(tmp_path: Path, key: str) -> None:
    folder, target = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.dcm").write_bytes(ct().encode())

    cli.main([str(folder), str(target), "--key-file", key], errors=io.StringIO())

    assert len(list(target.rglob("*.dcm"))) == 20


def test_files_of_the_same_uid_are_numbered_in_the_order_of_their_paths(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("a.dcm", "b.dcm", "c.dcm"):
        (source / name).write_bytes(ct().encode())

    run(source, target)

    endings = {line["source"]: str(line["output"]).rpartition("-")[2] for line in manifest(target)}
    assert (endings["b.dcm"], endings["c.dcm"]) == ("2.dcm", "3.dcm")


def many(place: Path) -> Path:
    """More copies of one instance, and a file that is none, than one process takes at once."""
    place.mkdir()
    for number in range(2 * cli.HANDED_OVER):
        (place / f"{number:02}.dcm").write_bytes(ct().encode())
    (place / "notes.txt").write_text("Ann Roe was here")
    return place


def test_two_processes_write_what_one_writes(tmp_path: Path, key: str) -> None:
    source = many(tmp_path / "in")

    for jobs in (1, 2):
        run(source, tmp_path / str(jobs), "--key-file", key, "--jobs", jobs)

    assert manifest(tmp_path / "1") == manifest(tmp_path / "2")
    one, two = (sorted((tmp_path / jobs).rglob("*.dcm")) for jobs in "12")
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]
    assert len(one) == 2 * cli.HANDED_OVER


def test_a_process_that_is_killed_is_told_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(files, "verify", killed)

    code, told = run(many(tmp_path / "in"), tmp_path / "out", "--jobs", 2)

    assert (code, cli.KILLED in told) == (1, True)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["manifest.jsonl"]


@pytest.mark.parametrize("given", ["1.dcm", "."])
def test_a_place_that_takes_no_finished_file_is_told_and_shows_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path))

    monkeypatch.setattr(os, "replace", refused)
    source = folder(tmp_path) / "Roe, Ann"

    code, told = run(source / given, tmp_path / "out")

    said = capsys.readouterr().out or (tmp_path / "out/manifest.jsonl").read_text()
    assert (code, '"unreadable-28"' in said) == (1, True)
    assert str(tmp_path) not in said + told
    assert not [*tmp_path.rglob("*.part"), *(tmp_path / "out").rglob("*.dcm")]


def test_one_file_is_written_below_folders_that_were_not_there(tmp_path: Path) -> None:
    (tmp_path / "in.dcm").write_bytes(ct().encode())

    code, _ = run(tmp_path / "in.dcm", tmp_path / "a/b/out.dcm")

    assert (code, (tmp_path / "a/b/out.dcm").is_file()) == (0, True)


@pytest.mark.parametrize("jobs", ["0", "-1", "many"])
def test_a_number_of_processes_that_is_none_is_wrong_use(tmp_path: Path, jobs: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(tmp_path, tmp_path / "out", "--jobs", jobs)


def test_a_disk_that_takes_a_part_at_a_time_gets_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    file.write_bytes(ct().encode())

    class Slow(io.FileIO):
        def write(self, content: bytes | memoryview) -> int:  # type: ignore[override]
            return super().write(content[:5])

    monkeypatch.setattr(files, "FileIO", Slow)

    job = cli.Job(cli.parse_profile("basic"), SECRET)
    job.run(str(file), "in.dcm", str(target))

    assert target.read_bytes() == output(ct())
