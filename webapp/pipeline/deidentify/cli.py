"""The command line: one file, or a folder with everything below it.

Output files are named by their new UIDs, since the name of an input file often
is a patient's. What cannot be made safe is not written, and the manifest says why.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import NamedTuple, TextIO

from webapp.errors import Rejected
from webapp.pipeline.deidentify.engine import Deidentified, deidentify
from webapp.pipeline.deidentify.profile import (
    SWITCHES,
    DeidentificationProfile,
    parse_profile,
)
from webapp.pipeline.pseudonyms import SECRET_LENGTH, Pseudonyms
from webapp.pipeline.recognise import HEAD_LENGTH, recognise
from webapp.pipeline.source import Buffer, BytesSource, PartsSource, Source, Span, chunks
from webapp.pipeline.verify import verify

ALL_WRITTEN, SOME_NOT, MISUSED = 0, 1, 2
"""Exit codes."""

IN_MEMORY = 1 << 25
"""Files up to 32 MiB are read at once; larger ones are read by position."""

FRESH_KEY = (
    "No --key-file: a fresh random key was used and is now gone. Files of one patient stay "
    "together within this run only."
)


class FileSource:
    """A :class:`Source` over an open file, read by position."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, offset)


class Line(NamedTuple):
    """One line of the manifest: what became of one input file.

    ``status`` is ``written``, ``refused`` (the file cannot be used; ``code`` says
    why) or ``held`` (something that identifies seemed to survive, in ``survivors``).
    """

    source: str
    status: str
    output: str = ""
    code: str = ""
    survivors: tuple[str, ...] = ()
    sop_instance_uid: str = ""
    report: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What to do to every file."""

    profile: DeidentificationProfile
    pseudonyms: Pseudonyms
    taken: dict[Path, int] = field(default_factory=dict)

    def run(self, file: Path, name: str, target: Path, folder: Path | None) -> Line:
        """De-identify ``file`` into ``target``, or under ``folder`` by its new UIDs."""
        try:
            with file.open("rb") as stream:
                source = _source(stream.fileno())
                if not recognise(source.read(0, HEAD_LENGTH)).is_dicom:
                    return Line(name, "refused", code="not-dicom")
                done = deidentify(source, self.profile, self.pseudonyms)
                return self._kept(done, name, target, folder)
        except Rejected as refusal:
            return Line(name, "refused", code=refusal.code)
        except OSError as error:
            return Line(name, "refused", code=f"unreadable-{error.errno}")

    def _kept(self, done: Deidentified, name: str, target: Path, folder: Path | None) -> Line:
        survivors = verify(done)
        if survivors:
            return Line(name, "held", survivors=survivors, report=done.report.as_dict())
        if folder is not None:
            target = self._free(folder / _path_of(done))
        write(done, target)
        shown = str(target.relative_to(folder)) if folder else target.name
        uid = done.instance.sop_instance_uid
        return Line(name, "written", shown, "", (), uid, done.report.as_dict())

    def _free(self, path: Path) -> Path:
        """``path``, or the first ``path-2``, ``path-3`` not taken: UIDs do come twice."""
        number = self.taken.get(path, 0) + 1
        candidate = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        while candidate.exists():
            number += 1
            candidate = path.with_stem(f"{path.stem}-{number}")
        self.taken[path] = number
        return candidate


def main(arguments: Sequence[str], errors: TextIO = sys.stderr) -> int:
    """Run the command; its exit code: 0 all written, 1 some not, 2 wrong use."""
    options = _parser().parse_args(arguments)
    try:
        job = Job(parse_profile(options.profile), Pseudonyms(_key(options.key_file)))
    except (ValueError, OSError) as error:
        print(f"deidentify: {_reason(error)}", file=errors)
        return MISUSED
    source, target = Path(options.source), Path(options.target)
    if not source.exists() or source.resolve() == target.resolve():
        print("deidentify: IN must exist, and OUT must be another place", file=errors)
        return MISUSED
    if options.key_file is None:
        print(FRESH_KEY, file=errors)
    return _folder(job, source, target, errors) if source.is_dir() else _one(job, source, target)


def write(done: Deidentified, target: Path) -> None:
    """Write the output whole or not at all: under another name first, then renamed."""
    unfinished = f"{target}.part"
    try:
        descriptor = _opened(unfinished)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _opened(unfinished)
    try:
        with FileIO(descriptor, "wb") as stream:
            for piece in _pieces(done.output):
                _write_all(stream, piece)
        os.replace(unfinished, target)
    except BaseException:
        os.unlink(unfinished)
        raise


def _pieces(output: PartsSource) -> Iterator[Buffer]:
    """The output in order, nothing joined: slices of memory, or of the file a part at a time."""
    for part in output.parts:
        if isinstance(part, Span):
            yield from chunks(PartsSource(output.source, [part]))
        else:
            yield part


def _write_all(stream: FileIO, content: Buffer) -> None:
    left = memoryview(content)
    while left:
        left = left[stream.write(left) :]


def _opened(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)


def _one(job: Job, source: Path, target: Path) -> int:
    target = target / "deidentified.dcm" if target.is_dir() else target
    line = job.run(source, source.name, target, None)
    print(json.dumps(line._asdict()))
    return ALL_WRITTEN if line.status == "written" else SOME_NOT


def _folder(job: Job, source: Path, target: Path, errors: TextIO) -> int:
    """Every file below ``source``, in order of its path; the manifest grows with each."""
    target.mkdir(parents=True, exist_ok=True)
    files = list(_files(source, target))
    counts = {"written": 0, "refused": 0, "held": 0}
    with (target / "manifest.jsonl").open("w", encoding="utf-8") as manifest:
        for number, file in enumerate(files, 1):
            line = job.run(file, str(file.relative_to(source)), target, target)
            counts[line.status] += 1
            print(json.dumps(line._asdict()), file=manifest)
            if number % 100 == 0 or number == len(files):
                told = ", ".join(f"{count} {status}" for status, count in counts.items())
                print(f"{number} of {len(files)}: {told}", file=errors)
    return ALL_WRITTEN if counts["written"] == len(files) else SOME_NOT


def _files(source: Path, target: Path) -> Iterator[Path]:
    """Regular files below ``source``; links are not followed, ``target`` is left out."""
    for folder, folders, names in os.walk(source):
        here = Path(folder)
        folders[:] = sorted(f for f in folders if (here / f).resolve() != target.resolve())
        yield from (here / n for n in sorted(names) if not (here / n).is_symlink())


def _path_of(done: Deidentified) -> Path:
    instance = done.instance
    folder = Path(_safe(instance.study_instance_uid)) / _safe(instance.series_instance_uid)
    return folder / f"{_safe(instance.sop_instance_uid)}.dcm"


def _safe(uid: str) -> str:
    """A UID as a name: with Retain UIDs it is what came in, and may be no UID at all."""
    return "".join(c for c in uid[:64] if c.isdigit() or c == ".").strip(".") or "none"


def _source(descriptor: int) -> Source:
    source = FileSource(descriptor)
    return BytesSource(source.read(0, source.size)) if source.size <= IN_MEMORY else source


def _key(file: str | None) -> bytes:
    """The secret from a file (32 bytes, or these in hexadecimal or base64), else a fresh one."""
    if file is None:
        return os.urandom(SECRET_LENGTH)
    content = Path(file).read_bytes()
    if len(content) == SECRET_LENGTH:
        return content
    text = content.decode("ascii", "replace").strip()
    try:
        return bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise ValueError("the key file must hold 32 bytes, raw, hexadecimal or base64") from None


def _reason(error: ValueError | OSError) -> str:
    if isinstance(error, OSError):
        return f"the key file cannot be read ({error.strerror})"
    text = str(error)
    return text if " " in text else f"unknown or contradictory option {text!r} in --profile"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m webapp.pipeline.deidentify",
        description="De-identify DICOM files (PS3.15 Basic Profile 2026d).",
        epilog="Exit code 0: all written; 1: some refused or held, see the manifest; 2: wrong use.",
    )
    parser.add_argument("source", metavar="IN", help="a file, or a folder with all below it")
    parser.add_argument("target", metavar="OUT", help="a file, or a folder (with manifest.jsonl)")
    parser.add_argument(
        "--profile",
        default="basic",
        help="basic, and options joined with +: " + ", ".join(SWITCHES),
    )
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        help="32 secret bytes; the same key gives the same pseudonyms in every run",
    )
    return parser
