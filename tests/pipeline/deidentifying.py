"""Shortcuts for tests of de-identification: bytes in, bytes or a pydicom data set out."""

from __future__ import annotations

import io
from typing import Any

import pydicom

from tests.pipeline.encoding import File
from webapp.pipeline.deidentify import Deidentified, deidentify, parse_profile
from webapp.pipeline.pseudonyms import Pseudonyms
from webapp.pipeline.source import BytesSource, chunks

SECRET = bytes(range(32))
PSEUDONYMS = Pseudonyms(SECRET)


def done(content: bytes | File, profile: str = "basic", secret: bytes = SECRET) -> Deidentified:
    raw = content.encode() if isinstance(content, File) else content
    return deidentify(BytesSource(raw), parse_profile(profile), Pseudonyms(secret))


def written(deidentified: Deidentified) -> bytes:
    return b"".join(chunks(deidentified.output))


def output(content: bytes | File, profile: str = "basic") -> bytes:
    return written(done(content, profile))


def dataset(content: bytes | File, profile: str = "basic") -> Any:
    return pydicom.dcmread(io.BytesIO(output(content, profile)))
