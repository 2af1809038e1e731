"""A JPEG's markers (ISO/IEC 10918-1 annex B): what they say, and a stream without their texts.

Nothing is decoded. Segments are written anew from what was understood of them, so
that neither comments nor application data, embedded previews, filling between
markers nor bytes after the end survive; entropy-coded data is carried byte by byte.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

import numpy as np

from webapp.pipeline.convert import exif
from webapp.pipeline.convert.picture import Resolution
from webapp.pipeline.convert.resolution import MM_PER_INCH, from_dpi, from_ratio
from webapp.pipeline.errors import ImageDamaged
from webapp.pipeline.source import Buffer

SOI = b"\xff\xd8"
EOI = b"\xff\xd9"
_BASELINE, _DHT, _SOS, _DQT, _DRI, _DNL = 0xC0, 0xC4, 0xDA, 0xDB, 0xDD, 0xDC
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_TABLES = frozenset((_DHT, _DQT, _DRI, 0xCC))
_STANDALONE = frozenset((0x01, *range(0xD0, 0xD8)))
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_IS_MARKER = np.array([code not in (0x00, 0xFF, *range(0xD0, 0xD8)) for code in range(256)])
_CHUNK = 1 << 18


@dataclass(slots=True)
class Component:
    identifier: int
    horizontal: int
    vertical: int
    quantisation: int


@dataclass(slots=True)
class JpegStream:
    """What the markers said. ``pieces`` joined are the cleaned stream, SOI to EOI."""

    frame_marker: int = 0
    precision: int = 0
    rows: int = 0
    columns: int = 0
    components: list[Component] = field(default_factory=list)
    has_jfif: bool = False
    adobe_transform: int | None = None
    orientation: int = exif.UPRIGHT
    resolution: Resolution = field(default_factory=Resolution)
    scanned: set[int] = field(default_factory=set)
    tables: set[tuple[str, int]] = field(default_factory=set)
    has_tables_for_all: bool = True
    profile_pieces: dict[int, bytes] = field(default_factory=dict)
    entropy_bytes: int = 0
    is_complete: bool = False
    pieces: list[Buffer] = field(default_factory=list)

    @property
    def profile(self) -> bytes | None:
        """The ICC profile of all its segments (ISO 15076-1 annex B.4), None without any."""
        pieces = self.profile_pieces
        return b"".join(pieces[number] for number in sorted(pieces)) or None

    @property
    def is_baseline(self) -> bool:
        """Process 1, which the transfer syntax 1.2.840.10008.1.2.4.50 holds."""
        return self.frame_marker == _BASELINE and self.precision == 8

    @property
    def is_ycbcr(self) -> bool:
        """Three components that decoders take for YCbCr: the rules libjpeg set."""
        if len(self.components) != 3:
            return False
        if self.has_jfif:
            return True
        if self.adobe_transform is not None:
            return self.adobe_transform != 0
        return bytes(part.identifier for part in self.components) != b"RGB"

    @property
    def is_whole(self) -> bool:
        """Ends properly, scans every component, has every table and bits enough."""
        identifiers = {part.identifier for part in self.components}
        complete = self.is_complete and self.has_tables_for_all and identifiers == self.scanned
        return complete and self.entropy_bytes * 8 >= self.fewest_bits

    @property
    def fewest_bits(self) -> int:
        """The least that so many blocks of 8x8 take: two codes of one bit each in sequential
        Huffman coding, one in progressive; in other codings nothing can be said."""
        bits = {0xC0: 2, 0xC1: 2, 0xC2: 1}.get(self.frame_marker, 0)
        if not bits or not self.components:
            return 0
        across = max(part.horizontal for part in self.components)
        down = max(part.vertical for part in self.components)
        units = -(-self.columns // (8 * across)) * -(-self.rows // (8 * down))
        blocks = sum(part.horizontal * part.vertical for part in self.components)
        return bits * units * (blocks if len(self.components) > 1 else across * down)


def read_jpeg(content: Buffer) -> JpegStream:
    """Raises ImageDamaged when the markers cannot be followed to a frame header and a scan."""
    return _Reader(memoryview(content)).read()


class _Reader:
    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._at = 2
        self._stream = JpegStream(pieces=[SOI])

    def read(self) -> JpegStream:
        if bytes(self._content[:2]) != SOI:
            raise ImageDamaged
        while self._next_segment():
            pass
        if not self._stream.components or not self._stream.entropy_bytes:
            raise ImageDamaged
        self._stream.pieces.append(EOI)
        return self._stream

    def _next_segment(self) -> bool:
        marker = self._next_marker()
        if marker is None:
            return False
        if marker == EOI[1]:
            self._stream.is_complete = True
            return False
        if marker in _STANDALONE:
            return True
        payload = self._payload()
        if payload is None:
            return False
        self._take(marker, payload)
        if marker == _SOS:
            self._scan()
        return True

    def _next_marker(self) -> int | None:
        found = _MARKER.search(self._content, self._at)
        if found is None:
            return None
        self._at = found.end()
        return self._content[self._at - 1]

    def _payload(self) -> memoryview | None:
        if self._at + 2 > len(self._content):
            return None
        length = int.from_bytes(self._content[self._at : self._at + 2], "big")
        if length < 2 or self._at + length > len(self._content):
            return None
        payload = self._content[self._at + 2 : self._at + length]
        self._at += length
        return payload

    def _take(self, marker: int, payload: memoryview) -> None:
        if marker in _FRAME_HEADERS:
            self._frame_header(marker, payload)
        elif marker in _TABLES or marker == _SOS:
            self._carry(marker, _table(marker, payload, self._stream))
        elif marker == 0xE0 and bytes(payload[:5]) == b"JFIF\0" and len(payload) >= 14:
            self._jfif(bytes(payload[:14]))
        elif marker == 0xE1 and bytes(payload[:6]) == b"Exif\0\0":
            self._stream.orientation = exif.orientation(payload[6:])
        elif marker == 0xE2 and bytes(payload[:12]) == b"ICC_PROFILE\0" and len(payload) > 14:
            self._stream.profile_pieces.setdefault(payload[12], bytes(payload[14:]))
        elif marker == 0xEE and bytes(payload[:5]) == b"Adobe" and len(payload) >= 12:
            self._stream.adobe_transform = payload[11]
            self._carry(marker, bytes(payload[:12]))
        elif marker == _DNL:
            raise ImageDamaged

    def _frame_header(self, marker: int, payload: memoryview) -> None:
        stream = self._stream
        if stream.components or len(payload) < 6 or len(payload) < 6 + 3 * payload[5]:
            raise ImageDamaged
        stream.frame_marker = marker
        stream.precision, stream.rows, stream.columns, count = struct.unpack(">BHHB", payload[:6])
        for at in range(6, 6 + 3 * count, 3):
            sampling = payload[at + 1]
            part = Component(payload[at], sampling >> 4, sampling & 15, payload[at + 2])
            stream.components.append(part)
        if not count or not all(1 <= x <= 4 for p in stream.components for x in _sampling(p)):
            raise ImageDamaged
        self._carry(marker, bytes(payload[: 6 + 3 * count]))

    def _jfif(self, payload: bytes) -> None:
        if self._stream.has_jfif:
            return
        self._stream.has_jfif = True
        unit, horizontal, vertical = struct.unpack_from(">BHH", payload, 7)
        if unit in (1, 2):
            factor = 1.0 if unit == 1 else MM_PER_INCH / 10
            self._stream.resolution = from_dpi(horizontal * factor, vertical * factor)
        else:
            self._stream.resolution = from_ratio(horizontal, vertical)
        self._carry(0xE0, payload[:12] + b"\0\0")  # without its thumbnail

    def _scan(self) -> None:
        stream = self._stream
        end = _end_of_scan(self._content, self._at)
        piece = self._content[self._at : end]
        stream.entropy_bytes += len(piece)
        stream.pieces.append(piece)
        self._at = end

    def _carry(self, marker: int, payload: bytes) -> None:
        self._stream.pieces.append(struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload)


def _end_of_scan(content: memoryview, at: int) -> int:
    """Where the next marker stands that is neither a stuffed zero, a restart nor filling; by
    arrays, because every 200th byte is a candidate."""
    while at + 1 < len(content):
        chunk = np.frombuffer(content[at : at + _CHUNK + 1], np.uint8)
        candidates = np.flatnonzero(chunk[:-1] == 0xFF)
        following = chunk[candidates + 1]
        markers = candidates[_IS_MARKER[following]]
        if markers.size:
            return at + int(markers[0])
        at += len(chunk) - 1
    return len(content)


def _sampling(part: Component) -> tuple[int, int]:
    return part.horizontal, part.vertical


def _table(marker: int, payload: memoryview, stream: JpegStream) -> bytes:
    """The part of a table or scan header that means something."""
    if marker == _DHT:
        return _huffman(payload, stream)
    if marker == _DQT:
        return _quantisation(payload, stream)
    if marker == _SOS:
        return _scan_header(payload, stream)
    return bytes(payload[:2]) if marker == _DRI else bytes(payload)


def _huffman(payload: memoryview, stream: JpegStream) -> bytes:
    at = 0
    while at + 17 <= len(payload):
        end = at + 17 + sum(payload[at + 1 : at + 17])
        if end > len(payload):
            raise ImageDamaged
        stream.tables.add(("AC" if payload[at] >> 4 else "DC", payload[at] & 15))
        at = end
    return bytes(payload[:at])


def _quantisation(payload: memoryview, stream: JpegStream) -> bytes:
    at = 0
    while at < len(payload):
        end = at + (129 if payload[at] >> 4 else 65)
        if end > len(payload):
            break
        stream.tables.add(("Q", payload[at] & 15))
        at = end
    return bytes(payload[:at])


def _scan_header(payload: memoryview, stream: JpegStream) -> bytes:
    if not payload or not stream.components or len(payload) < 4 + 2 * payload[0]:
        raise ImageDamaged
    by_id = {part.identifier: part for part in stream.components}
    for at in range(1, 1 + 2 * payload[0], 2):
        part = by_id.get(payload[at])
        if part is None:
            raise ImageDamaged
        needed = {
            ("Q", part.quantisation),
            ("DC", payload[at + 1] >> 4),
            ("AC", payload[at + 1] & 15),
        }
        stream.has_tables_for_all &= needed <= stream.tables
        stream.scanned.add(part.identifier)
    return bytes(payload[: 4 + 2 * payload[0]])
