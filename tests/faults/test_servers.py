"""Redis and PostgreSQL paused, flushed, restarted and away, in the middle of everything."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from tests.faults import shapes
from tests.faults.client import Client, json_batch, single
from tests.faults.files import large, mixed, photograph, slice_of_ct
from tests.faults.promise import Promise
from tests.faults.shapes import Shape
from tests.faults.site import until
from tests.servers import Server, free_port

pytestmark = pytest.mark.faults
PATIENCE = 30
"""Seconds within which a request is answered, whatever Redis does."""


@pytest.fixture
def queue(scaled_out: Shape) -> Iterator[Server]:
    """The Redis; it runs again afterwards."""
    assert scaled_out.redis
    yield scaled_out.redis
    back(scaled_out.redis)


@pytest.fixture
def database(scaled_out: Shape) -> Iterator[Server]:
    """The PostgreSQL; it runs again afterwards."""
    assert scaled_out.postgres
    yield scaled_out.postgres
    back(scaled_out.postgres)


def back(server: Server) -> None:
    shapes.resume(server)
    if server.process.poll() is not None:
        server.start()


@pytest.fixture(scope="module")
def client(scaled_out: Shape) -> Client:
    """The web processes; each test starts the workers it wants."""
    return scaled_out.site.start_web()


@pytest.fixture
def promise(scaled_out: Shape, client: Client) -> Iterator[Promise]:
    yield scaled_out.promise(client)
    scaled_out.site.end(spared=1)


def test_redis_is_down_at_the_request(promise: Promise, queue: Server) -> None:
    promise.site.start_worker()
    queue.end()

    promise.batch(mixed())

    assert not promise.client.answers("/readyz")
    queue.start()
    promise.kept()


@pytest.mark.long
def test_redis_is_flushed_with_a_batch_in_it(promise: Promise, queue: Server) -> None:
    promise.batch(mixed())

    redis.Redis(port=queue.port).flushall()

    promise.site.start_worker()
    promise.kept()


@pytest.mark.long
def test_redis_is_restarted_empty_while_workers_work(promise: Promise, queue: Server) -> None:
    promise.site.start_worker()
    with promise.site.stopped_at("process.claimed") as stopped:
        promise.batch(mixed(12))
        stopped()
        queue.end(signal.SIGKILL)
        queue.start()
    promise.kept()


@pytest.mark.long
def test_redis_is_paused_at_the_request(promise: Promise, queue: Server) -> None:
    promise.site.start_worker()
    shapes.pause(queue)

    answer = promise.client.send(json_batch(samples := mixed()), timeout=PATIENCE)

    promise.accepted_batch(samples, answer)
    shapes.resume(queue)
    promise.kept()


@pytest.mark.long
def test_redis_is_paused_longer_than_a_lease(promise: Promise, queue: Server) -> None:
    promise.site.start_worker()
    promise.batch(mixed(12))
    shapes.pause(queue)
    paused = time.monotonic()
    until(lambda: time.monotonic() - paused > 6)
    shapes.resume(queue)
    promise.kept()


@pytest.mark.long
def test_without_redis_everything_else_goes_on(promise: Promise, queue: Server) -> None:
    queue.end()

    promise.upload(photograph())
    stranger = Client(promise.client.port, key="no-such-key").ask("GET", "/stats")

    assert stranger.status == 401
    promise.kept()


@pytest.mark.long
def test_the_web_does_the_work_where_it_may_and_redis_is_down(
    promise: Promise, queue: Server
) -> None:
    queue.end()
    web = promise.site.start_web(port=free_port(), FALLBACK_PROCESSING=1)
    promise.client.port = web.port

    promise.batch(mixed())

    promise.kept()


def test_postgresql_is_restarted_in_the_middle(promise: Promise, database: Server) -> None:
    promise.site.start_worker()
    with promise.site.stopped_at("process.claimed") as stopped:
        promise.batch(mixed(8))
        stopped()
        database.end()
        refused = promise.client.send(single(slice_of_ct()))
        read = promise.client.ask("GET", "/stats")
        database.start()

    for answer in (refused, read):
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["code"] == "database-unavailable"
    promise.upload(slice_of_ct())
    promise.kept()


@pytest.mark.long
def test_postgresql_dies_without_a_word(promise: Promise, database: Server) -> None:
    promise.site.start_worker()
    promise.batch(mixed(12))

    database.end(signal.SIGQUIT)
    database.start()

    promise.kept(orphans=2)


@pytest.mark.long
@pytest.mark.parametrize("step", ["receive.written", "intake.written", "complete.written"])
def test_postgresql_is_restarted_just_before_a_commit(
    promise: Promise, database: Server, step: str
) -> None:
    promise.site.start_worker()
    alone = step == "receive.written"
    with ThreadPoolExecutor(1) as threads:
        with promise.site.stopped_at(step) as stopped:
            sent = threads.submit(send_alone if alone else send_batch, promise)
            stopped()
            database.end()
            database.start()
        sent.result()

    promise.kept(orphans=6)


def send_alone(promise: Promise) -> None:
    promise.upload(slice_of_ct())


def send_batch(promise: Promise) -> None:
    promise.batch(mixed())


@pytest.mark.long
def test_postgresql_is_paused_longer_than_a_lease(promise: Promise, database: Server) -> None:
    promise.site.start_worker()
    promise.batch(mixed(12))
    shapes.pause(database)
    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(promise.upload, large())
        paused = time.monotonic()
        until(lambda: time.monotonic() - paused > 6)
        shapes.resume(database)
        waits.result()

    promise.kept()
