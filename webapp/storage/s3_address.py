"""Where an S3-compatible bucket is: the setting ``STORAGE_URL``, read once.

    s3://bucket/prefix?endpoint_url=https://s3.example&region=eu-central-1

Credentials never stand in it: they come from ``AWS_ACCESS_KEY_ID`` and the
other variables and files that every S3 client knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

Addressing = Literal["auto", "path", "virtual"]

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9._/-]{0,256}")
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_OPTIONS = {"endpoint_url", "region", "addressing"}


@dataclass(frozen=True, slots=True)
class S3Address:
    """``prefix`` is empty or ends with a slash; without ``endpoint_url`` it is Amazon's own."""

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    addressing: Addressing = "auto"


def parse_storage_url(url: str) -> S3Address:
    """Read a ``STORAGE_URL``.

    Raises:
        ValueError: with a sentence that repeats nothing of the value.
    """
    parts = urlsplit(url)
    if parts.scheme != "s3":
        raise ValueError("must be an s3:// URL")
    if "@" in parts.netloc:
        raise ValueError("must hold no credentials: they come from AWS_ACCESS_KEY_ID and the like")
    if not _BUCKET.fullmatch(parts.netloc):
        raise ValueError("must name a bucket: s3://bucket/prefix")
    prefix = parts.path.strip("/")
    if not _PREFIX.fullmatch(prefix) or "//" in prefix:
        raise ValueError("must have a prefix of letters, digits and . _ / - only")
    options = _options(parts.query)
    endpoint = _endpoint(options.get("endpoint_url"))
    return S3Address(
        bucket=parts.netloc,
        prefix=f"{prefix}/" if prefix else "",
        endpoint_url=endpoint,
        region=_region(options.get("region")),
        addressing=_addressing(options.get("addressing") or ("path" if endpoint else "auto")),
    )


def _options(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if not options.keys() <= _OPTIONS or len(options) != len(pairs):
        raise ValueError(f"takes each of these options once: {', '.join(sorted(_OPTIONS))}")
    return options


def _endpoint(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must have an http:// or https:// endpoint_url without credentials")
    return url.rstrip("/")


def _region(name: str | None) -> str | None:
    if name is not None and not _REGION.fullmatch(name):
        raise ValueError("must have a region such as eu-central-1")
    return name


def _addressing(style: str) -> Addressing:
    match style:
        case "auto" | "path" | "virtual":
            return style
        case _:
            raise ValueError("must have the addressing auto, path or virtual")
