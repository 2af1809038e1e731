"""The folder of a backup: what lies in it, and which of it counts.

``manifest.json`` is replaced last and in one go: what it names is the backup,
and anything else is left from one that was interrupted.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from webapp.services.snapshots import BackupError
from webapp.storage.files import write_whole
from webapp.storage.models import now

FORMAT = 1
MANIFEST = "manifest.json"
KEYS = "master.keys"
BLOBS = "blobs"
STEM = "snapshot-"


@dataclass
class Manifest:
    """What a backup is: names of its files, and the master keys that open it."""

    kind: str
    database: str
    blobs: str
    created_at: str
    installation: str = ""
    key_ids: list[str] = field(default_factory=list)
    canary: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


class BackupFolder:
    """One folder, which holds one backup."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> None:
        """Make it, or find an earlier backup in it. Raises BackupError for anything else."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        foreign = [name for name in os.listdir(self.path) if not _is_ours(name)]
        if foreign:
            raise BackupError("The folder holds something that is no backup. Name another.")

    def begin(self, kind: str) -> Manifest:
        """The manifest of a new backup, whose files have names of their own."""
        stem = f"{STEM}{secrets.token_hex(4)}"
        moment = now().isoformat(timespec="seconds")
        return Manifest(kind, f"{stem}.{kind}", f"{stem}.blobs", moment)

    def check_owner(self, installation: str) -> None:
        """Raises BackupError where the earlier backup is of another database."""
        if self._manifest.exists() and self.read().installation != installation:
            raise BackupError("The folder holds a backup of another database. Name another.")

    def read(self) -> Manifest:
        """Raises BackupError where there is no whole backup."""
        try:
            manifest = Manifest(**json.loads(self._manifest.read_text("ascii")))
        except (FileNotFoundError, ValueError, TypeError):
            raise BackupError("The folder holds no finished backup.") from None
        if manifest.format != FORMAT:
            raise BackupError("This backup was made by a newer release.")
        return manifest

    def replace(self, manifest: Manifest) -> None:
        """From here on this is the backup; the files of others go."""
        write_whole(self._manifest, json.dumps(asdict(manifest), indent=1), put=os.replace)
        for file in self.path.glob(f"{STEM}*"):
            if file.name not in (manifest.database, manifest.blobs):
                file.unlink()

    @property
    def _manifest(self) -> Path:
        return self.path / MANIFEST


def _is_ours(name: str) -> bool:
    """Hidden names are temporary files of ours, or of a file system's root."""
    return name in (MANIFEST, KEYS, BLOBS, "lost+found") or name.startswith((STEM, "."))
