"""What can go wrong with keys and stored bytes.

:class:`Damaged` and :class:`BlobMissing` are neither the file's fault nor a
passing trouble, so they stand directly under :class:`ServiceError`.
"""

from __future__ import annotations

import errno

from webapp.errors import ServiceError, Unavailable


class StorageFull(Unavailable):
    """No room left (ENOSPC, EDQUOT): nothing half-written stays, it works again with room."""

    code = "storage-full"


class StorageUnavailable(Unavailable):
    """The storage cannot be reached, read or written just now."""

    code = "storage-unavailable"


class KeyMissing(Unavailable):
    """No master key of this id is deployed here (yet). Facts: ``key_id``."""

    code = "key-missing"


class BlobMissing(ServiceError):
    """A row names a blob that the storage does not hold."""

    code = "blob-missing"


class Damaged(ServiceError):
    """Sealed bytes that do not open: changed, cut, exchanged, or under another key."""

    code = "blob-damaged"


NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def storage_error(error: OSError) -> Unavailable:
    """The error of ours for an error of the operating system."""
    return StorageFull() if error.errno in NO_ROOM else StorageUnavailable()


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached just now, or is too busy to answer."""

    code = "database-unavailable"


class CommitUncertain(DatabaseUnavailable):
    """The database went away while it committed: the rows may be there or not."""
