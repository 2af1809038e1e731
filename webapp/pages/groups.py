"""Uploads as a gallery shows them: a sheet for each examination, the rest by batch or day."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from webapp.pages.wording import MODALITIES, day
from webapp.services.records import UploadRecord


@dataclass
class Sheet:
    """Pictures that lie together under one heading. ``batch_id`` only where a batch is why."""

    title: str
    received: datetime
    batch_id: UUID | None = None
    uploads: list[UploadRecord] = field(default_factory=list)

    @property
    def modalities(self) -> str:
        return " ".join(sorted({each.modality for each in self.uploads if each.modality}))


def sheets(uploads: Iterable[UploadRecord]) -> list[Sheet]:
    """The uploads grouped, in the order in which each group first appears.

    A picture that is no DICOM file gets a study of its own unless it was sent with others as
    one examination; such single pictures lie by batch, or by day where there was none.
    """
    uploads = list(uploads)
    sizes = Counter(upload.study_instance_uid for upload in uploads)
    found: dict[tuple[str, str], Sheet] = {}
    for upload in uploads:
        key = _key(upload, sizes[upload.study_instance_uid])
        sheet = found.setdefault(key, _sheet(upload, key[0]))
        sheet.uploads.append(upload)
    for sheet in found.values():
        sheet.uploads.sort(key=_by_name)
    return list(found.values())


def _by_name(upload: UploadRecord) -> list[tuple[int, str]]:
    """File names in the order people count: ``IM2`` before ``IM10``."""
    parts = re.split(r"([0-9]+)", upload.filename.casefold())
    # What was split at stands at every second place.
    return [(int(part), "") if place % 2 else (-1, part) for place, part in enumerate(parts)]


def _key(upload: UploadRecord, together: int) -> tuple[str, str]:
    study = upload.study_instance_uid
    from_dicom = (upload.input_format or "").startswith("dicom")
    if study and (from_dicom or together > 1):
        return "study", study
    if upload.batch_id:
        return "batch", str(upload.batch_id)
    return "day", f"{upload.created_at:%Y-%m-%d}"


def _sheet(upload: UploadRecord, kind: str) -> Sheet:
    if kind == "study":
        modality = MODALITIES.get(upload.modality or "", upload.modality or "Examination")
        return Sheet(modality, upload.created_at)
    if kind == "batch":
        return Sheet("Single pictures of one batch", upload.created_at, upload.batch_id)
    return Sheet(f"Single pictures, {day(upload.created_at)}", upload.created_at)
