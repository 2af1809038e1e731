"""Helper processes: what they decode, what kills them, what they leave behind."""

from __future__ import annotations

import functools
import os
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from tests import pictures
from webapp.pipeline import messages
from webapp.pipeline.convert import Limits, convert
from webapp.pipeline.errors import DecodeFailed, ImageDamaged, ImageTooLarge, UnsupportedImage
from webapp.pipeline.recognise import Kind
from webapp.pipeline.render import RenderOptions, render
from webapp.pipeline.source import BytesSource
from webapp.services.sandbox import Sandbox, SandboxLimits

LIMITS = Limits(max_pixels=100_000_000)
GROUP = b"g" * 32
PNG = pictures.png(pictures.COLOUR, 8, 2)

Make = Callable[..., Sandbox]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Sandbox] = []

    def sandbox(**limits: float) -> Sandbox:
        made.append(Sandbox(SandboxLimits(**limits)))  # type: ignore[arg-type]
        return made[-1]

    yield sandbox
    for one in made:
        one.close()


@functools.cache
def noise(side: int) -> bytes:
    """A picture that costs its decoder much time."""
    samples = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    content: bytes = pictures.imagecodecs.jpeg2k_encode(samples, level=0)
    return content


def large_picture() -> bytes:
    return pictures.png(np.zeros((9000, 9000), np.uint8), 8, 0)


def test_it_converts_as_the_pipeline_does(make: Make) -> None:
    sandbox = make()

    result = sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS)

    assert result == convert(PNG, Kind.PNG, GROUP, LIMITS)


def test_a_baseline_jpeg_needs_no_helper(make: Make) -> None:
    sandbox = make()

    sandbox.convert(pictures.jpeg(), Kind.JPEG, GROUP, LIMITS)

    assert sandbox.pids() == []


def test_a_helper_stays_warm(make: Make) -> None:
    sandbox = make()

    sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS)
    first = sandbox.pids()
    sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS)

    assert len(first) == 1
    assert sandbox.pids() == first


def test_notes_and_reasons_come_through(make: Make) -> None:
    sandbox = make()
    transparent = pictures.png(np.dstack([pictures.COLOUR, pictures.ALPHA]), 8, 6)

    assert sandbox.convert(transparent, Kind.PNG, GROUP, LIMITS).notes == ("alpha-flattened",)
    with pytest.raises(ImageTooLarge) as caught:
        sandbox.convert(PNG, Kind.PNG, GROUP, Limits(max_pixels=100))
    with pytest.raises(UnsupportedImage):
        sandbox.convert(b"\0\0\0\x18ftypheic", Kind.HEIC, GROUP, LIMITS)

    assert caught.value.facts == {"limit": 100}


def test_a_damaged_picture_costs_no_helper(make: Make) -> None:
    sandbox = make()
    sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS)
    before = sandbox.pids()

    with pytest.raises(ImageDamaged):
        sandbox.convert(PNG[:60], Kind.PNG, GROUP, LIMITS)

    assert sandbox.pids() == before


def test_a_compressed_frame_is_rendered(make: Make) -> None:
    content = Path(str(get_testdata_file("MR_small_RLE.dcm"))).read_bytes()
    options = RenderOptions(format="png")

    result = make().render(BytesSource(content), options)

    assert result == render(BytesSource(content), options)


def test_native_pixels_need_no_helper(make: Make) -> None:
    sandbox = make()

    content = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
    sandbox.render(BytesSource(content), RenderOptions())

    assert sandbox.pids() == []


def test_a_frame_that_cannot_be_decoded_is_told(make: Make) -> None:
    path = str(get_testdata_file("JPEG2000-embedded-sequence-delimiter.dcm"))

    with pytest.raises(DecodeFailed):
        make().render(BytesSource(Path(path).read_bytes()), RenderOptions())


def test_a_job_over_its_wall_time_ends_alone(make: Make) -> None:
    sandbox = make(helpers=1)
    sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS)
    before = sandbox.pids()
    sandbox.limits = SandboxLimits(helpers=1, wall_seconds=0.2)

    with pytest.raises(ImageDamaged):
        sandbox.convert(noise(1600), Kind.JPEG2000, GROUP, LIMITS)
    sandbox.limits = SandboxLimits(helpers=1)

    assert sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS).content
    assert sandbox.pids() != before


