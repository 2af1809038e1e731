"""Tasks that come twice, in another order, for nothing, or to many workers at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
import redis

from tests.faults.client import Client
from tests.faults.files import large, mixed
from tests.faults.promise import Promise
from tests.faults.shapes import Shape
from tests.servers import free_port

pytestmark = pytest.mark.faults
QUEUE = "huey.redis.medicalimages"
PATIENT = 60
"""Seconds of a lease where none may run out, however slow the machine is."""


@pytest.fixture(scope="module")
def client(shape: Shape) -> Iterator[Client]:
    shape.site.constant("lease", PATIENT)
    yield shape.site.start_web()
    shape.site.end()


@pytest.fixture
def promise(shape: Shape, client: Client) -> Iterator[Promise]:
    yield shape.promise(client)
    shape.site.end(spared=1)


def deliver_again(shape: Shape, times: int) -> int:
    """Every task in the queue so many times more, the last one first; how many there were."""
    return (_again_on_redis if shape.redis else _again_on_sqlite)(shape, times)


def _again_on_redis(shape: Shape, times: int) -> int:
    assert shape.redis
    connection = redis.Redis(port=shape.redis.port)
    tasks = connection.lrange(QUEUE, 0, -1)
    for _ in range(times):
        connection.lpush(QUEUE, *reversed(tasks))
    return len(tasks)


def _again_on_sqlite(shape: Shape, times: int) -> int:
    columns = "queue, data, priority"
    some = f"SELECT {columns} FROM task WHERE id <= ? ORDER BY id DESC"
    with sqlite3.connect(f"{shape.site.settings['STATE_DIR']}/queue.db") as connection:
        last, count = connection.execute("SELECT max(id), count(*) FROM task").fetchone()
        for _ in range(times):
            connection.execute(f"INSERT INTO task ({columns}) {some}", (last,))
    return int(count)


@pytest.mark.parametrize(
    "shape",
    [pytest.param("embedded", marks=pytest.mark.long), "scaled-out"],
    indirect=True,
    scope="module",
)
def test_tasks_that_come_four_times_and_in_another_order_are_done_once(
    promise: Promise, shape: Shape
) -> None:
    promise.batch([*mixed(8), large()])

    assert deliver_again(shape, 3) == 9

    promise.site.start_worker(3)
    promise.kept()
    assert {row.attempts for row in promise.rows()} == {1}


@pytest.mark.long
def test_two_web_processes_and_four_workers_share_the_work_without_doubling_any(
    scaled_out: Shape,
) -> None:
    site = scaled_out.site
    site.constant("lease", PATIENT)
    first = scaled_out.promise(site.start_web())
    second = scaled_out.promise(site.start_web(port=free_port()))
    workers = [site.start_worker(1) for _ in range(4)]

    for _ in range(4):
        first.batch(mixed(10))
        second.batch(mixed(10))

    first.kept()
    second.kept()
    assert {row.attempts for row in (*first.rows(), *second.rows())} == {1}
    assert all(worker.said("process executed") for worker in workers)
    site.end()
