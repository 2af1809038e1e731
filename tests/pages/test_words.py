"""What pages say, and how: sizes, counts, advice, groups, charts."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from webapp.pages.advice import ADVICE, explain
from webapp.pages.charts import bars
from webapp.pages.deidentification import account
from webapp.pages.groups import sheets
from webapp.pages.wording import counted, megabytes, moment, size, uid_name
from webapp.pipeline import errors
from webapp.problems import PROBLEMS

BATCH = UUID(int=1)


def picture(
    study: str | None, form: str = "jpeg", batch: UUID | None = BATCH, name: str = "a"
) -> Any:
    return SimpleNamespace(
        filename=name,
        study_instance_uid=study,
        input_format=form,
        batch_id=batch,
        modality="CT",
        created_at=datetime(2026, 11, 24, 13, 5, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 bytes"), (1536, "1.5 KB"), (5 << 20, "5 MB"), (532 << 20, "532 MB"), (2 << 30, "2 GB")],
)
def test_sizes_are_said_in_the_largest_unit(count: int, said: str) -> None:
    assert size(count) == said


def test_limits_counts_times_and_uids_are_said_as_people_do() -> None:
    said = (
        megabytes(2048),
        megabytes(256),
        counted(1, "file"),
        counted(1200, "file"),
        moment(datetime(2026, 11, 4, 9, 5, tzinfo=UTC)),
        uid_name("1.2.840.10008.5.1.4.1.1.2"),
    )

    assert said == (
        "2 GB",
        "256 MB",
        "1 file",
        "1,200 files",
        "4 Nov 2026, 09:05 UTC",
        "CT Image Storage",
    )


OF_VIEWING = {"no-picture", "no-such-frame", "frame-too-large"}
"""What a stored instance answers when it cannot be shown; no file fails with these."""


def test_every_way_a_file_can_fail_has_its_reason_and_advice(app: Flask) -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.code for kind in kinds if kind.__module__ == errors.__name__}

    with app.app_context():
        silent = [code for code in codes if not explain("failed", code).reason]

    assert not silent
    assert codes - OF_VIEWING <= ADVICE.keys()


def test_advice_is_given_for_known_codes_alone() -> None:
    assert ADVICE.keys() <= PROBLEMS.keys()


def test_a_limit_is_named_with_its_number(app: Flask) -> None:
    with app.app_context():
        reason = explain("failed", "image-too-large").reason

    assert "100,000,000 pixels" in reason


def test_a_code_nobody_knows_is_still_explained(app: Flask) -> None:
    with app.app_context():
        assert explain("failed", "something-new").reason == "It could not be processed."


def test_single_pictures_lie_by_batch_and_examinations_by_study() -> None:
    pictures = [picture("1"), picture("2"), picture("3", "dicom"), picture("3", "dicom")]

    titles = [(sheet.title, len(sheet.uploads)) for sheet in sheets(pictures)]

    assert titles == [("Single pictures of one batch", 2), ("Computed tomography", 2)]


def test_pictures_sent_as_one_examination_lie_together() -> None:
    assert len(sheets([picture("1"), picture("2"), picture("1")])) == 2


def test_pictures_of_a_sheet_lie_in_the_order_people_count() -> None:
    names = ["IM10", "IM2", "im1"]

    (sheet,) = sheets([picture("1", "dicom", name=name) for name in names])

    assert [each.filename for each in sheet.uploads] == ["im1", "IM2", "IM10"]


def test_pictures_without_a_batch_lie_by_day() -> None:
    assert sheets([picture("1", batch=None)])[0].title == "Single pictures, 24 November 2026"


def test_the_largest_bar_fills_the_width_and_zero_has_none() -> None:
    chart = bars([("a", 5, "x"), ("b", 10, "x"), ("c", 0, "x")])

    assert [bar.share for bar in chart.bars] == [50.0, 100.0, 0.0]
    assert chart.total == 15


def test_a_report_is_summed_by_action() -> None:
    entry = {"attribute": "PatientID", "tag": "(0010,0020)", "action": "Z", "count": 2}

    found = account({"profile": "basic", "edition": "2026d", "actions": [entry, entry]})

    assert found is not None
    assert found.totals == (("Z", "emptied", 4),)
    assert account(None) is None
