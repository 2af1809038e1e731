"""Settings are typed, validated at the start, and shown without their secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import installation, secrets_of_tests
from webapp import create_app
from webapp.config import Settings, SettingsError, load_settings, masked


def read(**values: Any) -> Settings:
    return load_settings(_env_file=None, **values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "http"),
        ("port", "70000"),
        ("web_workers", "0"),
        ("max_upload_mb", "-1"),
        ("log_level", "LOUD"),
        ("deid_profile", "basic+retain-everything"),
        ("text_policy", "ignore"),
        ("colour_pictures", "bright"),
        ("scan_pixels", "sometimes"),
        ("rate_limits", "maybe"),
        ("rate_limit_per_key", "often"),
        ("cors_origins", "*"),
        ("database_url", "mysql://host/db"),
        ("database_url", "nonsense"),
        ("redis_url", "http://host"),
        ("master_keys", "no-key-at-all"),
        ("admin_email", "nobody"),
        ("bootstrap_api_key", "short"),
        ("fallback_processing", "perhaps"),
    ],
)
def test_a_malformed_value_is_refused_with_a_sentence_that_names_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        read(**{name: value})

    assert name.upper() in str(refusal.value)


def test_a_refusal_never_repeats_a_secret() -> None:
    with pytest.raises(SettingsError) as refusal:
        read(bootstrap_api_key="hunter2", master_keys="id:aHVudGVyMg==")

    assert "hunter2" not in str(refusal.value)
    assert "aHVudGVyMg" not in str(refusal.value)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9001")
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example, https://b.example/")

    settings = read()

    assert settings.port == 9001
    assert settings.cors_origins == ("https://a.example", "https://b.example")


def test_settings_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=9002\nUNKNOWN=1\n")

    assert load_settings(_env_file=file).port == 9002


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")

    assert read().sqlalchemy_url.get_backend_name() == "sqlite"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_postgresql_is_spoken_to_by_psycopg_3(scheme: str) -> None:
    url = read(database_url=f"{scheme}://user:word@host/db").sqlalchemy_url

    assert url.drivername == "postgresql+psycopg"


def test_postgresql_may_be_named_in_parts() -> None:
    url = read(postgres_db="images", postgres_user="u", postgres_password="p@ss").sqlalchemy_url

    assert (url.host, url.database, url.password) == ("127.0.0.1", "images", "p@ss")


def test_secrets_are_masked_where_settings_are_shown() -> None:
    settings = read(
        database_url="postgresql://u:hunter2@host/db",
        redis_url="redis://:hunter2@host/0",
        secret_key="hunter2",
        master_keys=secrets_of_tests.MASTER_KEYS,
        admin_password="hunter2",
    )

    shown = "\n".join(masked(settings).values())

    assert "hunter2" not in shown
    assert secrets_of_tests.MASTER_KEYS not in shown
    assert "host" in shown


def test_production_refuses_to_start_without_its_keys(tmp_path: Path) -> None:
    settings = installation.settings(tmp_path, master_keys=None)

    with pytest.raises(SettingsError, match="MASTER_KEYS"):
        create_app(settings)


def test_production_refuses_to_start_without_its_secret(tmp_path: Path) -> None:
    settings = installation.settings(tmp_path, secret_key=None)

    with pytest.raises(SettingsError, match="SECRET_KEY"):
        create_app(settings)


def test_a_malformed_key_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("nonsense")

    with pytest.raises(SettingsError, match="MASTER_KEY_FILE"):
        create_app(installation.settings(tmp_path, master_keys=None, master_key_file=file))
