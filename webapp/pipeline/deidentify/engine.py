"""De-identification of one instance: open, walk, write (PS3.15 Annex E)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256

from webapp.pipeline.deidentify import survey as first_look
from webapp.pipeline.deidentify.charsets import UTF_8, Charset
from webapp.pipeline.deidentify.dummies import code_item
from webapp.pipeline.deidentify.elements import encode
from webapp.pipeline.deidentify.finder import Finder
from webapp.pipeline.deidentify.identifiers import Identifiers
from webapp.pipeline.deidentify.normalise import Dataset, in_order, prepare
from webapp.pipeline.deidentify.part10 import write_part10
from webapp.pipeline.deidentify.pixels import Pixels
from webapp.pipeline.deidentify.profile import DeidentificationProfile, Option
from webapp.pipeline.deidentify.refusals import check_sop_class, check_whole
from webapp.pipeline.deidentify.report import Report
from webapp.pipeline.deidentify.rules import plan_for
from webapp.pipeline.deidentify.values import NEEDED, Subject
from webapp.pipeline.errors import DicomDamaged
from webapp.pipeline.instance import InstanceFacts
from webapp.pipeline.pseudonyms import Pseudonyms, normal_name, patient_key
from webapp.pipeline.source import CHUNK, Part, PartsSource, Source

ITEM_POINTER = b"\x40\x00\x73\xdb"
"""Referenced Content Item Identifier (0040,DB73): it counts the items on the way to another."""

METHOD = "DICOM PS3.15 2026d Annex E"
"""De-identification Method (0012,0063); the codes beside it say which options."""


@dataclass(frozen=True, slots=True)
class Deidentified:
    """What came of one instance.

    ``output`` is the complete Part 10 file, ``instance`` the facts of it. The
    ``identifiers`` are what :func:`webapp.pipeline.verify.verify` searches for;
    they are never logged or stored.
    """

    output: PartsSource
    instance: InstanceFacts
    report: Report
    identifiers: Identifiers = field(repr=False)
    profile: DeidentificationProfile


def deidentify(
    source: Source, profile: DeidentificationProfile, pseudonyms: Pseudonyms
) -> Deidentified:
    """The instance in ``source`` without what identifies a person, as ``profile`` says.

    Raises DicomDamaged for a file that is not whole, and UnsupportedSopClass,
    UnsupportedTransferSyntax or DicomDir for one that cannot be made safe.
    """
    try:
        return _deidentified(source, profile, pseudonyms)
    except struct.error:
        raise DicomDamaged() from None


def _deidentified(
    source: Source, profile: DeidentificationProfile, pseudonyms: Pseudonyms
) -> Deidentified:
    work = _Work(prepare(source), profile, pseudonyms)
    walker = work.walked()
    if walker.disordered:
        work = _in_order(work, walker)
        walker = work.walked()
    if walker.dropped_items and ITEM_POINTER in walker.out.content:
        work.keep_items = True
        walker = work.walked()
    identifiers = walker.identifiers
    needles, uids = identifiers.needles(), frozenset(identifiers.uids)
    finder = Finder(needles, uids)
    if profile.cleans or finder.occurs_in(walker.out.content):
        cleaner = Finder((*needles, *identifiers.place_needles()), uids)
        walker = work.walked(finder, cleaner)
    return _result(work.dataset, walker, profile)


def _in_order(work: _Work, walker: Pixels) -> _Work:
    """The same work on a data set in order; what stands behind the pixels may be no data set."""
    try:
        return _Work(in_order(work.dataset), work.profile, work.pseudonyms)
    except DicomDamaged:
        if not walker.behind_pixels:
            raise
        return work


class _Work:
    """One data set, and everything that is known before its first element is written."""

    keep_items = False

    def __init__(
        self, dataset: Dataset, profile: DeidentificationProfile, pseudonyms: Pseudonyms
    ) -> None:
        self.dataset = dataset
        self.profile = profile
        self.pseudonyms = pseudonyms
        self.known = first_look.survey(dataset.source, dataset.start, dataset.explicit)
        self.charset = Charset(self.known.get(first_look.CHARSET, b""))
        sop_class = self.known.get(first_look.SOP_CLASS, b"").decode("latin-1")
        check_sop_class(sop_class)
        self.plan = plan_for(profile, sop_class or dataset.opened.sop_class_uid)
        self.subject = self._subject()

    def walked(self, finder: Finder | None = None, cleaner: Finder | None = None) -> Pixels:
        """A walker that has walked: to see what identifies, or to take that out of texts."""
        dataset = self.dataset
        walker = Pixels(
            dataset.source,
            self.plan,
            self.pseudonyms,
            self.subject,
            self.charset,
            finder,
            cleaner,
        )
        walker.keep_items = self.keep_items
        walker.transfer_syntax_uid = dataset.transfer_syntax_uid
        walker.inserts = list(_inserts(self.profile, dataset.explicit))
        walker.start(dataset.start, dataset.explicit)
        return walker

    def _subject(self) -> Subject:
        known, decode = self.known, self.charset.decode
        name = decode(known.get(first_look.PATIENT_NAME, b""))
        key = patient_key(decode(known.get(first_look.PATIENT_ID, b"")), name)
        # No bound method: what refers to itself keeps a file in memory until it is swept.
        uid_for = partial(_uid_for, self.dataset.source, self.pseudonyms)
        return Subject(key or f"study:{self._study()}", normal_name(name), uid_for)

    def _study(self) -> str:
        """What the files of a patient without id and name have in common."""
        dataset = self.dataset
        known = first_look.survey(
            dataset.source, dataset.start, dataset.explicit, first_look.STUDY_INSTANCE
        )
        study = known.get(first_look.STUDY_INSTANCE, b"").decode("latin-1")
        return study or _digest(dataset.source)


def _uid_for(source: Source, pseudonyms: Pseudonyms, tag: int) -> str:
    return pseudonyms.uid(f"{tag}/{_digest(source)}")


def _digest(source: Source) -> str:
    """Something of this file alone, for UIDs that it should have had."""
    return f"{sha256(source.read(0, CHUNK)).hexdigest()}/{source.size}"


@lru_cache(maxsize=64)
def _inserts(profile: DeidentificationProfile, explicit: bool) -> tuple[tuple[int, bytes], ...]:
    """What an output says of what was done to it (PS3.15 E.1.1), and UIDs it needs, last first."""
    dates = "REMOVED"
    if Option.RETAIN_FULL_DATES in profile:
        dates = "UNMODIFIED"
    elif Option.RETAIN_MODIFIED_DATES in profile:
        dates = "MODIFIED"
    codes = b"".join(code_item(explicit, code, "DCM", text) for code, text in profile.codes)
    values = (
        (0x00080005, b"CS", UTF_8),
        (0x00120062, b"CS", b"YES"),
        (0x00120063, b"LO", METHOD.encode()),
        (0x00120064, b"SQ", codes),
        (0x00280303, b"CS", dates.encode()),
    )
    elements = [(tag, encode(tag, vr, value, explicit)) for tag, vr, value in values]
    return tuple(sorted([*elements, *((tag, b"") for tag in NEEDED)], reverse=True))


def _result(dataset: Dataset, walker: Pixels, profile: DeidentificationProfile) -> Deidentified:
    facts = walker.found.facts
    facts.setdefault("sop_class_uid", dataset.opened.sop_class_uid)
    head = write_part10(
        str(facts["sop_class_uid"]),
        str(facts.get("sop_instance_uid", "")),
        walker.transfer_syntax_uid,
    )
    pixels = walker.found.pixels
    instance = InstanceFacts(
        transfer_syntax_uid=walker.transfer_syntax_uid,
        has_pixels=pixels is not None,
        pixel_offset=pixels[0] + len(head) if pixels else None,
        pixel_length=pixels[1] if pixels else None,
        **facts,  # type: ignore[arg-type]
    )
    check_whole(instance)
    output = PartsSource(dataset.source, _parts(head, walker))
    report = walker.tally.report(profile.name)
    return Deidentified(output, instance, report, walker.identifiers, profile)


def _parts(head: bytes, walker: Pixels) -> list[Part]:
    """The output's pieces in order: our own bytes with the source's spans between them."""
    content, parts, at = memoryview(walker.out.content), [head], 0
    pieces: list[Part] = list(parts)
    for position, span in walker.out.spans:
        pieces += [content[at:position], span]
        at = position
    pieces.append(content[at:])
    return pieces
