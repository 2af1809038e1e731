"""ZIP archives, opened entry by entry.

Sizes in an archive are claims: what counts is what comes out. Entries unpack
as a stream into sinks of the caller's; nothing is ever written under a name
from the archive. An archive within an archive is a file like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from webapp.errors import Rejected
from webapp.pipeline.source import Buffer, Source
from webapp.services.batch_errors import (
    ArchiveBomb,
    ArchiveEncrypted,
    BatchTooLarge,
    BatchTooManyFiles,
    FileTooLarge,
)
from webapp.services.batch_json import Sink
from webapp.services.zip_directory import EMPTY, LOCAL, Member, read_directory
from webapp.services.zip_members import unpack

RATIO_FLOOR = 1 << 20
"""An entry this small may expand as it likes: an empty slice packs a thousandfold."""
SLACK = 4
"""Entries of an archive that are no files (folders, a Mac's shadows), for each file allowed."""

S = TypeVar("S", bound=Sink)


@dataclass(frozen=True)
class ArchiveLimits:
    """Bytes of a file, bytes of all files together, number of files, most expansion."""

    file_bytes: int
    total_bytes: int
    files: int
    ratio: int


@dataclass
class ArchiveEntry(Generic[S]):
    """One file of an archive: its ``sink``, or ``error``, or neither and ``skipped``.

    ``name`` is the whole name within the archive, folders and all: to be shown,
    never to be used as a path.
    """

    name: str
    sink: S | None = None
    error: Rejected | None = None
    skipped: bool = False


def is_archive(head: bytes) -> bool:
    """Whether a file that begins with ``head`` (4 bytes) is a ZIP."""
    return head[:4] in (LOCAL, EMPTY)


def read_archive(
    source: Source, limits: ArchiveLimits, new_sink: Callable[[], S]
) -> Iterator[ArchiveEntry[S]]:
    """The files of a ZIP, one after the other. Each sink is the caller's to keep or close.

    Folders, ``__MACOSX`` and names that begin with a dot are left out, a
    DICOMDIR is given as ``skipped``. A file that does not unpack carries its
    error, and the next one follows.

    Raises, before the first entry: ArchiveDamaged, ArchiveEncrypted,
    ArchiveBomb, BatchTooManyFiles, BatchTooLarge. They judge what is claimed,
    and no entry may then unpack to more than it claimed.
    """
    found = read_directory(source, limits.files * SLACK + 1000)
    members = [member for member in found if not _is_left_out(member.name)]
    _refuse_early([member for member in members if not _is_dicomdir(member.name)], limits)
    return (_entry(source, member, limits, new_sink) for member in members)


def _refuse_early(members: list[Member], limits: ArchiveLimits) -> None:
    if len(members) > limits.files:
        raise BatchTooManyFiles(limit=limits.files)
    if any(member.encrypted for member in members):
        raise ArchiveEncrypted
    size, packed = sum(m.size for m in members), sum(m.packed for m in members)
    if size > max(RATIO_FLOOR, packed * limits.ratio):
        raise ArchiveBomb(limit=limits.ratio)
    if sum(m.size for m in members if m.size <= limits.file_bytes) > limits.total_bytes:
        raise BatchTooLarge(limit=limits.total_bytes >> 20)


def _entry(
    source: Source, member: Member, limits: ArchiveLimits, new_sink: Callable[[], S]
) -> ArchiveEntry[S]:
    entry: ArchiveEntry[S] = ArchiveEntry(_shown(member.name))
    if _is_dicomdir(member.name):
        entry.skipped = True
        return entry
    try:
        pieces = _pieces(source, member, limits)
    except Rejected as error:
        entry.error = error
        return entry
    sink = new_sink()
    try:
        for piece in pieces:
            sink.write(piece)
        sink.finish()
    except Rejected as error:
        sink.close()
        entry.error = error
        return entry
    except BaseException:
        sink.close()
        raise
    entry.sink = sink
    return entry


def _pieces(source: Source, member: Member, limits: ArchiveLimits) -> Iterator[Buffer]:
    """The unpacked bytes. Raises at once what can be known at once."""
    if member.size > limits.file_bytes:
        raise FileTooLarge(limit=limits.file_bytes >> 20)
    if member.size > max(RATIO_FLOOR, member.packed * limits.ratio):
        raise ArchiveBomb(limit=limits.ratio)
    return unpack(source, member)


def _is_left_out(name: str) -> bool:
    parts = _parts(name)
    return (
        not parts
        or name.endswith(("/", "\\"))
        or "__MACOSX" in parts
        or any(part.startswith(".") for part in parts)
    )


def _is_dicomdir(name: str) -> bool:
    return _parts(name)[-1:] in (["DICOMDIR"], ["dicomdir"])


def _parts(name: str) -> list[str]:
    """Folders and file; what could climb or restart a path says nothing and goes."""
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]


def _shown(name: str) -> str:
    """The name for people: no control characters, folders parted by slashes."""
    clean = "".join(letter if letter.isprintable() else "_" for letter in name)
    return "/".join(_parts(clean))
