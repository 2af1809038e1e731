"""Numbers for Prometheus: what the web processes answered, and how the service stands.

Several web processes count into files of one folder, which gunicorn's master
makes and names in ``PROMETHEUS_MULTIPROC_DIR`` before they start; without it a
process counts for itself. prometheus_client chooses between the two when it is
first imported, so it is imported here alone, and only where metrics are on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from webapp.metrics_folder import FOLDER
from webapp.services.statistics import Statistics, statistics
from webapp.services.system import System, system
from webapp.storage.models import now

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram
    from prometheus_client.core import GaugeMetricFamily

BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
NONE = "-"


def init_app(app: Flask) -> None:
    """Count every answer of ``app``."""
    app.after_request(_count)


def _count(response: Response) -> Response:
    """By rule and never by path: paths hold ids, and there are too many of them."""
    rule = request.url_rule.rule if request.url_rule else NONE
    requests, seconds = _families()
    requests.labels(request.method if rule != NONE else NONE, rule, response.status_code).inc()
    if "began" in g:
        seconds.labels(rule).observe(time.monotonic() - g.began)
    return response


@cache
def _families() -> tuple[Counter, Histogram]:
    from prometheus_client import CollectorRegistry, Counter, Histogram

    registry = CollectorRegistry()
    requests = Counter(
        "intake_http_requests", "Answers given", ("method", "rule", "status"), registry=registry
    )
    seconds = Histogram(
        "intake_http_request_seconds", "Time to answer", ("rule",), buckets=BUCKETS,
        registry=registry,
    )  # fmt: skip
    return requests, seconds


def page() -> tuple[bytes, str]:
    """What Prometheus reads, and its media type."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    if os.environ.get(FOLDER):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        for family in _families():
            registry.register(family)
    registry.register(_Service())
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Service:
    """How the service stands, asked of the database when Prometheus asks."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        from prometheus_client.core import GaugeMetricFamily

        numbers, machines = statistics("day"), system()
        for name, words, value in [*_numbers(numbers), *_machines(machines)]:
            yield GaugeMetricFamily(f"intake_{name}", words, value=value)
        recent = GaugeMetricFamily(
            "intake_recent_uploads", "Received in the last 30 days and still there, by state",
            labels=("state",),
        )  # fmt: skip
        for state, amount in numbers.states.items():
            recent.add_metric((state,), amount.uploads)
        yield recent

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return ()


def _numbers(numbers: Statistics) -> Iterator[tuple[str, str, float]]:
    oldest = numbers.waiting.oldest_queued
    yield "uploads", "Uploads that are there", numbers.total.uploads
    yield "received_bytes", "Bytes that they came with", numbers.total.size
    yield "stored_bytes", "Sealed bytes in the storage", numbers.stored.size
    yield "users", "Users with an upload", numbers.users
    yield "queued", "Uploads that wait for a worker", numbers.waiting.queued
    yield "processing", "Uploads that are worked on", numbers.waiting.processing
    yield "held", "Uploads that wait for a reviewer", numbers.waiting.held
    age = (now() - oldest).total_seconds() if oldest else 0
    yield "oldest_queued_seconds", "Age of the oldest that waits", age
    for name, value in (("p50", numbers.p50), ("p95", numbers.p95)):
        if value is not None:
            yield f"processing_{name}_seconds", f"Processing time, {name}, of 30 days", value
    yield "audit_unlinked", "Audit events that are not linked yet", numbers.unlinked
    yield "leases_returned", "Leases of lost workers, of all time", numbers.leases_returned


def _machines(machines: System) -> Iterator[tuple[str, str, float]]:
    yield "workers_alive", "Worker processes that were heard of just now", machines.alive
    yield "queue_reachable", "Whether tasks can be handed over", int(machines.queue_reachable)
    yield "fallback_active", "Whether the web processes files", int(machines.fallback_active)
    if machines.room:
        yield "disk_free_bytes", "Room for sealed files", machines.room.free
    if machines.newest_key_since:
        age = (now() - machines.newest_key_since).total_seconds()
        yield "master_key_age_seconds", "Age of the newest master key", age
