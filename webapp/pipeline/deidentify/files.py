"""One file at a time: read, de-identified, verified, and written under another name first."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from webapp.errors import Rejected
from webapp.pipeline.deidentify.engine import Deidentified, deidentify
from webapp.pipeline.deidentify.profile import DeidentificationProfile
from webapp.pipeline.pseudonyms import Pseudonyms
from webapp.pipeline.recognise import HEAD_LENGTH, recognise
from webapp.pipeline.source import Buffer, BytesSource, PartsSource, Source, Span, chunks
from webapp.pipeline.verify import verify

IN_MEMORY = 1 << 25
"""Files up to 32 MiB are read at once; larger ones are read by position."""

NO_UID = re.compile("[^0-9.]+")


class FileSource:
    """A :class:`Source` over an open file, read by position."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, offset)


class Line(NamedTuple):
    """One line of the manifest: what became of one input file.

    ``status`` is ``written``, ``refused`` (the file cannot be used; ``code`` says
    why) or ``held`` (something that identifies seemed to survive, in ``survivors``).
    ``output`` is a path of new UIDs, the study's, the series' and the instance's.
    """

    source: str
    status: str
    output: str = ""
    code: str = ""
    survivors: tuple[str, ...] = ()
    sop_instance_uid: str = ""
    report: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What to do to every file, in terms that can be handed to another process."""

    profile: DeidentificationProfile
    secret: bytes = field(repr=False)

    def run(self, file: str, name: str, target: str) -> Line:
        """De-identify ``file``, which the manifest calls ``name``, into ``target``.

        What cannot be made safe, or not be written whole, is not written.
        """
        try:
            with open(file, "rb", buffering=0) as stream:
                source = _source(stream.fileno())
                if not recognise(source.read(0, HEAD_LENGTH)).is_dicom:
                    return Line(name, "refused", code="not-dicom")
                done = deidentify(source, self.profile, _pseudonyms(self.secret))
                return _kept(done, name, target)
        except Rejected as refusal:
            return Line(name, "refused", code=refusal.code)
        except OSError as error:
            return Line(name, "refused", code=f"unreadable-{error.errno}")


@lru_cache(maxsize=1)
def _pseudonyms(secret: bytes) -> Pseudonyms:
    return Pseudonyms(secret)


def _kept(done: Deidentified, name: str, target: str) -> Line:
    survivors = verify(done)
    if survivors:
        return Line(name, "held", survivors=survivors, report=done.report.as_dict())
    write(done, target)
    uid = done.instance.sop_instance_uid
    return Line(name, "written", _path_of(done), "", (), uid, done.report.as_dict())


def put_in_place(line: Line, unfinished: str, folder: str) -> Line:
    """The line, once its file has its place below ``folder``; refused where it gets none."""
    place = os.path.join(folder, line.output)
    try:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.replace(unfinished, place)
    except OSError as error:
        Path(unfinished).unlink(missing_ok=True)
        return Line(line.source, "refused", code=f"unreadable-{error.errno}")
    return line


def write(done: Deidentified, target: str) -> None:
    """Write the output whole, or nothing; raises OSError."""
    try:
        with FileIO(target, "wb") as stream:
            for piece in _pieces(done.output):
                _write_all(stream, piece)
    except BaseException:
        Path(target).unlink(missing_ok=True)
        raise


def _pieces(output: PartsSource) -> Iterator[Buffer]:
    """The output in order, nothing joined: slices of memory, or of the file a part at a time."""
    for part in output.parts:
        if isinstance(part, Span):
            yield from chunks(PartsSource(output.source, [part]))
        else:
            yield part


def _write_all(stream: FileIO, content: Buffer) -> None:
    left = memoryview(content)
    while left:
        left = left[stream.write(left) :]


def _source(descriptor: int) -> Source:
    source = FileSource(descriptor)
    return BytesSource(source.read(0, source.size)) if source.size <= IN_MEMORY else source


def _path_of(done: Deidentified) -> str:
    instance = done.instance
    study, series = _safe(instance.study_instance_uid), _safe(instance.series_instance_uid)
    return os.path.join(study, series, f"{_safe(instance.sop_instance_uid)}.dcm")


def _safe(uid: str) -> str:
    """A UID as a name: with Retain UIDs it is what came in, and may be no UID at all."""
    return NO_UID.sub("", uid[:64]).strip(".") or "none"
