"""Clients that vanish in the middle of a body, dawdle, or send the same thing at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.client import Answer, Client, Request, form_batch, json_batch, single
from tests.faults.files import Sample, large, mixed, photograph, slice_of_ct
from tests.faults.promise import Promise
from tests.faults.shapes import Shape
from tests.faults.site import until

long = pytest.mark.long
SHAPES = ["embedded", pytest.param("scaled-out", marks=long)]
pytestmark = [
    pytest.mark.faults,
    pytest.mark.parametrize("shape", SHAPES, indirect=True, scope="module"),
]
AT_ONCE = 6


def raw() -> Request:
    return single(large())


def small() -> Request:
    return single(slice_of_ct())


def json() -> Request:
    return json_batch([large(), slice_of_ct()])


def form() -> Request:
    return form_batch([slice_of_ct(), large()])


BODIES: list[object] = [raw, form, *(pytest.param(body, marks=long) for body in (small, json))]


@pytest.fixture(scope="module")
def client(shape: Shape) -> Iterator[Client]:
    yield shape.site.start_web()
    shape.site.end()


@pytest.fixture
def promise(shape: Shape, client: Client) -> Iterator[Promise]:
    yield shape.promise(client)
    shape.site.end(spared=1)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("chunked", [False, pytest.param(True, marks=long)])
def test_a_client_vanishes_in_the_middle_of_its_body(
    promise: Promise, body: Callable[[], Request], chunked: bool
) -> None:
    request = body()
    before = promise.stored()

    for part in (2, 3):
        sent = len(request.body) * part // 4
        with promise.client.begin(request, sent, chunked=chunked):
            until(lambda: body is small or promise.stored() != before, 10, "a spool")

    until(lambda: promise.stored() == before, 20, "the end of what was half sent")
    assert not promise.rows()
    promise.kept()


@pytest.mark.long
def test_a_client_that_stalls_is_cut_off_and_leaves_nothing(promise: Promise) -> None:
    before = promise.stored()
    request = raw()

    with promise.client.begin(request, 100_000) as stalled:
        until(lambda: promise.stored() != before, 10, "the beginning of a spool")
        promise.upload(slice_of_ct())
        answer = stalled.recv(1 << 16)

    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert b"body-incomplete" in answer
    promise.kept()


@pytest.mark.long
def test_a_slow_client_is_waited_for_and_keeps_nobody_waiting(promise: Promise) -> None:
    sample = large()
    request = single(sample)
    step = len(request.body) // 8

    with promise.client.begin(request, step) as slow:
        for start in range(step, len(request.body), step):
            slow.sendall(request.body[start : start + step])
            began = time.monotonic()
            until(lambda began=began: time.monotonic() - began > 0.5)
            promise.upload(photograph())
        answer = slow.recv(1 << 16)

    head, _, content = answer.partition(b"\r\n\r\n")
    assert b" 201 " in head.partition(b"\r\n")[0]
    promise.accepted_upload(sample, Answer(201, {}, content))
    promise.kept()


@pytest.mark.long
@pytest.mark.parametrize("make", [slice_of_ct, large])
def test_the_same_file_sent_by_many_at_once_is_one_upload(
    promise: Promise, make: Callable[[], Sample]
) -> None:
    sample = make()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(promise.upload, [sample] * AT_ONCE))

    assert sum(answer.status == 201 for answer in answers) == 1
    assert len({answer.json()["upload_id"] for answer in answers}) == 1
    promise.kept()


def test_the_same_batch_sent_by_many_at_once_is_stored_once(promise: Promise) -> None:
    samples = mixed(4)[:-1]
    promise.site.start_worker()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(promise.batch, [samples] * AT_ONCE))

    assert len(promise.batches) == AT_ONCE
    promise.kept()


@pytest.mark.long
def test_one_idempotency_key_sent_by_many_at_once_is_one_batch(promise: Promise) -> None:
    samples = mixed(4)
    request = json_batch(samples, **{"Idempotency-Key": "once"})
    promise.site.start_worker()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(lambda _: promise.batch(samples, request), range(AT_ONCE)))

    assert len(promise.batches) == 1
    promise.kept()
