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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock
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

AT_ONCE = 2
"""Files worked on at once: one is read or written while the other is de-identified."""

WRITTEN_AT_ONCE, IOV_MAX = 1 << 22, 1024
"""Bytes, and slices, that one call to the system writes at most."""

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
    taken: dict[str, int] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def run(self, file: Path, name: str, target: Path, folder: Path | None) -> Line:
        """De-identify ``file`` into ``target``, or under ``folder`` by its new UIDs."""
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return self._run(descriptor, name, target, folder)
            finally:
                os.close(descriptor)
        except Rejected as refusal:
            return Line(name, "refused", code=refusal.code)
        except OSError as error:
            return Line(name, "refused", code=f"unreadable-{error.errno}")

    def _run(self, descriptor: int, name: str, target: Path, folder: Path | None) -> Line:
        source = _source(descriptor)
        if not recognise(source.read(0, HEAD_LENGTH)).is_dicom:
            return Line(name, "refused", code="not-dicom")
        done = deidentify(source, self.profile, self.pseudonyms)
        return self._kept(done, name, target, folder)

    def _kept(self, done: Deidentified, name: str, target: Path, folder: Path | None) -> Line:
        survivors = verify(done)
        if survivors:
            return Line(name, "held", survivors=survivors, report=done.report.as_dict())
        shown = target.name if folder is None else self._free(folder, _path_of(done))
        write(done, str(target) if folder is None else os.path.join(folder, shown))
        uid = done.instance.sop_instance_uid
        return Line(name, "written", shown, "", (), uid, done.report.as_dict())

    def _free(self, folder: Path, path: str) -> str:
        """``path`` below ``folder``, or the first ``path-2``, ``path-3`` not taken.

        UIDs do come twice.
        """
        stem, extension = os.path.splitext(path)
        with self.lock:
            number = self.taken.get(path, 0) + 1
            candidate = path if number == 1 else f"{stem}-{number}{extension}"
            while os.path.exists(os.path.join(folder, candidate)):
                number += 1
                candidate = f"{stem}-{number}{extension}"
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


def write(done: Deidentified, target: str) -> None:
    """Write the output whole or not at all: under another name first, then renamed."""
    unfinished = f"{target}.part"
    try:
        descriptor = _opened(unfinished)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        descriptor = _opened(unfinished)
    try:
        try:
            for pieces in _gathered(done.output):
                _write_all(descriptor, pieces)
        finally:
            os.close(descriptor)
        os.replace(unfinished, target)
    except BaseException:
        os.unlink(unfinished)
        raise


def _gathered(output: PartsSource) -> Iterator[list[Buffer]]:
    """The output in order, nothing joined: as many slices at once as one call may write."""
    pieces, size = list[Buffer](), 0
    for piece in _pieces(output):
        pieces.append(piece)
        size += len(piece)
        if size >= WRITTEN_AT_ONCE or len(pieces) == IOV_MAX:
            yield pieces
            pieces, size = [], 0
    if pieces:
        yield pieces


def _pieces(output: PartsSource) -> Iterator[Buffer]:
    """Slices of memory, or of the file a part at a time."""
    for part in output.parts:
        if isinstance(part, Span):
            yield from chunks(PartsSource(output.source, [part]))
        else:
            yield part


def _write_all(descriptor: int, pieces: list[Buffer]) -> None:
    """A disk that is nearly full takes a part only: the rest, until it says why."""
    written = os.writev(descriptor, pieces)
    for piece in pieces:
        left = memoryview(piece)[written:]
        written = max(0, written - len(piece))
        while left:
            left = left[os.write(descriptor, left) :]


def _opened(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)


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
    with (
        (target / "manifest.jsonl").open("w", encoding="utf-8") as manifest,
        ThreadPoolExecutor(AT_ONCE) as threads,
    ):
        lines = threads.map(lambda f: job.run(f, os.path.relpath(f, source), target, target), files)
        for number, line in enumerate(lines, 1):
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


def _path_of(done: Deidentified) -> str:
    instance = done.instance
    study, series = _safe(instance.study_instance_uid), _safe(instance.series_instance_uid)
    return os.path.join(study, series, f"{_safe(instance.sop_instance_uid)}.dcm")


@lru_cache(maxsize=1024)
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
