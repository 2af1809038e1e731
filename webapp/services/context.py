"""What every service works with: made once by ``create_app``, reached by :func:`context`."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING

from flask import current_app
from sqlalchemy import Engine

from webapp.config import Settings
from webapp.extensions import db
from webapp.pipeline.deidentify import DeidentificationProfile, parse_profile
from webapp.pipeline.diagnosis import Model, load_model
from webapp.services.sandbox import Sandbox
from webapp.storage.blobs import BlobStore, LocalBlobStore
from webapp.storage.keys import Keyring
from webapp.storage.s3_address import parse_storage_url
from webapp.storage.spool import Vault

if TYPE_CHECKING:
    from webapp.services.audit import Notes

IN_MEMORY_UPLOADS = 16
"""How many single uploads (of up to 32 MB) one process holds in memory at once."""

PICTURES = 2
"""How many pictures one process decodes, and holds decoded, at once: each may be 600 MB."""


class ServiceContext:
    """The parts behind the services, each made when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.in_memory = threading.BoundedSemaphore(IN_MEMORY_UPLOADS)
        self.pictures = threading.BoundedSemaphore(PICTURES)

    @property
    def engine(self) -> Engine:
        return db.engine

    @cached_property
    def keyring(self) -> Keyring:
        if self.settings.master_keys:
            return Keyring(self.settings.master_keys.get_secret_value())
        return Keyring.from_file(self.settings.key_file)

    @cached_property
    def vault(self) -> Vault:
        return Vault(self.keyring, self._store())

    def _store(self) -> BlobStore:
        if not self.settings.storage_url:
            return LocalBlobStore(self.settings.upload_dir.absolute())
        from webapp.storage.s3_blobs import S3BlobStore  # boto3 costs 30 MB where it is not used

        return S3BlobStore(parse_storage_url(self.settings.storage_url))

    @cached_property
    def sandbox(self) -> Sandbox:
        return Sandbox()

    @cached_property
    def model(self) -> Model:
        return load_model(self.settings.diagnosis_model)

    @cached_property
    def notes(self) -> Notes:
        from webapp.services.audit import Notes

        return Notes(self.engine)

    @cached_property
    def profile(self) -> DeidentificationProfile:
        return parse_profile(self.settings.deid_profile)


def context() -> ServiceContext:
    """The parts of the app that is running."""
    found: ServiceContext = current_app.extensions["services"]
    return found
