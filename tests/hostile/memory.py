"""What processes have held at most, as the kernel counted it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.running import Program


def peaks(program: Program) -> dict[int, int]:
    """The most resident memory, in bytes, of each living process."""
    return _held(program, "VmHWM")


def resident(program: Program) -> dict[int, int]:
    """The resident memory, in bytes, of each living process."""
    return _held(program, "VmRSS")


def forget(program: Program) -> dict[int, int]:
    """Begin to count peaks anew (proc(5), clear_refs); what each process holds now."""
    for pid in program.processes():
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    return resident(program)


def _held(program: Program, field: str) -> dict[int, int]:
    found = {}
    for pid in program.processes():
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            continue  # ended while we were looking
        lines = [line for line in status.splitlines() if line.startswith(field)]
        if lines:
            found[pid] = int(lines[0].split()[1]) << 10
    return found


def processor_seconds(program: Program) -> dict[int, float]:
    """What each process has used of its processor so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = {}
    for pid in program.processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found[pid] = (int(fields[11]) + int(fields[12])) / ticks
    return found
