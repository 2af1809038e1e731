"""The walk over an encoded data set: reads headers, hands named elements on, copies the rest.

Nothing is parsed that no rule names. A run of unchanged elements is copied as
one slice, a large binary value becomes a :class:`Span` of the source, and what
a rule names goes to the handler of its action (:mod:`actions`). Sequences are
followed to any depth up to :data:`DEEPEST`; lengths of sequences and items
whose content may have changed are written once their end is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from webapp.pipeline.deidentify.charsets import Charset
from webapp.pipeline.deidentify.elements import (
    EXPLICIT_KEY,
    IMPLICIT_HEADER,
    IMPLICIT_KEY,
    ITEM,
    ITEM_END,
    LENGTH,
    SEQUENCE_END,
    UNDEFINED,
    Window,
)
from webapp.pipeline.deidentify.rules import Plan, Rule, Rules
from webapp.pipeline.errors import DicomDamaged
from webapp.pipeline.source import PartsSource, Source, Span, chunks

DEEPEST = 128
"""Levels of sequences. A report has about ten; a thousand is an attack on the stack."""

MOST_ELEMENTS = 1 << 21
"""Elements and items of one data set. Ten thousand frames described one by one have half a
million; a gigabyte of nothing but elements would take many minutes to walk."""

ABOVE = 1 << 32
"""Larger than any tag."""

FIRST_PIXELS = 0x7FE00008
"""Float Pixel Data; from here on nothing follows but padding and signatures."""


@dataclass(slots=True)
class Place:
    """Where the walk is: the top of the data set, or an item of a sequence.

    ``creators`` are the private creators of this item by block (PS3.5 7.8.1);
    ``value_type`` and ``concept`` (code value, scheme) those of a content item.
    ``dropped`` tells that the whole item goes.
    """

    rules: Rules
    explicit: bool
    depth: int = 0
    parent: Place | None = None
    sequence: int = 0
    creators: dict[int, str] = field(default_factory=dict)
    value_type: str = ""
    concept: tuple[str, str] = ("", "")
    dropped: bool = False


@dataclass(slots=True)
class Element:
    """One element of known length: its value stands at ``value`` up to ``stop`` in the source."""

    tag: int
    vr: bytes
    flags: int
    start: int
    value: int
    stop: int
    place: Place


class Output:
    """What has been written: bytes of our own, with spans of the source between them."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.spans: list[tuple[int, Span]] = []
        self.spanned = 0

    @property
    def length(self) -> int:
        return len(self.content) + self.spanned

    def add_span(self, offset: int, length: int) -> None:
        self.spans.append((len(self.content), Span(offset, length)))
        self.spanned += length

    def mark(self) -> tuple[int, int, int]:
        return len(self.content), len(self.spans), self.spanned

    def return_to(self, mark: tuple[int, int, int]) -> None:
        del self.content[mark[0] :]
        del self.spans[mark[1] :]
        self.spanned = mark[2]


