"""What can be wrong with a batch, an archive, or one entry of either.

Those of a batch or archive are raised; those of an entry stand in the entry,
and the others go on.
"""

from __future__ import annotations

from webapp.errors import Rejected


class BatchMalformed(Rejected):
    """The body is not JSON (RFC 8259), or not of the documented form."""

    code = "batch-malformed"


class BatchTooDeep(Rejected):
    """JSON nested deeper than anything sensible. Facts: ``limit`` (levels)."""

    code = "batch-too-deep"


class BatchEmpty(Rejected):
    """No file at all."""

    code = "batch-empty"


class BatchTooLarge(Rejected):
    """All files together are too large. Facts: ``limit`` (megabytes)."""

    code = "batch-too-large"


class BatchTooManyFiles(Rejected):
    """More files than ``MAX_BATCH_FILES``. Facts: ``limit`` (files)."""

    code = "batch-too-many-files"


class ArchiveDamaged(Rejected):
    """No ZIP, or one that contradicts itself; of an entry: its bytes do not unpack."""

    code = "archive-damaged"


class ArchiveEncrypted(Rejected):
    """Entries are locked with a password."""

    code = "archive-encrypted"


class ArchiveBomb(Rejected):
    """It expands beyond what is plausible, or entries share bytes. Facts: ``limit`` (ratio)."""

    code = "archive-bomb"


class ArchiveMethodUnsupported(Rejected):
    """An entry is packed by a method other than stored, deflate, bzip2 or LZMA."""

    code = "archive-method-unsupported"


class EntryMalformed(Rejected):
    """An entry of ``files`` is no object."""

    code = "entry-malformed"


class FieldRepeated(Rejected):
    """An entry has one field twice, so it is unclear which is meant."""

    code = "field-repeated"


class FilenameMissing(Rejected):
    """An entry has no ``filename``, an empty one, or one that is no text."""

    code = "filename-missing"


class FilenameTooLong(Rejected):
    """A name longer than any file system takes. Facts: ``limit`` (characters)."""

    code = "filename-too-long"


class StudyKeyInvalid(Rejected):
    """``study_key`` is no text of 1 to 128 visible ASCII characters."""

    code = "study-key-invalid"


class ContentMissing(Rejected):
    """An entry has no ``content``."""

    code = "content-missing"


class ContentNotText(Rejected):
    """``content`` is something else than a string."""

    code = "content-not-text"


class Base64Invalid(Rejected):
    """``content`` is not base64 (RFC 4648), or a ``data:`` URL of another coding."""

    code = "base64-invalid"


class FileTooLarge(Rejected):
    """One file is too large. Facts: ``limit`` (megabytes)."""

    code = "file-too-large"
