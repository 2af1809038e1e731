"""One file through the pipeline, whoever asks: a request or a worker.

Recognise, convert, de-identify, verify, diagnose. Nothing here knows of rows;
what comes out is a :class:`Product` whose bytes the caller seals and records.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from webapp.pipeline.convert import Limits, convert, needs_decoding
from webapp.pipeline.deidentify import DeidentificationProfile, Deidentified, deidentify
from webapp.pipeline.diagnosis import Diagnosis, Picture
from webapp.pipeline.instance import InstanceFacts
from webapp.pipeline.pseudonyms import Pseudonyms
from webapp.pipeline.recognise import HEAD_LENGTH, Kind, recognise
from webapp.pipeline.render.frames import encapsulated_frame
from webapp.pipeline.render.header import read_header
from webapp.pipeline.source import Buffer, BytesSource, PartsSource, Source
from webapp.pipeline.verify import verify
from webapp.services.batch_errors import FileTooLarge
from webapp.services.context import ServiceContext, context

MEGABYTE = 1 << 20
LARGEST_FRAME = 64 * MEGABYTE
NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")


@dataclass(frozen=True)
class Order:
    """How a file is to be processed.

    ``study_group`` is the keyed digest of the study key that images share; none
    where a picture stands alone.
    """

    profile: DeidentificationProfile
    pseudonyms: Pseudonyms
    study_group: bytes | None = None


@dataclass(frozen=True)
class Product:
    """A finished instance, not yet sealed."""

    deidentified: Deidentified
    input_format: str
    diagnosis: Diagnosis | None
    survivors: tuple[str, ...]

    @property
    def output(self) -> PartsSource:
        return self.deidentified.output

    @property
    def held(self) -> bool:
        """Whether a person must look before anybody gets it."""
        return bool(self.survivors)


def produce(source: Source, order: Order) -> Product:
    """Make the de-identified instance of a received file.

    Raises:
        Rejected: the file's own fault, of the kind that says why.
    """
    services = context()
    kind = recognise(bytes(source.read(0, HEAD_LENGTH)))
    dicom = source if kind.is_dicom else _converted(services, source, kind, order.study_group)
    deidentified = deidentify(dicom, order.profile, order.pseudonyms)
    survivors = verify(deidentified)
    return Product(
        deidentified=deidentified,
        input_format=kind.value,
        diagnosis=_diagnosed(services, deidentified),
        survivors=survivors,
    )


def _converted(
    services: ServiceContext, source: Source, kind: Kind, group: bytes | None
) -> BytesSource:
    limit = services.settings.max_image_mb
    if source.size > limit * MEGABYTE:
        raise FileTooLarge(limit=limit)
    content = bytes(source.read(0, source.size))
    group = group or hashlib.sha256(content).digest()
    limits = Limits(max_pixels=services.settings.max_image_pixels)
    run = services.sandbox.convert if needs_decoding(content, kind) else convert
    return BytesSource(run(content, kind, group, limits).content)


def _diagnosed(services: ServiceContext, deidentified: Deidentified) -> Diagnosis | None:
    if not deidentified.instance.has_pixels:
        return None
    return services.model.diagnose(_picture(deidentified))


def _picture(deidentified: Deidentified) -> Picture:
    facts = deidentified.instance
    return Picture(
        pixels=_first_frame(deidentified.output, facts),
        rows=facts.rows or 0,
        columns=facts.columns or 0,
        photometric_interpretation=facts.photometric_interpretation or "",
        bits_stored=facts.bits_stored or 0,
        modality=facts.modality or "",
        transfer_syntax_uid=facts.transfer_syntax_uid,
    )


def _first_frame(output: PartsSource, facts: InstanceFacts) -> Buffer:
    """The first frame as it is stored; of one beyond 64 MB the beginning."""
    start, length = facts.pixel_offset or 0, facts.pixel_length or 0
    if facts.transfer_syntax_uid not in NATIVE:
        return encapsulated_frame(read_header(output), 0)
    bits = (facts.rows or 0) * (facts.columns or 0) * (facts.samples_per_pixel or 1)
    frame = -(-bits * (facts.bits_allocated or 8) // 8)
    return output.read(start, min(frame, length, LARGEST_FRAME))
