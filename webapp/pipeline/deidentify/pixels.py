"""Pixel Data: native values are carried as they are, encapsulated frames are cleaned."""

from __future__ import annotations

from webapp.pipeline.deidentify.elements import (
    IMPLICIT_HEADER,
    ITEM,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
)
from webapp.pipeline.deidentify.frames import Fragments, pieces
from webapp.pipeline.deidentify.part10 import EXPLICIT_LITTLE_ENDIAN, UNCOMPRESSED
from webapp.pipeline.deidentify.rules import Rule
from webapp.pipeline.deidentify.sequences import Sequences
from webapp.pipeline.deidentify.walker import Element
from webapp.pipeline.errors import DicomDamaged, UnsupportedTransferSyntax
from webapp.pipeline.source import Span

COPIED_BELOW = 1 << 12
"""Bytes below which a piece of a frame is copied rather than carried as a span."""

MOST_FRAGMENTS = 1 << 19
"""Fragments of one Pixel Data; more than half a million is an attack."""


class Pixels(Sequences):
    """A walker that also knows Pixel Data (7FE0,0010) and its float relatives."""

    transfer_syntax_uid = ""

    def do_pixels(self, rule: Rule, element: Element) -> None:
        if element.place.parent is None and self.transfer_syntax_uid not in UNCOMPRESSED:
            self.transfer_syntax_uid = EXPLICIT_LITTLE_ENDIAN
        self.flush(element.value)
        self.found_pixels(element, self.out.length, element.stop - element.value)
        self.out.add_span(element.value, element.stop - element.value)
        self.run = element.stop

    def found_pixels(self, element: Element, offset: int, length: int) -> None:
        if element.place.parent is None:
            self.found.pixels = (offset, length)
            self.found.native = element.stop - element.value != UNDEFINED

    def pixels(self, element: Element, end: int) -> int:
        if element.stop - element.value != UNDEFINED:
            if element.stop > end:
                raise DicomDamaged()
            self.do_pixels(self.plan.rules()[element.tag], element)
            return element.stop
        if element.tag != PIXEL_DATA:
            raise DicomDamaged()
        return self.encapsulated(element, end)

    def encapsulated(self, element: Element, end: int) -> int:
        """Go through the fragments, write them cleaned; the position after the delimiter.

        Raises DicomDamaged when the delimiter is missing or a fragment overruns.
        """
        if self.transfer_syntax_uid in UNCOMPRESSED:
            raise UnsupportedTransferSyntax()
        spans, stop = self.fragments(element.value, end)
        if not spans:
            raise DicomDamaged()
        self.flush(spans[0].offset)
        begin = self.out.length - (spans[0].offset - element.value)
        self.carry(spans[0])
        fragments = Fragments(self.window.source, spans[1:])
        blanked = False
        for cut in pieces(fragments, self.transfer_syntax_uid):
            self.run = self.run if not cut else self.fragment(cut)
            blanked = blanked or any(blank for _, blank in cut)
        self.flush(stop - 8)
        self.found_pixels(element, begin, self.out.length - begin)
        if blanked:
            self.tally.note("frame-metadata-removed")
        return stop

    def fragments(self, pos: int, end: int) -> tuple[list[Span], int]:
        """The items' values, the Basic Offset Table first, and the position after the delimiter.

        Empty fragments, which some writers append, are left in the run between the others.
        """
        spans: list[Span] = []
        while True:
            if pos + 8 > end:
                raise DicomDamaged()
            group, number, length = IMPLICIT_HEADER.unpack(self.window.source.read(pos, 8))
            pos += 8
            if group << 16 | number == SEQUENCE_END:
                return spans, pos
            if group << 16 | number != ITEM or pos + length > end:
                raise DicomDamaged()
            if length or not spans:
                spans.append(Span(pos, length))
            if len(spans) > MOST_FRAGMENTS:
                raise DicomDamaged()
            pos += length

    def fragment(self, cut: list[tuple[Span, bool]]) -> int:
        """Write one fragment: what is picture as it is, the rest as zeros."""
        self.flush(cut[0][0].offset)
        for span, blank in cut:
            if blank:
                self.out.content += bytes(span.length)
            else:
                self.carry(span)
        return cut[-1][0].offset + cut[-1][0].length

    def carry(self, span: Span) -> None:
        if span.length < COPIED_BELOW:
            self.out.content += self.window.source.read(span.offset, span.length)
        else:
            self.out.add_span(span.offset, span.length)
        self.run = span.offset + span.length