class Walker:
    """Walks one source; :class:`Actions` gives each action its handler."""

    charset = Charset()
    """The character set in force: an item may have one of its own, for itself alone."""

    def __init__(self, source: Source, plan: Plan, looking: bool = False) -> None:
        self.window = Window(source)
        self.plan = plan
        self.out = Output()
        self.looking = looking
        self.run = 0
        self.inserts: list[tuple[int, bytes]] = []
        self.explicit = True
        self.walked = 0
        self.disordered = False
        self.behind_pixels = False

    def start(self, pos: int, explicit: bool) -> None:
        """Walk the whole data set that starts at ``pos`` of the source."""
        self.run, self.explicit = pos, explicit
        self.finish(self.walk(pos, self.window.size, Place(self.plan.rules(), explicit)))

    # The loop. It is long because it is hot: one pass over every element of every file.

    def walk(self, pos: int, end: int, place: Place, delimited: bool = False) -> int:
        """Walk elements from ``pos`` to ``end``, or to the item's delimiter; the position after.

        Raises DicomDamaged for an impossible VR, a length that overruns ``end``,
        or a missing delimiter.
        """
        window, explicit, top = self.window, place.explicit, place.parent is None
        header = EXPLICIT_KEY if explicit else IMPLICIT_KEY
        steps = place.rules.steps(explicit, self.looking)
        watch = self.inserts[-1][0] if top and self.inserts else ABOVE
        buffer, base, last, gone, count = window.buffer, window.start, -1, 0, 0
        while pos < end:
            at, count = pos - base, count + 1
            if at + 12 > len(buffer):
                if end - pos < 8:
                    break
                if count > MOST_ELEMENTS:
                    raise DicomDamaged()
                at = self.need(pos, min(12, end - pos))
                buffer, base = window.buffer, window.start
            key, length = header.unpack_from(buffer, at)
            tag, ahead, passed, dropped, vr, flags, rule = steps[key]
            if ahead != 8:
                if not ahead:
                    break
                (length,) = LENGTH.unpack_from(buffer, at + 8)
            if tag <= last and top:
                self.disordered = True
                if last >= FIRST_PIXELS:
                    self.behind_pixels = True
                    break
            if tag >= watch:
                watch = self.insert(tag, pos)
            value = pos + ahead
            stop = value + length
            if passed and stop <= end:
                pos = stop
            elif dropped and stop <= end:
                if self.run < pos:
                    self.flush(pos)
                self.run = pos = stop
                gone += 1
            elif length == UNDEFINED or vr == b"SQ" or vr == b"UN":
                pos = self.nested(rule, Element(tag, vr, flags, pos, value, stop, place), end)
                buffer, base = window.buffer, window.start
            elif stop > end:
                break
            elif rule.unseen:
                self.flush(pos)
                self.run = pos = stop
                self.count(rule, place.depth)
            else:
                self.handle(rule, Element(tag, vr, flags, pos, value, stop, place))
                buffer, base, pos = window.buffer, window.start, stop
            last = tag
        if gone:
            self.count_private(gone, place.depth)
        self.walked += count
        if self.walked > MOST_ELEMENTS:
            raise DicomDamaged()
        return self.after(pos, end, place, delimited, last) if pos < end or delimited else pos

    def after(self, pos: int, end: int, place: Place, delimited: bool, last: int) -> int:
        """The position after the item's delimiter, where no element stands any more.

        Behind Pixel Data it is bytes after the end of the data set, which are
        dropped, and so are zeros anywhere at the top; else the file is damaged.
        """
        if delimited and pos < end:
            at = self.need(pos, 8)
            group, number, _ = IMPLICIT_HEADER.unpack_from(self.window.buffer, at)
            if group << 16 | number == ITEM_END:
                return pos + 8
        elif place.parent is None and (last >= FIRST_PIXELS or self.only_zeros(pos)):
            return pos
        raise DicomDamaged()

    def only_zeros(self, pos: int) -> bool:
        source = self.window.source
        return not any(
            any(chunk) for chunk in chunks(PartsSource(source, [Span(pos, source.size - pos)]))
        )

    def count(self, rule: Rule, depth: int) -> None:
        """Told that ``rule`` was carried out on one element."""
        raise NotImplementedError

    def count_private(self, count: int, depth: int) -> None:
        """Told how many private elements were dropped in one place."""
        raise NotImplementedError

    def handle(self, rule: Rule, element: Element) -> None:
        """Do what ``rule`` says to an element of known length."""
        raise NotImplementedError

    # Sequences.

    def nested(self, rule: Rule, element: Element, end: int) -> int:
        """A sequence, or an element that may be one; the position after it."""
        raise NotImplementedError

    def items(
        self, element: Element, end: int, rule: Rule, place_rules: Rules, explicit: bool
    ) -> int:
        """Walk the items of a sequence and write them; the position after the sequence.

        ``end`` is where the enclosing item ends. Raises DicomDamaged when items
        and lengths do not fit together, or lie too deep.
        """
        outer = element.place
        if outer.depth >= DEEPEST:
            raise DicomDamaged()
        out, undefined = self.out, element.stop - element.value == UNDEFINED
        limit = end if undefined else element.stop
        if limit > end:
            raise DicomDamaged()
        slot = -1 if undefined else self.open_length(element.value)
        before, pos = out.length, element.value
        while pos < limit:
            at = self.need(pos, 8)
            group, number, length = IMPLICIT_HEADER.unpack_from(self.window.buffer, at)
            tag = group << 16 | number
            if tag == SEQUENCE_END and undefined:
                return pos + 8
            if tag != ITEM:
                raise DicomDamaged()
            self.walked += 1
            if self.walked > MOST_ELEMENTS:
                raise DicomDamaged()
            if not length:
                pos += 8
                continue
            charset = self.charset
            place = Place(place_rules, explicit, outer.depth + 1, outer, element.tag)
            self.flush(pos)
            mark = out.mark()
            if length == UNDEFINED:
                pos = self.walk(pos + 8, limit, place, True)
            else:
                stop = pos + 8 + length
                if stop > limit:
                    raise DicomDamaged()
                inner = self.open_length(pos + 8)
                inside = out.length
                pos = self.walk(pos + 8, stop, place)
                self.close_length(pos, inner, inside)
            self.charset = charset
            if place.dropped:
                self.run = pos
                out.return_to(mark)
        if undefined:
            raise DicomDamaged()
        self.close_length(pos, slot, before)
        return pos

    def open_length(self, value: int) -> int:
        """Leave four bytes for the length in front of ``value``; where they stand in the output."""
        self.flush(value - 4)
        self.run = value
        self.out.content += b"\0\0\0\0"
        return len(self.out.content) - 4

    def close_length(self, pos: int, slot: int, before: int) -> None:
        """Write the length of what was put out since ``before``."""
        self.flush(pos)
        LENGTH.pack_into(self.out.content, slot, self.out.length - before)

    # Reading and writing.

    def need(self, pos: int, length: int) -> int:
        """Have ``length`` bytes from ``pos`` in the window; their index in its buffer."""
        window = self.window
        at = pos - window.start
        if at < 0 or at + length > len(window.buffer):
            self.flush(pos)
            window.move(pos, length)
            at = 0
        return at

    def value(self, element: Element) -> bytes:
        """The element's value; the element itself stays in the window."""
        window = self.window
        at = element.value - window.start
        if at >= 0 and element.stop - window.start <= len(window.buffer):
            return window.buffer[at : element.stop - window.start]
        at = self.need(element.start, element.stop - element.start)
        return self.window.buffer[
            at + element.value - element.start : at + element.stop - element.start
        ]

    def flush(self, upto: int) -> None:
        """Copy the run of unchanged bytes that ends at ``upto``."""
        run, window = self.run, self.window
        if upto <= run:
            return
        stop = upto - window.start
        if run >= window.start and stop <= len(window.buffer):
            self.out.content += window.buffer[run - window.start : stop]
        else:
            self.out.content += window.source.read(run, upto - run)
        self.run = upto

    def replace(self, element: Element, content: bytes) -> None:
        """Write ``content`` (a complete element, or nothing) in the element's place."""
        self.flush(element.start)
        self.out.content += content
        self.run = element.stop

    def insert(self, tag: int, pos: int) -> int:
        """Write what is to be inserted before ``tag``; the tag to watch for next.

        ``inserts`` are elements by tag, last first; an empty one is needed only
        where the data set has none of its own.
        """
        self.flush(pos)
        while self.inserts and self.inserts[-1][0] <= tag:
            wanted, content = self.inserts.pop()
            if content or wanted != tag:
                self.out.content += content or self.needed(wanted)
        return self.inserts[-1][0] if self.inserts else ABOVE

    def finish(self, pos: int) -> None:
        """Write what is left: the last run, and what belongs after the last element."""
        self.insert(ABOVE, pos)

    def needed(self, tag: int) -> bytes:
        """An element that must not be missing, and is."""
        raise NotImplementedError
