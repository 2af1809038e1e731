"""Every setting once, typed, read from the environment or ``.env``.

A malformed value stops the start with a sentence that names the variable and
never repeats the value: it may be a secret.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from webapp.pipeline.deidentify import parse_profile
from webapp.storage.keys import parse_keys
from webapp.storage.s3_address import parse_storage_url

MEGABYTE = 1 << 20


class SettingsError(Exception):
    """A setting is malformed or missing; the text is a sentence for the operator."""


def _known_profile(name: str) -> str:
    parse_profile(name)
    return name


def _visible(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not all("!" <= character <= "~" for character in text):
        raise ValueError("must be visible ASCII characters")
    return secret


Whole = Annotated[int, Field(ge=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
Switch = Literal["on", "off"]


class Settings(BaseSettings):
    """What is in force; immutable once read."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: str | None = Field(None, description="SQLAlchemy URL of PostgreSQL; else SQLite")
    postgres_db: str | None = Field(None, description="database name, instead of DATABASE_URL")
    postgres_user: str | None = Field(None, description="with POSTGRES_DB")
    postgres_password: SecretStr | None = Field(None, description="with POSTGRES_DB")
    postgres_host: str = Field("127.0.0.1", description="with POSTGRES_DB")
    postgres_port: Port = Field(5432, description="with POSTGRES_DB")
    redis_url: str | None = Field(None, description="Redis for the queue; else Huey's SQLite file")
    state_dir: Path = Field(Path("instance"), description="SQLite files, key file, session secret")
    upload_dir: Path = Field(Path("uploads"), description="sealed files; nothing else lies there")
    storage_url: str | None = Field(
        None, description="S3-compatible bucket instead of UPLOAD_DIR: `s3://bucket/prefix?...`"
    )
    log_dir: Path = Field(Path("logs"), description="folder of dicom_service.log")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "INFO", description="least level that is logged"
    )
    log_format: Literal["text", "json"] = Field("text", description="form of a log line")
    master_keys: SecretStr | None = Field(None, description="`id:base64,id:base64`, newest last")
    master_key_file: Path | None = Field(None, description="file of master keys, newest last")
    secret_key: SecretStr | None = Field(None, description="signs session cookies")
    host: str = Field("127.0.0.1", description="address to serve on")
    port: Port = Field(8000, description="port to serve on")
    web_workers: Whole = Field(2, description="web processes")
    task_workers: Whole = Field(2, description="worker processes")
    max_upload_mb: Whole = Field(2048, description="megabytes of one file")
    max_image_mb: Whole = Field(256, description="megabytes of one image file that is not DICOM")
    max_image_pixels: Whole = Field(100_000_000, description="pixels of one image, all frames")
    max_batch_mb: Whole = Field(8192, description="megabytes of one batch")
    max_batch_files: Whole = Field(10_000, description="files of one batch")
    max_zip_ratio: Whole = Field(200, description="most that a ZIP entry may expand")
    deid_profile: Annotated[str, AfterValidator(_known_profile)] = Field(
        "basic", description="`basic`, with options behind plus signs"
    )
    colour_pictures: Literal["secondary-capture", "vl-photographic"] = Field(
        "secondary-capture", description="the SOP Class of a single colour picture of 8 bits"
    )
    text_policy: Literal["hold", "mask", "release"] = Field(
        "hold", description="what happens to a picture with text found in it"
    )
    scan_pixels: Literal["risky", "all", "off"] = Field(
        "risky", description="which pictures are examined for text"
    )
    rate_limits: Switch = Field("on", description="limits on log-in and failed authentication")
    rate_limit_per_key: str | None = Field(
        None, description="such as `600/minute`; none by default"
    )
    trusted_proxies: int = Field(0, ge=0, le=10, description="reverse proxies in front")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="origins that may call from a browser, separated by commas"
    )
    fallback_processing: bool = Field(
        False, description="process in the web when the queue is away"
    )
    keep_failed_days: Whole = Field(7, description="days a failed original is kept for a retry")
    audit_anchor: Path | None = Field(
        None, description="file for heads of the audit chain; else `audit.anchor` in STATE_DIR"
    )
    metrics_token: Annotated[SecretStr, AfterValidator(_visible)] | None = Field(
        None, min_length=16, description="Bearer token of `/metrics`, which is off without it"
    )
    diagnosis_model: str = Field(
        "webapp.pipeline.diagnosis:MockModel", description="`module:Class` of the diagnosis model"
    )
    admin_email: str | None = Field(
        None,
        pattern=r"^[^@\s]+@[^@\s]+$",
        max_length=254,
        description="first administrator, first start only",
    )
    admin_password: SecretStr | None = Field(None, description="the administrator's password")
    bootstrap_api_key: Annotated[SecretStr, AfterValidator(_visible)] | None = Field(
        None, min_length=32, description="first API key, first start only; 32 or more characters"
    )
    embedded: bool = Field(False, description="set by `make run`: setup may make the keys")

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(origin.strip().rstrip("/") for origin in value.split(",") if origin.strip())

    @field_validator("cors_origins")
    @classmethod
    def _no_star(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if not all(origin.startswith(("http://", "https://")) for origin in origins):
            raise ValueError("must be origins such as https://app.example, and never *")
        return origins

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            backend = make_url(value).get_backend_name()
        except ArgumentError:
            backend = ""
        if backend not in ("postgresql", "postgres", "sqlite"):
            raise ValueError("must be a postgresql:// or sqlite:// URL")
        return value

    @field_validator("storage_url")
    @classmethod
    def _storage(cls, value: str | None) -> str | None:
        if value is not None:
            parse_storage_url(value)
        return value

    @field_validator("master_keys")
    @classmethod
    def _keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_keys(value.get_secret_value())
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must be a redis:// URL")
        return value

    @field_validator("rate_limit_per_key")
    @classmethod
    def _rate(cls, value: str | None) -> str | None:
        from limits import parse

        if value is not None:
            parse(value)
        return value

    @property
    def sqlalchemy_url(self) -> URL:
        """Where the database is; psycopg 3 is the only PostgreSQL driver."""
        if self.database_url:
            url = make_url(self.database_url)
            return (
                url
                if url.get_backend_name() == "sqlite"
                else url.set(drivername="postgresql+psycopg")
            )
        if self.postgres_db:
            password = self.postgres_password.get_secret_value() if self.postgres_password else None
            return URL.create(
                "postgresql+psycopg",
                self.postgres_user,
                password,
                self.postgres_host,
                self.postgres_port,
                self.postgres_db,
            )
        return URL.create("sqlite", database=str(self.state_dir.absolute() / "service.db"))

    @property
    def key_file(self) -> Path:
        """The file of master keys, where ``MASTER_KEYS`` does not hold them."""
        return self.master_key_file or self.state_dir / "master.keys"

    @property
    def audit_anchor_file(self) -> Path:
        """Where the sealer of the audit notes how long its chain is."""
        return self.audit_anchor or self.state_dir / "audit.anchor"

    @property
    def secret_file(self) -> Path:
        """Where ``setup`` keeps the session secret it made."""
        return self.state_dir / "session.secret"

    @property
    def sqlite_lock(self) -> str | None:
        """The side file that SQLite's writers take turns on; none for a database in memory."""
        database = self.sqlalchemy_url.database
        return f"{database}.lock" if database and database != ":memory:" else None

    def secret_for_cookies(self) -> str | None:
        """:meth:`session_secret`; none where ``setup`` is still to make it."""
        if self.embedded and not self.secret_key and not self.secret_file.exists():
            return None
        return self.session_secret()

    def session_secret(self) -> str:
        """The secret that signs cookies.

        Raises:
            SettingsError: there is none; only ``make run`` makes one.
        """
        if self.secret_key:
            return self.secret_key.get_secret_value()
        if self.secret_file.exists():
            return self.secret_file.read_text().strip()
        raise SettingsError("SECRET_KEY is not set, and only `make run` makes one by itself.")

    def require_master_keys(self) -> None:
        """Refuse to start where no master key can be had.

        Raises:
            SettingsError: neither variable is set and no key file exists, or it is malformed.
        """
        if self.master_keys:
            return
        if not self.key_file.exists():
            raise SettingsError(
                "MASTER_KEYS or MASTER_KEY_FILE must name the master keys;"
                " only `make run` makes them by itself."
            )
        try:
            parse_keys(self.key_file.read_text("ascii", errors="replace"))
        except ValueError as error:
            raise SettingsError(f"MASTER_KEY_FILE: {error}") from None


def load_settings(**overrides: Any) -> Settings:
    """The settings in force.

    Raises:
        SettingsError: a value is malformed; the sentence names the variable.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        faults = (f"{'_'.join(map(str, f['loc'][:1])).upper()}: {f['msg']}" for f in error.errors())
        raise SettingsError("; ".join(faults)) from None


def masked(settings: Settings) -> dict[str, str]:
    """Each setting by its variable, secrets hidden, for ``flask config``."""
    shown = {name.upper(): getattr(settings, name) for name in Settings.model_fields}
    return {name: _mask(name, value) for name, value in shown.items()}


def _mask(name: str, value: object) -> str:
    if isinstance(value, SecretStr):
        return "********"
    if value is None or value == ():
        return "-"
    if name in ("DATABASE_URL",):
        return make_url(str(value)).render_as_string(hide_password=True)
    if name == "REDIS_URL":
        scheme, _, rest = str(value).partition("://")
        return f"{scheme}://{'***@' if '@' in rest else ''}{rest.rpartition('@')[2]}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
