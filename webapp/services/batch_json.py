"""A batch sent as JSON, read as a stream of any size.

``{"files": [{"filename": ..., "content": base64, "study_key": ...}, ...]}`` with
fields in any order and others beside them. Neither the body nor a file is ever
held whole: the content goes to a sink as it is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from webapp.errors import Rejected
from webapp.pipeline.source import Buffer
from webapp.services.base64_stream import Base64Stream
from webapp.services.batch_errors import (
    Base64Invalid,
    BatchEmpty,
    BatchMalformed,
    BatchTooLarge,
    BatchTooManyFiles,
    ContentMissing,
    ContentNotText,
    EntryMalformed,
    FieldRepeated,
    FilenameMissing,
    FilenameTooLong,
    FileTooLarge,
    StudyKeyInvalid,
)
from webapp.services.json_stream import JsonStream, Readable, check_raw

MAX_NAME = 4096
MAX_STUDY_KEY = 128


class Sink(Protocol):
    """Takes one file's bytes; ``close`` drops them unless somebody kept them before."""

    def write(self, buffer: Buffer, /) -> object: ...

    def finish(self) -> object:
        """All bytes were written: thousands of sinks may wait, so let go of what is scarce."""
        ...

    def close(self) -> object: ...


S = TypeVar("S", bound=Sink)


@dataclass(frozen=True)
class BatchLimits:
    """Bytes of a file, bytes of all files together, number of files."""

    file_bytes: int
    total_bytes: int
    files: int


@dataclass
class JsonEntry(Generic[S]):
    """One entry, in order. ``sink`` holds the content, or ``error`` says why not.

    ``filename`` may be known either way; it is empty where it is not.
    """

    position: int
    filename: str = ""
    study_key: str | None = None
    sink: S | None = None
    error: Rejected | None = None
    fields: set[str] = field(default_factory=set, repr=False)

    def refuse(self, error: Rejected) -> None:
        """Keep the first reason and let the content go."""
        self.error = self.error or error
        if self.sink is not None:
            self.sink.close()
            self.sink = None


def read_batch(
    stream: Readable, limits: BatchLimits, new_sink: Callable[[], S]
) -> Iterator[JsonEntry[S]]:
    """The entries as they come. Each sink is the caller's to keep or to close.

    Raises BatchMalformed, BatchTooDeep, BatchEmpty, BatchTooLarge or
    BatchTooManyFiles, maybe after entries were given: then nothing of the
    batch may be kept. Errors of ``stream`` and of sinks pass through.
    """
    json = JsonStream(stream)
    reader = _EntryReader(json, limits, new_sink)
    found = False
    for key in json.members():
        if key != "files":
            json.skip()
            continue
        if found or json.peek() != b"[":
            raise BatchMalformed
        found = True
        for position, _ in enumerate(json.items()):
            if position >= limits.files:
                raise BatchTooManyFiles(limit=limits.files)
            yield reader.read(position)
    json.end()
    if not reader.count:
        raise BatchEmpty


class _EntryReader(Generic[S]):
    def __init__(self, json: JsonStream, limits: BatchLimits, new_sink: Callable[[], S]) -> None:
        self._json = json
        self._limits = limits
        self._new_sink = new_sink
        self._total = 0
        self.count = 0

    def read(self, position: int) -> JsonEntry[S]:
        self.count += 1
        entry: JsonEntry[S] = JsonEntry(position)
        if self._json.peek() != b"{":
            self._json.skip()
            entry.refuse(EntryMalformed())
            return entry
        try:
            for key in self._json.members():
                self._field(key, entry)
        except BaseException:
            entry.refuse(BatchMalformed())
            raise
        _require(entry)
        return entry

    def _field(self, key: str | None, entry: JsonEntry[S]) -> None:
        readers = {
            "filename": self._filename,
            "content": self._content,
            "study_key": self._study_key,
        }
        if key is None or key not in readers:
            self._json.skip()
        elif key in entry.fields:
            self._json.skip()
            entry.refuse(FieldRepeated())
        elif self._json.peek() == b"n":
            self._json.skip()  # null is the same as absent
        else:
            entry.fields.add(key)
            readers[key](entry)

    def _filename(self, entry: JsonEntry[S]) -> None:
        if self._json.peek() != b'"':
            self._json.skip()
            return
        name = self._json.text()
        if name is None or len(name) > MAX_NAME:
            entry.refuse(FilenameTooLong(limit=MAX_NAME))
        entry.filename = (name or "")[:MAX_NAME]

    def _study_key(self, entry: JsonEntry[S]) -> None:
        key = None
        if self._json.peek() == b'"':
            key = self._json.text()
        else:
            self._json.skip()
        if key and len(key) <= MAX_STUDY_KEY and all("!" <= letter <= "~" for letter in key):
            entry.study_key = key
        else:
            entry.refuse(StudyKeyInvalid())

    def _content(self, entry: JsonEntry[S]) -> None:
        if self._json.peek() != b'"':
            self._json.skip()
            entry.refuse(ContentNotText())
            return
        pieces = self._json.pieces()
        if entry.error is None:
            entry.sink = self._new_sink()
            try:
                self._decode(pieces, entry.sink)
            except (Base64Invalid, FileTooLarge) as error:
                entry.refuse(error)
        for piece in pieces:  # what a refused entry still holds
            check_raw(piece)

    def _decode(self, pieces: Iterator[bytes], sink: S) -> None:
        size = 0

        def write(content: bytes) -> None:
            nonlocal size
            size += len(content)
            self._total += len(content)
            if size > self._limits.file_bytes:
                raise FileTooLarge(limit=self._limits.file_bytes >> 20)
            if self._total > self._limits.total_bytes:
                raise BatchTooLarge(limit=self._limits.total_bytes >> 20)
            sink.write(content)

        decoder = Base64Stream(write)
        for piece in pieces:
            decoder.feed(piece)
        decoder.finish()
        sink.finish()


def _require(entry: JsonEntry[S]) -> None:
    if entry.error is not None:
        return
    if not entry.filename:
        entry.refuse(FilenameMissing())
    elif entry.sink is None:
        entry.refuse(ContentMissing())
