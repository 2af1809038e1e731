"""Forms, read strictly: broken ones are refused, and memory stays bounded.

Werkzeug's own parser makes an empty form of a broken one, bounds each field
but not their sum, and reads a URL-encoded body of any size at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Any

from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser, MultiPartParser
from werkzeug.sansio.multipart import (
    Data,
    Epilogue,
    Event,
    Field,
    File,
    MultipartDecoder,
    NeedData,
)

from webapp.errors import Rejected

Parsed = tuple[IO[bytes], "MultiDict[str, str]", "MultiDict[str, FileStorage]"]
DEFAULT_FIELD_BYTES = 500_000


class FormMalformed(Rejected):
    """A form that does not parse: no boundary, no end, no header of a part."""

    code = "form-malformed"


class StrictFormParser(FormDataParser):
    """Raises FormMalformed where its base makes an empty form.

    ``max_form_memory_size`` bounds all fields together, and URL-encoded bodies.
    """

    def parse(
        self,
        stream: IO[bytes],
        mimetype: str,
        content_length: int | None,
        options: dict[str, str] | None = None,
    ) -> Parsed:
        self.silent = False
        try:
            found = super().parse(stream, mimetype, content_length, options)
        except ValueError:
            raise FormMalformed from None
        if any("\0" in value for _, value in found[1].items(multi=True)):
            raise FormMalformed  # no field of ours holds one, and no database
        return found

    def _parse_multipart(
        self,
        stream: IO[bytes],
        mimetype: str,  # noqa: ARG002
        content_length: int | None,
        options: dict[str, str],
    ) -> Parsed:
        boundary = options.get("boundary", "").encode("ascii")
        if not boundary:
            raise FormMalformed
        parser = _BoundedParser(
            stream_factory=self.stream_factory,
            max_form_memory_size=self.max_form_memory_size,
            max_form_parts=self.max_form_parts,
            cls=self.cls,
        )
        form, files = parser.parse(stream, boundary, content_length)
        return stream, form, files

    def _parse_urlencoded(
        self,
        stream: IO[bytes],
        mimetype: str,
        content_length: int | None,
        options: dict[str, str],
    ) -> Parsed:
        limit = self.max_form_memory_size or DEFAULT_FIELD_BYTES
        if (content_length or 0) > limit:
            raise RequestEntityTooLarge
        return super()._parse_urlencoded(
            _Bounded(stream, limit),  # type: ignore[arg-type]
            mimetype,
            content_length,
            options,
        )


class _Bounded:
    """Reads a stream whole, up to a limit in bytes."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream = stream
        self._limit = limit

    def read(self) -> bytes:
        pieces: list[bytes] = []
        while piece := self._stream.read(1 << 16):
            pieces.append(piece)
            if sum(map(len, pieces)) > self._limit:
                raise RequestEntityTooLarge
        return b"".join(pieces)


class _BoundedParser(MultiPartParser):
    """Parts of a multipart body; files go to their streams, fields are held and bounded."""

    def parse(
        self,
        stream: IO[bytes],
        boundary: bytes,
        content_length: int | None,
    ) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
        fields: list[tuple[str, str]] = []
        files: list[tuple[str, FileStorage]] = []
        room = self.max_form_memory_size or DEFAULT_FIELD_BYTES
        events = self._events(stream, boundary)
        for event in events:
            if isinstance(event, File):
                files.append((event.name, self._file(event, events, content_length)))
            elif isinstance(event, Field):
                content = self._field(events, room)
                room -= len(content)
                charset = self.get_part_charset(event.headers)
                fields.append((event.name, content.decode(charset, "replace")))
        return self.cls(fields), self.cls(files)

    def _events(self, stream: IO[bytes], boundary: bytes) -> Iterator[Event]:
        decoder = MultipartDecoder(
            boundary, self.max_form_memory_size, max_parts=self.max_form_parts
        )
        while True:
            piece = stream.read(self.buffer_size)
            decoder.receive_data(piece or None)
            event = decoder.next_event()
            while not isinstance(event, NeedData):
                if isinstance(event, Epilogue):
                    return
                yield event
                event = decoder.next_event()

    def _file(
        self, event: File, events: Iterator[Event], content_length: int | None
    ) -> FileStorage:
        container: Any = self.start_file_streaming(event, content_length)
        _each_piece(events, container.write)
        container.seek(0)
        return FileStorage(container, event.filename, event.name, headers=event.headers)

    def _field(self, events: Iterator[Event], room: int) -> bytes:
        pieces: list[bytes] = []

        def take(piece: bytes) -> None:
            pieces.append(piece)
            if sum(map(len, pieces)) > room:
                raise RequestEntityTooLarge

        _each_piece(events, take)
        return b"".join(pieces)


def _each_piece(events: Iterator[Event], take: Callable[[bytes], object]) -> None:
    for event in events:
        if isinstance(event, Data):
            take(event.data)
            if not event.more_data:
                return
