"""The master keys: they wrap data keys and never touch a file's bytes.

A keyring is a list of ``id:base64`` pairs, newest last, from the setting
``MASTER_KEYS`` (separated by commas) or from ``MASTER_KEY_FILE`` (one a line).
New wraps use the newest; a wrap names its key by id, so older ones go on
opening. A file is looked at again before every wrap and on an unknown id:
running processes follow a rotation without a restart.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import threading
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from webapp.storage.errors import Damaged, KeyMissing
from webapp.storage.files import folder_locked, link_new, write_whole

KEY_LENGTH = 32
NONCE_LENGTH = 12

_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Keyring:
    """Master keys by id. Safe to share between threads.

    Raises ValueError, without a byte of any key, when the text is malformed.
    """

    def __init__(self, text: str = "", path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: object = None
        self._keys: dict[str, AESGCM] = {}
        if path is None:
            self._keys = _ciphers(parse_keys(text))
        else:
            self._read_again()

    @classmethod
    def from_file(cls, path: Path) -> Keyring:
        """The keys in ``path``. Raises FileNotFoundError or ValueError."""
        return cls(path=path)

    @classmethod
    def create(cls, path: Path) -> Keyring:
        """A new file (mode 0600) with one new key. Raises FileExistsError, never overwrites."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, new_key() + "\n", put=link_new)
        return cls(path=path)

    @property
    def newest_id(self) -> str:
        """Id of the key that new wraps use."""
        self._follow_file()
        return next(reversed(self._keys))

    @property
    def ids(self) -> tuple[str, ...]:
        """All ids, newest last."""
        self._follow_file()
        return tuple(self._keys)

    def wrap(self, key: bytes, aad: bytes) -> tuple[str, bytes]:
        """Seal ``key`` (any short bytes) under the newest master key: its id and the sealed bytes.

        Sealed: nonce (12), ciphertext, tag (16).
        """
        self._follow_file()
        key_id, cipher = next(reversed(self._keys.items()))
        nonce = secrets.token_bytes(NONCE_LENGTH)
        return key_id, nonce + cipher.encrypt(nonce, key, aad)

    def unwrap(self, key_id: str, wrapped: bytes, aad: bytes) -> bytes:
        """What :meth:`wrap` sealed. Raises KeyMissing for an unknown id, else Damaged."""
        nonce, sealed = wrapped[:NONCE_LENGTH], wrapped[NONCE_LENGTH:]
        cipher = self._cipher(key_id)
        try:
            return cipher.decrypt(nonce, sealed, aad)
        except (InvalidTag, ValueError):
            raise Damaged from None

    def append_new(self) -> str:
        """Put a new key at the end of the file and return its id. Other processes follow by it."""
        line = new_key()
        self._rewrite(lambda keys: keys | parse_keys(line))
        return line.partition(":")[0]

    def put_back(self, key_id: str, key: bytes) -> None:
        """Undo :meth:`remove`, as the oldest key."""
        self._rewrite(lambda keys: {key_id: key} | keys)

    def remove(self, key_id: str) -> bytes:
        """Take a key out of the file and return it.

        Raises KeyMissing, or ValueError for the newest one.
        """
        removed: list[bytes] = []
        if key_id == self.newest_id:
            raise ValueError("the newest master key cannot be removed")

        def without(keys: dict[str, bytes]) -> dict[str, bytes]:
            if key_id not in keys:
                raise KeyMissing(key_id=key_id)
            removed.append(keys[key_id])
            return {name: key for name, key in keys.items() if name != key_id}

        self._rewrite(without)
        return removed[0]

    def _cipher(self, key_id: str) -> AESGCM:
        if key_id not in self._keys and self._path is not None:
            self._read_again()
        try:
            return self._keys[key_id]
        except KeyError:
            raise KeyMissing(key_id=key_id) from None

    def _follow_file(self) -> None:
        """A key that was retired from the file must not wrap anything any more."""
        if self._path is None:
            return
        try:
            current = _stamp(self._path)
        except FileNotFoundError:
            current = None
        if current is None or current != self._stamp:
            self._read_again()

    def _read_again(self) -> None:
        assert self._path is not None
        with self._lock:
            try:
                stamp = _stamp(self._path)
                text = self._path.read_text("ascii", errors="replace")
                self._keys, self._stamp = _ciphers(parse_keys(text)), stamp
            except (OSError, ValueError):
                if not self._keys:
                    raise
                raise KeyMissing(key_id="MASTER_KEY_FILE") from None

    def _rewrite(self, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> None:
        if self._path is None:
            raise ValueError("the master keys come from MASTER_KEYS and are changed there")
        with folder_locked(self._path.parent):
            keys = change(parse_keys(self._path.read_text("ascii", errors="replace")))
            text = "".join(f"{name}:{_encode(key)}\n" for name, key in keys.items())
            write_whole(self._path, text, put=os.replace)
        self._read_again()


def new_key() -> str:
    """A new ``id:base64`` pair, as both settings take it."""
    return f"k{secrets.token_hex(6)}:{_encode(secrets.token_bytes(KEY_LENGTH))}"


def parse_keys(text: str) -> dict[str, bytes]:
    """``id:base64`` pairs, separated by commas or lines, ``#`` for a comment line; newest last.

    Raises ValueError with a sentence that holds no key.
    """
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    pairs = [pair.strip() for line in lines for pair in line.split(",") if pair.strip()]
    keys = dict(_pair(number, pair) for number, pair in enumerate(pairs, 1))
    if not keys:
        raise ValueError("no master key is given")
    if len(keys) != len(pairs):
        raise ValueError("two master keys have the same id")
    return keys


def _pair(number: int, pair: str) -> tuple[str, bytes]:
    key_id, _, encoded = pair.partition(":")
    if not _KEY_ID.fullmatch(key_id):
        raise ValueError(f"master key {number} has no valid id (letters, digits, . _ -)")
    try:
        key = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"master key {number} is not base64") from None
    if len(key) != KEY_LENGTH:
        raise ValueError(f"master key {number} is not {KEY_LENGTH} bytes long")
    return key_id, key


def _ciphers(keys: dict[str, bytes]) -> dict[str, AESGCM]:
    return {key_id: AESGCM(key) for key_id, key in keys.items()}


def _encode(key: bytes) -> str:
    return base64.b64encode(key).decode("ascii")


def _stamp(path: Path) -> object:
    facts = path.stat()
    return facts.st_mtime_ns, facts.st_ino, facts.st_size
