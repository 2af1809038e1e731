"""UIDs that need no registered root."""

from __future__ import annotations


def uuid_derived_uid(digest: bytes) -> str:
    """A UID under ``2.25`` (PS3.5 section B.2) of the first 16 bytes of a digest.

    At most 44 characters.
    """
    uuid = bytearray(digest[:16])
    uuid[6] = uuid[6] & 0x0F | 0x80  # a UUID of version 8 (RFC 9562), variant 1
    uuid[8] = uuid[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(uuid, 'big')}"
