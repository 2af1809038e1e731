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
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from webapp.pipeline.deidentify.files import Job, Line, put_in_place
from webapp.pipeline.deidentify.profile import SWITCHES, parse_profile
from webapp.pipeline.pseudonyms import SECRET_LENGTH

ALL_WRITTEN, SOME_NOT, MISUSED = 0, 1, 2
"""Exit codes."""

HANDED_OVER = 16
"""Files that a process takes at once; a folder of no more is not worth a second process."""

FRESH_KEY = (
    "No --key-file: a fresh random key was used and is now gone. Files of one patient stay "
    "together within this run only."
)

KILLED = (
    "A process was ended by the system, perhaps for want of memory. What the manifest does not "
    "name was not written; --jobs 1 needs the least memory."
)


def main(arguments: Sequence[str], errors: TextIO = sys.stderr) -> int:
    """Run the command; its exit code: 0 all written, 1 some not, 2 wrong use."""
    options = _parser().parse_args(arguments)
    try:
        job = Job(parse_profile(options.profile), _key(options.key_file))
    except (ValueError, OSError) as error:
        print(f"deidentify: {_reason(error)}", file=errors)
        return MISUSED
    source, target = Path(options.source), Path(options.target)
    if not source.exists() or source.resolve() == target.resolve():
        print("deidentify: IN must exist, and OUT must be another place", file=errors)
        return MISUSED
    if options.key_file is None:
        print(FRESH_KEY, file=errors)
    if not source.is_dir():
        return _one(job, source, target)
    try:
        return _folder(job, source, target, options.jobs, errors)
    except BrokenProcessPool:
        print(KILLED, file=errors)
        return SOME_NOT


def _one(job: Job, source: Path, target: Path) -> int:
    target = target / "deidentified.dcm" if target.is_dir() else target
    unfinished = f"{target}.part"
    with suppress(OSError):  # what is wrong with the place, writing tells
        target.parent.mkdir(parents=True, exist_ok=True)
    line = job.run(str(source), source.name, unfinished)
    if line.output:
        line = put_in_place(line._replace(output=target.name), unfinished, str(target.parent))
    print(json.dumps(line._asdict()))
    return ALL_WRITTEN if line.status == "written" else SOME_NOT


def _folder(job: Job, source: Path, target: Path, jobs: int, errors: TextIO) -> int:
    """Every file below ``source``, in order of its path; the manifest grows with each."""
    target.mkdir(parents=True, exist_ok=True)
    files = list(_files(source, target))
    counts, taken = {"written": 0, "refused": 0, "held": 0}, dict[str, int]()
    with (
        (target / "manifest.jsonl").open("w", encoding="utf-8") as manifest,
        TemporaryDirectory(prefix=".unfinished-", dir=target) as unfinished,
        _lines(job, files, str(source), unfinished, jobs) as lines,
    ):
        for number, line in enumerate(lines):
            if line.output:
                line = _numbered(line, str(target), taken)
                line = put_in_place(line, os.path.join(unfinished, str(number)), str(target))
            counts[line.status] += 1
            print(json.dumps(line._asdict()), file=manifest)
            if (number + 1) % 100 == 0 or number + 1 == len(files):
                told = ", ".join(f"{count} {status}" for status, count in counts.items())
                print(f"{number + 1} of {len(files)}: {told}", file=errors)
    return ALL_WRITTEN if counts["written"] == len(files) else SOME_NOT


@contextmanager
def _lines(
    job: Job, files: list[str], source: str, unfinished: str, jobs: int
) -> Iterator[Iterable[Line]]:
    """A line for each file, in their order, made by as many processes as are worth it."""
    names = [os.path.relpath(file, source) for file in files]
    targets = [os.path.join(unfinished, str(number)) for number in range(len(files))]
    processes = min(jobs, -(-len(files) // HANDED_OVER))
    if processes < 2:
        yield map(job.run, files, names, targets)
        return
    with ProcessPoolExecutor(processes) as pool:
        try:
            yield pool.map(job.run, files, names, targets, chunksize=HANDED_OVER)
        finally:  # where the manifest cannot be written, the rest of the folder is not worked on
            pool.shutdown(cancel_futures=True)


def _numbered(line: Line, folder: str, taken: dict[str, int]) -> Line:
    """The line with an output that is not there yet: UIDs do come twice."""
    stem, extension = os.path.splitext(line.output)
    number = taken.get(line.output, 0) + 1
    output = line.output if number == 1 else f"{stem}-{number}{extension}"
    while os.path.exists(os.path.join(folder, output)):
        number += 1
        output = f"{stem}-{number}{extension}"
    taken[line.output] = number
    return line._replace(output=output)


def _files(source: Path, target: Path) -> Iterator[str]:
    """Regular files below ``source``; links are not followed, ``target`` is left out."""
    apart = target.resolve()
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(f for f in folders if Path(folder, f).resolve() != apart)
        files = (os.path.join(folder, name) for name in sorted(names))
        yield from (file for file in files if not os.path.islink(file))


def _key(file: str | None) -> bytes:
    """The secret from a file (32 bytes, or these in hexadecimal or base64), else a fresh one."""
    if file is None:
        return os.urandom(SECRET_LENGTH)
    content = Path(file).read_bytes()
    if len(content) == SECRET_LENGTH:
        return content
    text = content.decode("ascii", "replace").strip()
    try:
        key = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != SECRET_LENGTH:
        raise ValueError("the key file must hold 32 bytes, raw, hexadecimal or base64")
    return key


def _reason(error: ValueError | OSError) -> str:
    if isinstance(error, OSError):
        return f"the key file cannot be read ({error.strerror})"
    text = str(error)
    return text if " " in text else f"unknown or contradictory option {text!r} in --profile"


def _processes(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number from 1 on is needed")
    return int(text)


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
    parser.add_argument(
        "--jobs",
        type=_processes,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that work on a folder at once (default: one for each core)",
    )
    return parser
