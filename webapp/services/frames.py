"""Single frames as samples, for a viewer that windows them itself."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from contextlib import closing
from uuid import UUID

from webapp.pipeline.render import RawFrame
from webapp.services import release
from webapp.services.accounts import Caller
from webapp.services.audit import Action
from webapp.services.context import context

FORM = 1
"""Of the samples and their description; with another one, what browsers keep is out of date."""


def frame(
    caller: Caller, upload_id: UUID, number: int, known: Container[str]
) -> tuple[str, RawFrame | None]:
    """Its tag and the frame ``number`` (from 1), or None where the tag is ``known``: nothing is
    decoded then. Frames are not kept: the caller's browser keeps them.

    Raises:
        NotFound, NotReady, Held, Failed: as :func:`webapp.services.release.dicom`.
        NoPicture, NoSuchFrame, DecodeFailed, FrameTooLarge: as
            :func:`webapp.pipeline.render.raw_frame`.
    """
    instance = release.dicom(caller, upload_id, Action.UPLOAD_PICTURE)
    with closing(instance.source) as source:
        tag = _tag(instance.sha256, number)
        if tag in known:
            return tag, None
        return tag, context().sandbox.raw_frame(source, number)


def _tag(sha256: bytes, number: int) -> str:
    return hashlib.sha256(b"%b %d %d" % (sha256, number, FORM)).hexdigest()[:32]
