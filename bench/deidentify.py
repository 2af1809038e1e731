"""De-identification side by side, in one run: ours, pydicom's bare read + save, dicom-anonymizer.

    python bench/deidentify.py [--rounds N]

In memory: one CT of 512 x 512 with about 140 elements, the whole Basic Profile on.
File to file: a folder of them, with ``gdcmanon`` (if it is installed) in folder mode,
which knows no nested sequences. Times are the best of all and their median, in milliseconds;
what counts is ratios.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file

sys.path.insert(0, str(Path(__file__).parents[1]))

from webapp.pipeline.deidentify import deidentify, parse_profile
from webapp.pipeline.deidentify.cli import ALL_WRITTEN
from webapp.pipeline.deidentify.cli import main as run_command
from webapp.pipeline.pseudonyms import Pseudonyms
from webapp.pipeline.source import BytesSource
from webapp.pipeline.verify import verify

SIDE = 512
TURN = 10
"""Files that a candidate takes in one turn."""

INSTANCE = b"1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322"
"""The small CT's SOP Instance UID, varied so that the folder's files are one series."""

PROFILE = parse_profile("basic")
PSEUDONYMS = Pseudonyms(bytes(range(32)))


def ct() -> bytes:
    """pydicom's own small CT enlarged to 512 x 512, its private elements left in."""
    file = get_testdata_file("CT_small.dcm")
    assert isinstance(file, str)
    instance = pydicom.dcmread(file)
    instance.Rows = instance.Columns = SIDE
    instance.PixelData = os.urandom(SIDE * SIDE * 2)
    for element in list(instance)[::2]:
        if element.tag.is_private and element.tag.element > 0xFF:
            del instance[element.tag]
    stream = io.BytesIO()
    instance.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def ours(content: bytes) -> object:
    """As the program uses it: parts, each bytes or a span of the input, sealed as they are."""
    return deidentify(BytesSource(content), PROFILE, PSEUDONYMS).output.parts


def ours_joined(content: bytes) -> bytes:
    """Put together into one more copy, which nothing in the program needs."""
    output = deidentify(BytesSource(content), PROFILE, PSEUDONYMS).output
    return bytes(output.read(0, output.size))


def ours_verified(content: bytes) -> object:
    done = deidentify(BytesSource(content), PROFILE, PSEUDONYMS)
    assert not verify(done)
    return done.output.parts


def bare_pydicom(content: bytes) -> bytes:
    stream = io.BytesIO()
    pydicom.dcmread(io.BytesIO(content)).save_as(stream)
    return stream.getvalue()


def dicom_anonymizer(content: bytes) -> bytes:
    from dicomanonymizer import anonymize_dataset

    instance = pydicom.dcmread(io.BytesIO(content))
    anonymize_dataset(instance, delete_private_tags=True)
    stream = io.BytesIO()
    instance.save_as(stream)
    return stream.getvalue()


def in_memory(rounds: int) -> None:
    """Every candidate takes its turn in each round, so that load falls on all alike.

    A turn is some files one after the other, as a service and a folder have them: a lone
    call among others' would mostly measure how cold the caches are.
    """
    content = ct()
    candidates: list[Callable[[bytes], object]] = [ours, ours_verified, ours_joined, bare_pydicom]
    try:
        dicom_anonymizer(content)
        candidates.append(dicom_anonymizer)
    except ImportError:
        print("dicom-anonymizer is not installed: see bench/requirements.txt")
    times: dict[str, list[float]] = {candidate.__name__: [] for candidate in candidates}
    for _ in range(rounds):
        for candidate in random.sample(candidates, len(candidates)):
            times[candidate.__name__] += [timed(candidate, content) for _ in range(TURN)]
    elements = len(pydicom.dcmread(io.BytesIO(content)))
    print(f"in memory, {len(content):,} bytes, {elements} elements, {rounds} rounds of {TURN}")
    show(times, "ours")


def timed(candidate: Callable[[bytes], object], content: bytes) -> float:
    start = time.perf_counter()
    candidate(content)
    return (time.perf_counter() - start) * 1000


def file_to_file(files: int) -> None:
    """A folder in, a new folder out; the page cache is warm for everybody, and the disk idle.

    Outputs are deleted at the end: a file system still busy with deleting makes
    files three times as slowly, and whoever comes next would pay for it.
    """
    content, times = ct(), dict[str, list[float]]()
    with tempfile.TemporaryDirectory() as place:
        source = Path(place, "in")
        source.mkdir()
        for number in range(files):
            distinct = content.replace(INSTANCE, INSTANCE[:-4] + b"%04d" % number)
            (source / f"{number:04}.dcm").write_bytes(distinct)
        runs = [ours_folder, gdcmanon_folder] if shutil.which("gdcmanon") else [ours_folder]
        for number, run in enumerate(runs * 5):
            taken = folder(source, Path(place, f"out{number}"), run)
            times.setdefault(run.__name__, []).append(taken / files)
    print(f"file to file, a folder of {files}, each verified too (ours)")
    show(times, "ours_folder")


def folder(source: Path, target: Path, run: Callable[[Path, Path], None]) -> float:
    target.mkdir()
    os.sync()
    start = time.perf_counter()
    run(source, target)
    return (time.perf_counter() - start) * 1000


def ours_folder(source: Path, target: Path) -> None:
    assert run_command([str(source), str(target)], errors=io.StringIO()) == ALL_WRITTEN


def gdcmanon_folder(source: Path, target: Path) -> None:
    command = ["gdcmanon", "--dumb", "--continue", "-i", str(source), "-o", str(target)]
    tags = [
        "--empty",
        "10,10",
        "--empty",
        "10,20",
        "--remove",
        "8,50",
        "--replace",
        "8,20,19000101",
    ]
    subprocess.run([*command, *tags], check=True, capture_output=True)


def show(times: dict[str, list[float]], base: str) -> None:
    best, middle = min(times[base]), statistics.median(times[base])
    for name, values in times.items():
        least, half = min(values), statistics.median(values)
        print(
            f"  {name:18} {least:8.3f} ms x{least / best:.1f}   {half:8.3f} ms x{half / middle:.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--files", type=int, default=200)
    options = parser.parse_args()
    in_memory(options.rounds)
    file_to_file(options.files)


if __name__ == "__main__":
    main()
