"""One file of an open batch, as the upload page sends it: alone, as a raw body."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import IO
from uuid import UUID

from webapp.services import bodies, ingest, intake
from webapp.services.accounts import Caller
from webapp.services.context import context
from webapp.services.intake import Arrival


@dataclass(frozen=True)
class Added:
    """What became of one file; of an archive's first file, where it was one.

    ``sha256`` is of the bytes that came; ``files`` counts the entries they made, ``queued`` are
    the uploads to hand over. ``duplicate`` only when nothing of it was new.
    """

    upload_id: UUID
    duplicate: bool
    sha256: bytes
    files: int
    queued: list[UUID]


def add_file(
    caller: Caller, batch_id: UUID, stream: IO[bytes], name: str, study_key: str | None
) -> Added:
    """Seal a file and commit it into an open batch; a ZIP is opened into its files.

    Raises:
        NotFound, BatchClosed, BatchTooManyFiles, BatchTooLarge, FileTooLarge, Unavailable:
            nothing is left.
    """
    with closing(context().vault.spool()) as spool:
        ingest.fill(spool, stream, context().settings.max_batch_mb)
        files: list[Arrival] = []
        try:
            bodies.take(files, Arrival(name, spool, None, study_key))
            accepted = intake.accept(caller, files, batch_id)
        finally:
            intake.close_all(files)
        return Added(
            upload_id=files[0].points_to,
            duplicate=all(file.same_as for file in files),
            sha256=spool.sha256,
            files=len(files),
            queued=accepted.queued,
        )
