"""Does it stay fast as it grows? ``python -m bench.growth`` or see ``--help``.

Two programs on one private PostgreSQL, one with a thousand uploads of a thousand users and
one with a million, each asked for the same pages in turns, so that a noisy machine is noisy
for both. What counts is the ratio of the medians: at most 1.5.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from bench.end_to_end.servers import ours
from bench.growth.rows import A_BATCH, CLINICIAN, Filling, fill
from bench.growth.visits import Visitor
from tests import installation, servers
from tests import secrets_of_tests as secrets
from webapp.services.records import encode_cursor
from webapp.services.setup import set_up

PAGE = 48
"""Pictures on a page of the gallery."""

FAR = 500
"""The page that somebody reaches who goes on and on."""

Visit = Callable[[], float]


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        postgres = servers.start_postgres()
        stack.callback(postgres.stop)
        redis = servers.start_redis()
        stack.callback(redis.stop)
        sizes = (options.few, options.many)
        filled = [_filled(Path(name), postgres.port, uploads) for uploads in sizes]
        few, many = (
            stack.enter_context(_served(Path(name), redis.port, number, *each))
            for number, each in enumerate(filled)
        )
        print(f"{options.few:,} and {options.many:,} uploads, median of {options.rounds}")
        print("| asked for | few, ms | many, ms | ratio |")
        print("| --- | --- | --- | --- |")
        for what in few:
            times = [(few[what](), many[what]()) for _ in range(options.rounds)]
            less, more = (statistics.median(each) for each in zip(*times, strict=True))
            print(f"| {what} | {less:.1f} | {more:.1f} | {more / less:.2f} |", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40)
    return parser.parse_args()


def _filled(folder: Path, postgres: int, uploads: int) -> tuple[str, Filling]:
    """The address of a database that holds so many uploads, and what it holds."""
    database = f"with_{uploads}"
    with psycopg.connect(servers.postgres_url(postgres, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}")
    url = servers.postgres_url(postgres, database)
    app = installation.app(installation.settings(folder / f"fill-{uploads}", database_url=url))
    with app.app_context():
        set_up()
        filling = fill(url, uploads)
    installation.close(app)
    return url, filling


@contextmanager
def _served(
    folder: Path, redis: int, number: int, url: str, filling: Filling
) -> Iterator[dict[str, Visit]]:
    """A program on that database, and how each page of it is visited."""
    settings = {
        "DATABASE_URL": url,
        "REDIS_URL": f"redis://127.0.0.1:{redis}/{number}",
        "MASTER_KEYS": secrets.MASTER_KEYS,
        "RATE_LIMITS": "off",
        "WEB_WORKERS": 1,
    }
    with ours(folder / f"run-{number}", settings) as target:
        yield _visits(target.port, filling)


def _visits(port: int, filling: Filling) -> dict[str, Visit]:
    clinician = Visitor(port).logged_in(CLINICIAN, secrets.ADMIN_PASSWORD)
    administrator = Visitor(port).logged_in(secrets.ADMIN_EMAIL, secrets.ADMIN_PASSWORD)
    frontend = Visitor(port, secrets.bearer())
    theirs = [n for n in range(filling.count) if filling.owner(n) == filling.clinician]
    at = theirs[max(len(theirs) - FAR * PAGE, 2 * PAGE)]  # with a full page behind it
    far = encode_cursor(filling.moment(at), filling.ids[at])
    batch, upload = filling.batches[1], filling.ids[A_BATCH]
    paths = {
        "gallery, first page": (clinician, "/gallery"),
        f"gallery, page {FAR}": (clinician, f"/gallery?cursor={far}"),
        "gallery, by state": (clinician, "/gallery?status=completed"),
        "search by UID": (clinician, f"/gallery?q=2.25.{at}"),
        "an upload": (frontend, f"/upload/{upload}/details"),
        "/user/7/uploads": (frontend, "/user/7/uploads"),
        "/user/7/batches": (frontend, "/user/7/batches"),
        "batch status": (frontend, f"/upload/batch/{batch}/status"),
        "batch files": (frontend, f"/upload/batch/{batch}/files"),
        "/stats": (frontend, "/stats"),
        "administration, by day": (administrator, "/admin?by=day"),
        "administration, by month": (administrator, "/admin?by=month"),
        "review": (administrator, "/review"),
        "audit": (administrator, "/admin/audit"),
    }
    return {what: visitor.visit(path) for what, (visitor, path) in paths.items()}


if __name__ == "__main__":
    main()
