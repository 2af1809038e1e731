"""Measure the whole way, both shapes beside Orthanc: ``make bench`` or see ``--help``.

Upload, de-identified, sealed, recorded and downloaded again here; upload, anonymise and
download there. The same files, taking turns in one run, so that a noisy machine is noisy
for all. What counts is ratios.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench.end_to_end import servers
from bench.end_to_end.clients import Run, Target, drive
from bench.end_to_end.corpus import samples
from bench.end_to_end.plot import bars

FILES = {"CT": 400, "CR": 48, "US": 48, "JPEG": 200, "PNG": 48}
OURS = ("embedded", "PostgreSQL + Redis")
OF_ORTHANC = ("CT", "CR", "US")
"""It takes DICOM alone."""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        targets = _started(Path(name), stack)
        rows = [row for kind in options.kinds for row in _measured(kind, targets, options)]
    _print(rows, options)
    if options.plot:
        figures = [(f"{row.kind}: {row.name}", row.median, row.name in OURS) for row in rows]
        options.plot.write_text(bars("Files a second, up and down again", figures, "files/s"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.end_to_end", description=__doc__)
    parser.add_argument("--kinds", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of files")
    parser.add_argument("--plot", type=Path, help="an SVG to write")
    found = parser.parse_args()
    if found.clients < 1 or found.rounds < 1:
        parser.error("at least one client and one round are needed")
    return found


def _started(folder: Path, stack: ExitStack) -> dict[str, Target]:
    targets = {
        OURS[0]: stack.enter_context(servers.embedded(folder / "embedded")),
        OURS[1]: stack.enter_context(servers.scaled_out(folder / "scaled")),
    }
    if servers.orthanc_is_installed():
        targets["Orthanc"] = stack.enter_context(servers.orthanc(folder / "orthanc"))
    else:
        print("Orthanc is not installed and not compared: apt-get install orthanc")
    return targets


class Row:
    """One kind of file through one program, as many rounds as were asked for."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name
        self.runs: list[Run] = []

    @property
    def best(self) -> Run:
        return max(self.runs, key=lambda run: run.files_per_second)

    @property
    def median(self) -> float:
        return statistics.median(run.files_per_second for run in self.runs)

    @property
    def spread(self) -> float:
        """Slowest to fastest round, as a share of the median."""
        rates = [run.files_per_second for run in self.runs]
        return (max(rates) - min(rates)) / self.median


def _measured(kind: str, targets: dict[str, Target], options: argparse.Namespace) -> list[Row]:
    files = max(options.clients, round(FILES[kind] * options.scale))
    rows = [Row(kind, name) for name in targets if name in OURS or kind in OF_ORTHANC]
    first = time.time_ns() % 10**15  # no copy was ever sent before
    for row in rows:
        drive(targets[row.name], kind, options.clients, options.clients, first)  # warm
    for _ in range(options.rounds):
        for row in rows:
            first += files + options.clients
            row.runs.append(drive(targets[row.name], kind, files, options.clients, first))
    if kind == "JPEG" and (img2dcm := shutil.which("img2dcm")):
        rows.append(_by_img2dcm(img2dcm, options.rounds))
    return rows


def _by_img2dcm(program: str, rounds: int, files: int = 20) -> Row:
    """dcmtk's converter, a process a file, one after the other; files stay on this machine."""
    row = Row("JPEG", "img2dcm")
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "in.jpg", Path(name) / "out.dcm"
        source.write_bytes(samples()["JPEG"].content)
        for _ in range(rounds):
            seconds, began = [], time.monotonic()
            for _ in range(files):
                start = time.monotonic()
                subprocess.run([program, source, target], check=True)
                seconds.append(time.monotonic() - start)
            wall = time.monotonic() - began
            row.runs.append(Run(tuple(seconds), wall, 0.0, files * source.stat().st_size / 1e6))
    return row


def _print(rows: list[Row], options: argparse.Namespace) -> None:
    print(f"{options.clients} clients, {options.rounds} rounds, {os.cpu_count()} cores")
    print("| file | program | files/s, median | spread | MB/s | p50 ms | p99 ms | clients' CPU |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        best = row.best
        print(
            f"| {row.kind} | {row.name} | {row.median:.1f} | {100 * row.spread:.0f} % |"
            f" {best.megabytes_per_second:.0f} | {1000 * best.percentile(0.5):.1f} |"
            f" {1000 * best.percentile(0.99):.1f} | {100 * best.client_cpu / best.wall:.0f} % |"
        )
    for row in rows:
        others = [other for other in rows if other.kind == row.kind and other.name not in OURS]
        for other in others if row.name in OURS else []:
            print(f"{row.kind}: {row.name} / {other.name} = {row.median / other.median:.2f}")


if __name__ == "__main__":
    main()
