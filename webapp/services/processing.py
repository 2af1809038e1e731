"""One file through the pipeline, whoever asks: a request or a worker.

Recognise, convert, de-identify, verify, diagnose. Nothing here knows of rows;
what comes out is a :class:`Product` whose bytes the caller seals and records.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from webapp.errors import Rejected
from webapp.pipeline.convert import Limits, as_photograph, needs_decoding
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
LARGE = 32 * MEGABYTE
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
    """A finished instance, not yet sealed.

    ``notes`` are the codes of what conversion could not carry as it was.
    """

    deidentified: Deidentified
    input_format: str
    diagnosis: Diagnosis | None
    survivors: tuple[str, ...]
    notes: tuple[str, ...]
    milliseconds: int = 0

    @property
    def output(self) -> PartsSource:
        return self.deidentified.output

    @property
    def held(self) -> bool:
        """Whether a person must look before anybody gets it."""
        return bool(self.survivors)


@contextmanager
def turn(source: Source) -> Iterator[Callable[[Product], None]]:
    """Wait, with a picture that has to be decoded, until few others are at work.

    What a decoder gives may be half a gigabyte and is held until it is sealed; a small
    product handed to what this gives ends the turn before.

    Raises:
        EmptyFile, Unrecognised: it is nothing that can be worked on.
    """
    with ExitStack() as held:
        if _is_decoded(source):
            held.enter_context(context().pictures)

        def made(product: Product) -> None:
            if product.output.size < LARGE:
                held.close()

        yield made


def _is_decoded(source: Source) -> bool:
    kind = recognise(bytes(source.read(0, HEAD_LENGTH)))
    if kind is Kind.JPEG and source.size < LARGE:
        return needs_decoding(source.read(0, source.size), kind)
    return not kind.is_dicom


def produce(source: Source, order: Order) -> Product:
    """Make the de-identified instance of a received file.

    Raises:
        Rejected: the file's own fault, of the kind that says why.
    """
    services, began = context(), time.monotonic()
    kind = recognise(bytes(source.read(0, HEAD_LENGTH)))
    dicom, notes = source, tuple[str, ...]()
    if not kind.is_dicom:
        dicom, notes = _converted(services, source, kind, order.study_group)
    deidentified = deidentify(dicom, order.profile, order.pseudonyms)
    survivors = verify(deidentified)
    return Product(
        deidentified=deidentified,
        input_format=kind.value,
        diagnosis=_diagnosed(services, deidentified),
        survivors=survivors,
        notes=notes,
        milliseconds=round(1000 * (time.monotonic() - began)),
    )


def _converted(
    services: ServiceContext, source: Source, kind: Kind, group: bytes | None
) -> tuple[Source, tuple[str, ...]]:
    limit = services.settings.max_image_mb
    if source.size > limit * MEGABYTE:
        raise FileTooLarge(limit=limit)
    content = bytes(source.read(0, source.size))
    group = group or hashlib.sha256(content).digest()
    limits = Limits(max_pixels=services.settings.max_image_pixels)
    converted = services.sandbox.convert(content, kind, group, limits)
    if services.settings.colour_pictures == "vl-photographic":
        return PartsSource(BytesSource(b""), as_photograph(converted.content)), converted.notes
    return BytesSource(converted.content), converted.notes


def _diagnosed(services: ServiceContext, deidentified: Deidentified) -> Diagnosis | None:
    if not deidentified.instance.has_pixels:
        return None
    try:
        return services.model.diagnose(_picture(deidentified))
    except Rejected:
        return None  # its pixels are stored as they came, but no frame can be taken out of them


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
