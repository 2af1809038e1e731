"""SIGKILL at every named step of receiving and processing a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.client import Client, form_batch, json_batch
from tests.faults.files import large, mixed, no_picture, photograph, slice_of_ct
from tests.faults.promise import Promise
from tests.faults.shapes import Shape
from tests.faults.site import until

pytestmark = pytest.mark.faults
long = pytest.mark.long

WEBAPP = Path(__file__).parents[2] / "webapp"
# What may stay without a row: what was sealed and not yet named, or named no more.
SINGLE = {
    "receive.produced": 0,
    "receive.sealed": 1,
    "receive.written": 1,
    "receive.committed": 0,
}
LARGE = {
    "receive.spooled": 1,
    "receive.kept": 1,
    "receive.written": 1,
    "complete.produced": 0,
    "complete.sealed": 1,
    "complete.written": 1,
    "complete.committed": 1,
    "complete.discarded": 0,
}
BATCH = {
    "intake.arrived": 6,
    "intake.kept": 6,
    "intake.written": 6,
    "intake.committed": 0,
    "handed-over": 0,
}
WORK = {
    "process.claimed": 0,
    "complete.produced": 0,
    "complete.sealed": 1,
    "complete.written": 1,
    "complete.committed": 1,
    "complete.discarded": 0,
}
SHORT = {"receive.written", "intake.committed", "complete.written"}


@pytest.fixture(scope="module")
def client(shape: Shape) -> Iterator[Client]:
    client = shape.site.start_web()
    shape.site.start_worker()
    yield client
    shape.site.end()


@pytest.fixture
def promise(shape: Shape, client: Client) -> Promise:
    return shape.promise(client)


def steps(table: dict[str, int]) -> list[object]:
    """Each step with what it may leave; all but a few only in the long form."""
    return [pytest.param(*item, marks=() if item[0] in SHORT else long) for item in table.items()]


@pytest.mark.parametrize(("step", "orphans"), steps(SINGLE))
def test_a_web_process_dies_with_a_small_file(promise: Promise, step: str, orphans: int) -> None:
    promise.site.arm(step)

    promise.upload(photograph())

    assert promise.site.reached(step)
    promise.upload(slice_of_ct())
    promise.kept(orphans=orphans)
    promise.site.forget(step)


@pytest.mark.long
@pytest.mark.parametrize(("step", "orphans"), LARGE.items())
def test_a_web_process_dies_with_a_large_file(promise: Promise, step: str, orphans: int) -> None:
    promise.site.arm(step)

    promise.upload(large())

    assert promise.site.reached(step)
    promise.kept(orphans=orphans)
    promise.site.forget(step)


@pytest.mark.parametrize(("step", "orphans"), steps(BATCH))
@pytest.mark.parametrize("form", [json_batch, pytest.param(form_batch, marks=long)])
def test_a_web_process_dies_with_a_batch(
    promise: Promise, step: str, orphans: int, form: type
) -> None:
    samples = mixed()
    promise.site.arm(step)

    promise.batch(samples, form(samples))

    assert promise.site.reached(step)
    promise.kept(orphans=orphans)
    promise.site.forget(step)


@pytest.mark.parametrize(("step", "orphans"), steps(WORK))
def test_a_worker_dies(promise: Promise, step: str, orphans: int) -> None:
    promise.site.arm(step)

    promise.batch([*mixed(), large()])

    until(lambda: promise.site.reached(step), what=step)
    promise.kept(orphans=orphans)
    promise.site.forget(step)


@pytest.mark.long
def test_everything_dies_again_and_again(promise: Promise, shape: Shape) -> None:
    site = shape.site
    for step in ("process.claimed", "complete.sealed", "complete.committed"):
        site.arm(step, "STOP")
        promise.batch(mixed(4))
        until(lambda step=step: site.reached(step), what=step)
        site.end()
        site.forget(step)
        site.start_web()
        site.start_worker()

    promise.kept(orphans=3 * 2)  # each worker may have been just before its commit
    found = site.command("storage", "check", "--deep").stdout.splitlines()[-1]
    counts = {name: int(number) for name, number in re.findall(r"([a-z]+): (\d+)", found)}
    assert counts["missing"] == counts["damaged"] == counts["unreadable"] == 0
    left = promise.left & promise.stored()
    assert counts["extra"] == sum(not key.endswith(".part") for key in left)
    assert site.command("audit", "verify").returncode == 0


@pytest.mark.parametrize("step", ["complete.produced", "complete.sealed"])
@pytest.mark.long
def test_a_worker_that_slept_through_its_lease_stores_nothing_twice(
    promise: Promise, step: str
) -> None:
    samples = [slice_of_ct(), no_picture(), slice_of_ct()]
    before = set(promise.left)

    with promise.site.stopped_at(step) as stopped:
        promise.batch(samples)
        stopped()
        promise.kept(orphans=1)  # what the sleeper sealed, until it wakes

    promise.left.intersection_update(before)
    promise.kept()


def test_every_step_that_the_program_names_is_one_at_which_it_was_killed() -> None:
    named = {
        step
        for file in WEBAPP.rglob("*.py")
        for step in re.findall(r'\breach\("([^"]+)"\)', file.read_text())
    }

    assert named == {*SINGLE, *LARGE, *BATCH, *WORK}
