"""What STORAGE_URL may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import installation
from webapp.config import SettingsError, load_settings, masked
from webapp.storage.s3_address import S3Address, parse_storage_url


def test_a_bucket_alone_is_amazons() -> None:
    assert parse_storage_url("s3://images") == S3Address("images")


def test_everything_that_may_be_said() -> None:
    url = "s3://images/eu/north/?endpoint_url=https://s3.example:9000/&region=eu-north-1"

    assert parse_storage_url(url) == S3Address(
        "images", "eu/north/", "https://s3.example:9000", "eu-north-1", "path"
    )
    assert parse_storage_url(url + "&addressing=virtual").addressing == "virtual"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "images",
        "https://images",
        "s3://",
        "s3://Im",
        "s3://KEY:SECRET@images",
        "s3://images/a b",
        "s3://images/a//b",
        "s3://images?region=",
        "s3://images?region=eu&region=us",
        "s3://images?secret=x",
        "s3://images?endpoint_url=ftp://x",
        "s3://images?endpoint_url=https://KEY:SECRET@x",
        "s3://images?addressing=sideways",
    ],
)
def test_anything_else_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="must|takes") as refused:
        parse_storage_url(url)

    assert "SECRET" not in str(refused.value)


def test_a_malformed_setting_stops_the_start_by_its_name() -> None:
    with pytest.raises(SettingsError, match="^STORAGE_URL: .*no credentials") as refused:
        load_settings(_env_file=None, storage_url="s3://KEY:SECRET@images")

    assert "SECRET" not in str(refused.value)


def test_the_settings_in_force_show_where_the_blobs_are(tmp_path: Path) -> None:
    url = "s3://images?region=eu-north-1"

    assert masked(installation.settings(tmp_path, storage_url=url))["STORAGE_URL"] == url
