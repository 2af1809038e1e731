"""Uploads as a gallery shows them: a sheet for each examination, the rest by batch or day."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from webapp.pages.wording import MODALITIES, counted, day
from webapp.services.library import Extent
from webapp.services.records import UploadRecord


@dataclass
class Sheet:
    """Pictures that lie together under one heading.

    ``batch_id`` only where a batch is why, ``study`` only where one is. ``key`` is the same on
    each page that a sheet spans; of a study, ``before`` pictures stand on earlier pages.
    """

    title: str
    received: datetime
    key: str
    batch_id: UUID | None = None
    study: str | None = None
    extent: Extent | None = None
    uploads: list[UploadRecord] = field(default_factory=list)

    @property
    def modalities(self) -> str:
        return " ".join(sorted({each.modality for each in self.uploads if each.modality}))

    @property
    def before(self) -> int:
        return self.extent.before if self.extent else 0

    @property
    def total(self) -> int:
        return max(self.extent.total if self.extent else 0, len(self.uploads))

    @property
    def words(self) -> str:
        """Which of its pictures these are."""
        here = len(self.uploads)
        if here == self.total:
            return counted(here, "picture")
        first, last = self.before + 1, self.before + here
        reach = f"{first:,} to {last:,}" if here > 1 else f"{first:,}"
        return f"{reach} of {counted(self.total, 'picture')}"

    @property
    def up_to(self) -> str:
        """The same with all that stand before; empty where nobody counted them."""
        if not self.extent:
            return ""
        last = self.before + len(self.uploads)
        whole = counted(self.total, "picture")
        return whole if last >= self.total else f"1 to {last:,} of {whole}"


def sheets(
    uploads: Iterable[UploadRecord], extents: Mapping[str, Extent] | None = None
) -> list[Sheet]:
    """The uploads grouped, in the order in which each group first appears.

    A picture that is no DICOM file gets a study of its own unless it was sent with others as
    one examination; such single pictures lie by batch, or by day where there was none.

    Args:
        extents: how far each study reaches beyond these uploads; none where these are all.
    """
    uploads, extents = list(uploads), extents or {}
    sizes = Counter(upload.study_instance_uid for upload in uploads)
    found: dict[tuple[str, str], Sheet] = {}
    for upload in uploads:
        extent = extents.get(upload.study_instance_uid or "")
        key = _key(upload, extent.total if extent else sizes[upload.study_instance_uid])
        sheet = found.setdefault(key, _sheet(upload, key, extent))
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


def _sheet(upload: UploadRecord, key: tuple[str, str], extent: Extent | None) -> Sheet:
    kind, received, name = key[0], upload.created_at, "-".join(key)
    if kind == "study":
        modality = MODALITIES.get(upload.modality or "", upload.modality or "Examination")
        return Sheet(modality, received, name, study=upload.study_instance_uid, extent=extent)
    if kind == "batch":
        return Sheet("Single pictures of one batch", received, name, batch_id=upload.batch_id)
    return Sheet(f"Single pictures, {day(received)}", received, name)
