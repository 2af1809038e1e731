"""What processes have held at most, as the kernel counted it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.running import Program


def peaks(program: Program) -> dict[str, int]:
    """The most resident memory, in bytes, of each living process; helpers have their own limit."""
    found = {}
    for pid, command in program.processes().items():
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            continue  # ended while we were looking
        held = [line for line in status.splitlines() if line.startswith("VmHWM")]
        if held:
            found[f"{pid} {command}"] = int(held[0].split()[1]) << 10
    return found


def forget(program: Program) -> None:
    """Begin to count anew (proc(5), clear_refs)."""
    for pid in program.processes():
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def processor_seconds(program: Program) -> dict[int, float]:
    """What each process has used of its processor so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = {}
    for pid in program.processes():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found[pid] = (int(fields[11]) + int(fields[12])) / ticks
    return found