def test_a_job_over_its_processor_time_ends_alone(make: Make) -> None:
    sandbox = make(helpers=1, cpu_seconds=0)

    with pytest.raises(ImageDamaged):
        sandbox.convert(noise(1600), Kind.JPEG2000, GROUP, LIMITS)


def test_processor_time_is_each_job_s_own(make: Make) -> None:
    """The limit counts a process's life: it moves on with every job."""
    sandbox = make(helpers=1, cpu_seconds=1)
    picture = noise(900)

    first = sandbox.convert(picture, Kind.JPEG2000, GROUP, LIMITS)
    pid = sandbox.pids()
    for _ in range(6):
        assert sandbox.convert(picture, Kind.JPEG2000, GROUP, LIMITS) == first

    assert sandbox.pids() == pid


def test_a_picture_over_the_memory_is_refused_and_the_next_is_served(make: Make) -> None:
    sandbox = make(helpers=1, memory=100 << 20)

    with pytest.raises(ImageDamaged):
        sandbox.convert(large_picture(), Kind.PNG, GROUP, LIMITS)

    assert sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS).content


def test_a_helper_killed_while_idle_is_replaced(make: Make) -> None:
    sandbox = make(helpers=1)
    sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS)
    (pid,) = sandbox.pids()

    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    assert sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS).content
    assert sandbox.pids() != [pid]


def test_a_helper_killed_in_mid_job_costs_that_job_alone(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = make(helpers=1)
    receive = messages.receive

    def kill_then_receive(*arguments: Any) -> Any:
        monkeypatch.undo()
        os.kill(sandbox.pids()[0], signal.SIGKILL)
        return receive(*arguments)

    monkeypatch.setattr(messages, "receive", kill_then_receive)

    with pytest.raises(ImageDamaged):
        sandbox.convert(noise(1600), Kind.JPEG2000, GROUP, LIMITS)
    assert sandbox.pids() == []
    assert sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS).content


def test_many_threads_share_two_helpers(make: Make) -> None:
    sandbox = make(helpers=2)

    with ThreadPoolExecutor(8) as pool:
        results = list(
            pool.map(lambda _: sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS).content, range(40))
        )

    assert len(set(results)) == 1
    assert 1 <= len(sandbox.pids()) <= 2


def test_a_helper_sees_nothing_of_the_environment(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASTER_KEYS", "a-secret")
    sandbox = make()
    sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS)

    (pid,) = sandbox.pids()

    assert b"a-secret" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_helper_can_write_no_file_and_dump_no_core(make: Make) -> None:
    sandbox = make()
    sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS)

    (pid,) = sandbox.pids()

    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    for name in ("Max file size", "Max core file size"):
        (line,) = (line for line in limits if line.startswith(name))
        assert line.removeprefix(name).split()[:2] == ["0", "0"]


def run(program: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, without the threads of a test run."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )


def test_a_forked_process_has_helpers_of_its_own() -> None:
    done = run("""
        import os
        from tests.services.test_sandbox import GROUP, LIMITS, PNG
        from webapp.pipeline.recognise import Kind
        from webapp.services.sandbox import Sandbox
        sandbox = Sandbox()
        sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS)
        parents = sandbox.pids()
        child = os.fork()
        sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS)
        if not child:
            os._exit(0 if sandbox.pids() != parents else 1)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), sandbox.pids() == parents)
    """)

    assert done.stdout == "0 True\n"


def test_no_helper_outlives_a_killed_parent() -> None:
    """Started, at work or idle: the end of the socket is the end of the helper."""
    done = run("""
        import os, signal
        from tests.services.test_sandbox import GROUP, LIMITS, PNG
        from webapp.pipeline.recognise import Kind
        from webapp.services.sandbox import Sandbox
        sandbox = Sandbox()
        sandbox.convert(PNG, Kind.PNG, GROUP, LIMITS)
        print(sandbox.pids()[0], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    pid = int(done.stdout)

    _wait_for_the_end_of(pid)

    assert done.returncode == -signal.SIGKILL


def _wait_for_the_end_of(pid: int) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    ended = poll.poll(20_000)
    os.close(handle)
    assert ended


def test_it_works_from_another_folder(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert make().convert(PNG, Kind.PNG, GROUP, LIMITS).content


def test_the_result_reads_as_dicom(make: Make) -> None:
    result = make().convert(PNG, Kind.PNG, GROUP, LIMITS)

    dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(result.content))
    assert np.array_equal(dataset.pixel_array, pictures.COLOUR)
