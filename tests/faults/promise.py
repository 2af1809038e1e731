"""Nothing accepted is lost, doubled or plain: what is checked after every fault."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from tests.faults.client import Answer, Client, Request, json_batch, single
from tests.faults.files import NEEDLES, Sample
from tests.faults.site import Site, sent_until_answered, until
from webapp.storage.models import Blob, EndUser, Status, Upload

Reference = Callable[[Sample], bytes]
PENDING = (Status.QUEUED, Status.PROCESSING)


@dataclass
class Promise:
    """What one user sent through ``client``, what was accepted of it, and what must come of it.

    ``reference`` gives what an undisturbed installation of the same keys makes of a file.
    ``left`` are blobs that earlier, allowed faults left behind.
    """

    site: Site
    client: Client
    url: str
    reference: Reference
    servers: Sequence[Path] = ()
    left: set[str] = field(default_factory=set)
    uploads: dict[str, Sample] = field(default_factory=dict)
    batches: dict[str, list[Sample]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.client = Client(self.client.port, f"user-{uuid4().hex[:12]}")

    def upload(self, sample: Sample) -> Answer:
        """Send one file until it is answered."""
        answer = sent_until_answered(lambda: self.client.send(single(sample)))
        return self.accepted_upload(sample, answer)

    def accepted_upload(self, sample: Sample, answer: Answer) -> Answer:
        """Note what was promised."""
        assert answer.status in (200, 201, 202), (answer.status, answer.content)
        self.uploads[answer.json()["upload_id"]] = sample
        return answer

    def batch(self, samples: list[Sample], request: Request | None = None) -> Answer:
        """Send a batch until it is answered; what comes again is a batch of its own."""
        request = request or json_batch(samples)
        return self.accepted_batch(
            samples, sent_until_answered(lambda: self.client.send(request, timeout=60))
        )

    def accepted_batch(self, samples: list[Sample], answer: Answer) -> Answer:
        """Note what was promised."""
        assert answer.status == 202, (answer.status, answer.content)
        assert answer.json()["total_files"] == len(samples)
        assert answer.json()["status"] == "queued"
        self.batches[answer.json()["batch_id"]] = samples
        return answer

    def kept(self, *, orphans: int = 0, seconds: float = 40) -> None:
        """Everything is finished, once, right, sealed, and rows and blobs agree.

        Args:
            orphans: how many blobs no row may name: only where a process was
                killed, or the database went away, between sealing and commit.
        """
        try:
            self._check_all(orphans, seconds)
        finally:
            self.left |= self._extra()

    def _check_all(self, orphans: int, seconds: float) -> None:
        until(self._all_ended, seconds, "the end of every accepted file")
        until(lambda: len(self._extra()) <= orphans, 15, "the end of bytes that no row names")
        assert not self._missing()
        for upload_id, sample in self.uploads.items():
            self._check(upload_id, sample)
        for batch_id, samples in self.batches.items():
            self._check_batch(batch_id, samples)
        assert self._row_per_file()
        assert self._blobs_fit()
        assert not self.plain()

    def plain(self) -> list[str]:
        """Files on any disk of the installation that hold what must be sealed."""
        folders = (self.site.folder, *self.servers)
        found = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        return [str(file) for file in (*found, *self.site.open_files()) if _is_plain(file)]

    def _all_ended(self) -> bool:
        with self._session() as session:
            pending = select(func.count()).where(Upload.status.in_(PENDING), self._ours())
            return not session.scalar(pending)

    def _check(self, upload_id: str, sample: Sample) -> None:
        details = self.client.get(f"/upload/{upload_id}/details")
        assert details["status"] == ("failed" if sample.code else "completed"), details
        if sample.code is None:
            answer = self.client.ask("GET", f"/upload/{upload_id}/preprocessed-dicom")
            assert answer.status == 200, answer.content
            assert answer.content == self.reference(sample), "not what it is undisturbed"

    def _check_batch(self, batch_id: str, samples: list[Sample]) -> None:
        status = self.client.get(f"/upload/batch/{batch_id}/status")
        entries = self.client.get(f"/upload/batch/{batch_id}/files")["files"]
        assert [entry["filename"] for entry in entries] == [sample.name for sample in samples]
        for entry, sample in zip(entries, samples, strict=True):
            assert (entry["error"] or {}).get("code") == sample.code, entry
            self._check(entry["upload_id"], sample)
        failed = sum(sample.code is not None for sample in samples)
        assert (status["processed_files"], status["failed_files"]) == (len(samples), failed)

    def _row_per_file(self) -> bool:
        """As many rows as files, however often each was sent; a failed one may be sent again."""
        sent = [*self.uploads.values(), *(s for batch in self.batches.values() for s in batch)]
        good = {sample.content for sample in sent if sample.code is None}
        with self._session() as session:
            live = select(func.count()).where(self._ours(), Upload.status != Status.FAILED)
            return session.scalar(live) == len(good)

    def _blobs_fit(self) -> bool:
        """A finished file has its instance and no original; a failed one has no instance."""
        fits = {Status.COMPLETED: {"dicom"}, Status.FAILED: {"original"}}
        kinds: dict[UUID, set[str]] = {}
        with self._session() as session:
            statuses = dict(session.execute(select(Upload.id, Upload.status)).all())
            rows = session.execute(select(Blob.upload_id, Blob.kind))
            counted = Counter(rows)
        for upload_id, kind in counted:
            kinds.setdefault(upload_id, set()).add(kind)
        pictures = {"thumbnail", "preview"}
        return max(counted.values(), default=1) == 1 and all(
            kinds.get(upload_id, set()) - pictures <= fits[Status(status)]
            and (status != Status.COMPLETED or "dicom" in kinds.get(upload_id, set()))
            for upload_id, status in statuses.items()
        )

    def _missing(self) -> set[str]:
        return self._named() - self.stored()

    def _extra(self) -> set[str]:
        return self.stored() - self._named() - self.left

    def stored(self) -> set[str]:
        """The blobs on the disk, half-written ones too."""
        folder = Path(str(self.site.settings["UPLOAD_DIR"]))
        return {file.name for file in folder.rglob("*") if file.is_file()}

    def _named(self) -> set[str]:
        with self._session() as session:
            return set(session.scalars(select(Blob.location)))

    def rows(self) -> list[Upload]:
        """The rows of what this user sent."""
        with self._session() as session:
            return list(session.scalars(select(Upload).where(self._ours())))

    def _ours(self) -> Any:
        owner = select(EndUser.id).where(EndUser.external_id == self.client.user)
        return Upload.end_user_id.in_(owner)

    def _session(self) -> Session:
        return Session(self._engine(), expire_on_commit=False)

    def _engine(self) -> Engine:
        return create_engine(self.url, poolclass=NullPool)


def _is_plain(file: Path, needles: Iterable[bytes] = NEEDLES) -> bool:
    try:
        with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, prot=mmap.PROT_READ) as seen:
            return any(seen.find(needle) >= 0 for needle in needles)
    except (ValueError, OSError):
        return False  # empty, gone meanwhile, or no regular file
