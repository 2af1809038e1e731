"""Encapsulated frames (PS3.5 A.4): which bytes of them are no picture and may hold text.

Comments, application segments, boxes of metadata and whatever follows the end
of an image are overwritten with zeros where they stand. No length changes, so
offset tables stay right, and the pixels decode to the same values.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from webapp.pipeline.deidentify import jpeg, jpeg2000
from webapp.pipeline.errors import DicomDamaged
from webapp.pipeline.source import PartsSource, Source, Span

RLE = "1.2.840.10008.1.2.5"

RLE_HEADER = 64
"""Bytes: the number of segments, and fifteen offsets (PS3.5 G.5)."""


MOST_BLANK = 1 << 24
"""Bytes in one place that are overwritten; more is no metadata of an image."""


class Fragments:
    """The fragments of encapsulated Pixel Data as one run of bytes.

    ``stream`` reads across their borders, since an image may lie in several.
    """

    def __init__(self, source: Source, spans: list[Span]) -> None:
        self.spans = spans
        self.stream = PartsSource(source, spans)
        self._ends = list(accumulate(span.length for span in spans))
        self.size = self._ends[-1] if spans else 0

    def end_of(self, position: int) -> int:
        """Where the fragment ends that holds ``position``."""
        return self._ends[bisect_right(self._ends, position)]

    def blanks(self, transfer_syntax_uid: str) -> Iterator[tuple[int, int]]:
        """Start and end, in the stream, of what is to be overwritten with zeros, in order.

        Raises DicomDamaged for a fragment that begins no image of its transfer syntax.
        """
        position = 0
        while position < self.size:
            end = self.end_of(position)
            if transfer_syntax_uid == RLE:
                yield from self._rle(position, end)
            else:
                image = self._image(position)
                yield from (blank for blank in image.blanks if self._says(*blank))
                end = self.end_of(max(image.end - 1, position))
                if self._says(image.end, end):
                    yield image.end, end
            position = end

    def _says(self, start: int, end: int) -> bool:
        """Whether anything but zeros stands there."""
        if end - start > MOST_BLANK:
            raise DicomDamaged()
        return start < end and any(self.stream.read(start, end - start))

    def _image(self, position: int) -> jpeg.Image:
        head = bytes(self.stream.read(position, 12))
        if head[:2] == jpeg.START:
            return jpeg.read_jpeg(self.stream, position)
        if head[:4] == jpeg2000.START:
            return jpeg2000.read_codestream(self.stream, position, self.end_of(position))
        if head in jpeg2000.SIGNATURES:
            return jpeg2000.read_boxes(self.stream, position, self.end_of(position))
        if head[:2] == jpeg2000.JPEG_XL_START:
            return jpeg.Image((), self.end_of(position))
        raise DicomDamaged()

    def _rle(self, position: int, end: int) -> Iterator[tuple[int, int]]:
        """The offsets of segments that are not there."""
        header = bytes(self.stream.read(position, min(RLE_HEADER, end - position)))
        segments = int.from_bytes(header[:4], "little")
        if len(header) < RLE_HEADER or segments > 15:
            raise DicomDamaged()
        unused = 4 + 4 * segments
        if any(header[unused:]):
            yield position + unused, position + RLE_HEADER


def pieces(fragments: Fragments, transfer_syntax_uid: str) -> Iterator[list[tuple[Span, bool]]]:
    """For each fragment its spans of the source in order, and whether each is blank."""
    blanks = list(fragments.blanks(transfer_syntax_uid))
    number, start = 0, 0
    for span in fragments.spans:
        stop, at, cut = start + span.length, start, []
        while at < stop:
            while number < len(blanks) and blanks[number][1] <= at:
                number += 1
            begin, end = blanks[number] if number < len(blanks) else (stop, stop)
            blank = begin <= at
            upto = min(stop, end if blank else begin)
            cut.append((Span(span.offset + at - start, upto - at), blank))
            at = upto
        yield cut
        start = stop
