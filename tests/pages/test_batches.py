"""The batch page: how far, file by file, and what to do."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.pages.visitor import Visitor, somebody
from tests.samples import ct, picture
from webapp.extensions import huey
from webapp.pages import batches

PART = {"HX-Request": "true", "Accept": "text/html"}
HOSTILE = "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E.dcm"


def part(visitor: Visitor, path: str) -> str:
    """What HTMX gets of a page."""
    return visitor.client.get(path, headers=PART).get_data(as_text=True)


def closed(visitor: Visitor, *files: tuple[str, bytes]) -> str:
    """A batch of these files; the path of its page."""
    batch = visitor.opened()
    for name, content in files:
        visitor.added(batch, content, name)
    visitor.script("POST", f"{batch}/close")
    return batch


def test_the_part_asks_for_itself_while_the_batch_runs_and_then_stops(app: Flask) -> None:
    anna = somebody(app)
    batch = anna.opened()
    anna.added(batch, picture())
    running = part(anna, batch)

    anna.script("POST", f"{batch}/close")

    assert 'hx-trigger="every 2s"' in running
    assert "hx-trigger" not in part(anna, batch)


def test_a_swap_gets_the_part_and_the_history_gets_the_whole_page(app: Flask) -> None:
    anna = somebody(app)
    batch = closed(anna, ("a.jpg", picture()))

    swap = anna.client.get(batch, headers=PART)
    restored = anna.client.get(batch, headers=PART | {"HX-History-Restore-Request": "true"})

    assert swap.get_data(as_text=True).lstrip().startswith('<div id="batch"')
    assert restored.get_data(as_text=True).startswith("<!doctype html>")
    assert {"HX-Request", "HX-History-Restore-Request"} <= set(swap.headers["Vary"].split(", "))


def test_the_progress_bar_has_a_name_and_a_value(app: Flask) -> None:
    anna = somebody(app)

    page = anna.page(closed(anna, ("a.jpg", picture())))

    assert '<progress max="100" value="100" aria-label="Files processed"' in page


def test_a_failed_file_says_why_and_what_to_do(app: Flask) -> None:
    anna = somebody(app)

    page = anna.page(closed(anna, ("a.dcm", ct()), ("b.jpg", picture()[:200])))

    assert "it cannot be decoded. Export it again" in page
    assert "Done, with failures" in page


def test_a_name_that_is_markup_stays_text(app: Flask) -> None:
    anna = somebody(app)

    page = anna.page(closed(anna, (HOSTILE, ct())))

    assert "&lt;img src=x onerror=alert(1)&gt;.dcm" in page
    assert "<img src=x" not in page


def test_a_long_batch_comes_in_pages_that_links_lead_through(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "FILES", 2)
    anna = somebody(app)
    batch = closed(anna, *((f"{number}.dcm", b"\0" * number) for number in (1, 2, 3)))

    first = anna.page(batch)
    second = anna.page(f"{batch}?cursor=p1")

    assert first.count('<tr id="entry-') == 2
    assert f"{batch}?cursor=p1" in first
    assert second.count('<tr id="entry-') == 1


def test_a_long_batch_names_what_failed_before_its_pages(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "FILES", 1)
    anna = somebody(app)

    page = anna.page(closed(anna, ("a.jpg", picture()), ("b.txt", b"no picture")))

    assert page.index("What failed") < page.index("b.txt") < page.index("batch-rows")


def test_what_is_queued_can_be_cancelled(app: Flask) -> None:
    anna = somebody(app)
    huey.immediate = False
    batch = closed(anna, ("a.jpg", picture()))

    anna.send(f"{batch}/cancel")

    assert "The file was cancelled before it was processed." in anna.page(batch)


def test_a_cancelled_file_can_be_tried_again(app: Flask) -> None:
    anna = somebody(app)
    huey.immediate = False
    batch = closed(anna, ("a.jpg", picture()))
    anna.send(f"{batch}/cancel")
    huey.immediate = True

    anna.send(f"{batch}/retry")

    assert "1 file will be tried again." in (page := anna.page(batch))
    assert "Completed" in page


def test_nothing_to_retry_is_said_in_words(app: Flask) -> None:
    anna = somebody(app)
    batch = closed(anna, ("a.jpg", picture()))

    anna.send(f"{batch}/retry")

    assert "Please send them again" in anna.page(batch)


def test_the_list_of_batches_counts_what_failed(app: Flask) -> None:
    anna = somebody(app)
    closed(anna, ("a.jpg", picture()), ("b.txt", b"no picture"))

    page = anna.page("/batches")

    assert "2 files · 1 failed" in page


def test_an_empty_list_of_batches_says_what_will_be_there(app: Flask) -> None:
    assert "No batch yet" in somebody(app).page("/batches")
