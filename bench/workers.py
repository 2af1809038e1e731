"""How much faster two workers are than one: ``python bench/workers.py [FILES]``.

A private PostgreSQL and a private Redis, one web process, and a batch of CT slices
of half a megabyte (400 unless said otherwise) that waits in the queue. It is worked
off by one worker process, then the like of it by two. Prints files a second of each
and their ratio: at least 1.8 where a core is free for each worker and one for the
servers; on a machine of two cores that the servers share, less.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.faults import shapes
from tests.faults.client import json_batch
from tests.faults.files import slice_of_ct
from tests.faults.promise import Promise
from tests.faults.shapes import Shape
from tests.running import copy_of_the_program

FILES = 400
FILES_A_BATCH = 50
SIDE = 512
DEADLINE = 600.0


def main(files: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        program = copy_of_the_program(Path(name) / "program")
        with shapes.scaled_out(program, Path(name) / "shape") as shape:
            shape.site.constant("lease", 60)
            client = shape.site.start_web()
            rates = [rate(shape, shape.promise(client), workers, files) for workers in (1, 2)]
    for workers, found in enumerate(rates, 1):
        print(f"{workers} worker{'s' * (workers > 1)}: {found:6.1f} files/s")
    print(f"ratio: {rates[1] / rates[0]:.2f} on {os.cpu_count()} cores")


def rate(shape: Shape, sent: Promise, workers: int, files: int) -> float:
    """Files a second, from the first finished one to the last: starting up does not count."""
    for start in range(0, files, FILES_A_BATCH):
        batch = [slice_of_ct(SIDE, SIDE) for _ in range(min(FILES_A_BATCH, files - start))]
        sent.accepted_batch(batch, sent.client.send(json_batch(batch)))
    shape.site.start_worker(workers)
    deadline = time.monotonic() + DEADLINE
    while not all(row.finished_at for row in sent.rows()):
        if time.monotonic() > deadline:
            sys.exit("The workers did not come to an end.")
        time.sleep(1)  # asking more often would take from what is measured
    shape.site.end(spared=1)
    ended = sorted(row.finished_at for row in sent.rows() if row.finished_at)
    return (len(ended) - 1) / (ended[-1] - ended[0]).total_seconds()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else FILES)
