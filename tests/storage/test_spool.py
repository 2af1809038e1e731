from __future__ import annotations

import hashlib
import os
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from webapp.storage.blobs import LocalBlobStore
from webapp.storage.errors import BlobMissing, Damaged, KeyMissing, StorageFull
from webapp.storage.keys import Keyring, new_key
from webapp.storage.spool import SealedBlob, SealedSpool, Vault
from webapp.storage.vault import CHUNK, Kind, SealedSource

SECRET = b"Doe^Jane was here. "


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path / "uploads")


@pytest.fixture
def vault(store: LocalBlobStore) -> Vault:
    return Vault(Keyring(new_key()), store)


def files(store: LocalBlobStore) -> list[str]:
    return [blob.key for blob in store.iterate()]


def reopened(vault: Vault, spool: SealedSpool, kept: SealedBlob) -> SealedSource:
    return vault.open(kept.location, kept.data_key, kept.master_key_id, spool.upload_id, spool.kind)


@pytest.mark.parametrize("size", [0, 1, 1000, CHUNK, 2 * CHUNK + 7])
def test_a_kept_spool_opens_from_what_its_row_records(vault: Vault, size: int) -> None:
    content = os.urandom(size)
    spool = vault.spool()
    for start in range(0, size, 300_000):
        spool.write(content[start : start + 300_000])

    kept = spool.keep()
    spool.close()

    source = reopened(vault, spool, kept)
    assert bytes(source.read(0, size + 1)) == content
    assert (kept.size, kept.sha256) == (size, hashlib.sha256(content).digest())
    assert (spool.size, spool.sha256) == (size, hashlib.sha256(content).digest())


def test_a_spool_is_readable_before_it_is_kept(vault: Vault) -> None:
    spool = vault.spool()
    spool.write(b"0123456789")

    assert spool.source.read(3, 4) == b"3456"
    assert spool.source.size == 10


def test_the_head_of_a_spool_is_known_without_opening_it(vault: Vault) -> None:
    spool = vault.spool()
    for piece in (b"PK", b"\x03\x04", bytes(1000)):
        spool.write(piece)

    assert spool.head == b"PK\x03\x04" + bytes(252)


def test_a_released_spool_holds_no_descriptor_and_reads_on(vault: Vault) -> None:
    before = len(os.listdir("/proc/self/fd"))
    spool = vault.spool()
    spool.write(b"0123456789")
    assert spool.source.read(0, 3) == b"012"

    spool.release()

    assert len(os.listdir("/proc/self/fd")) == before
    assert spool.source.read(3, 3) == b"345"


def test_a_spool_is_a_file_object_that_rewinds(vault: Vault) -> None:
    spool = vault.spool()
    assert spool.write(b"first line\nsecond") == 17
    assert spool.tell() == 17

    spool.seek(0)

    assert spool.readline() == b"first line\n"
    assert spool.read() == b"second"
    assert spool.tell() == 17
    assert spool.seek(-6, os.SEEK_END) == 11
    assert spool.read(3) == b"sec"


def test_a_closed_or_forgotten_spool_that_nobody_kept_leaves_nothing(
    vault: Vault, store: LocalBlobStore
) -> None:
    with vault.spool() as spool:
        spool.write(bytes(3 * CHUNK))
    discarded = vault.spool()
    discarded.seek(0)
    discarded.discard()
    vault.spool().write(b"forgotten")

    assert files(store) == []


def test_a_kept_spool_stays_when_it_is_closed(vault: Vault, store: LocalBlobStore) -> None:
    spool = vault.spool()
    kept = spool.keep()
    spool.close()

    assert files(store) == [kept.location]


def test_no_plaintext_reaches_the_disk_at_any_time(vault: Vault, tmp_path: Path) -> None:
    spool = vault.spool()
    for _ in range(2 * CHUNK // len(SECRET)):
        spool.write(SECRET)
    half = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    spool.keep()
    whole = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    assert len(half) > CHUNK
    assert SECRET not in half
    assert SECRET not in whole


def test_a_content_over_its_limit_is_counted_but_not_stored(
    vault: Vault, store: LocalBlobStore
) -> None:
    spool = vault.spool(limit=10)
    spool.write(b"0123456789")
    assert not spool.overflowed

    spool.write(bytes(CHUNK))
    spool.seek(0)

    assert spool.overflowed
    assert spool.size == CHUNK + 10
    assert files(store) == []
    with pytest.raises(ValueError, match="limit"):
        spool.keep()


def test_a_spool_takes_nothing_more_once_it_was_read(vault: Vault) -> None:
    spool = vault.spool()
    spool.seek(0)

    with pytest.raises(ValueError, match="ended"):
        spool.write(b"late")


def test_many_spools_are_kept_together(vault: Vault) -> None:
    spools = [vault.spool() for _ in range(20)]
    for number, spool in enumerate(spools):
        spool.write(b"%d" % number)

    kept = vault.keep_all(spools)

    found = [
        reopened(vault, spool, one).read(0, 9) for spool, one in zip(spools, kept, strict=True)
    ]
    assert found == [b"%d" % number for number in range(20)]


def test_hundreds_of_finished_spools_hold_no_descriptor(vault: Vault) -> None:
    before = len(os.listdir("/proc/self/fd"))
    spools = [vault.spool() for _ in range(300)]
    for spool in spools:
        spool.seek(0)

    assert len(os.listdir("/proc/self/fd")) <= before
    for spool in spools:
        spool.close()


def test_a_finished_blob_is_sealed_from_pieces_in_one_call(vault: Vault) -> None:
    upload = uuid4()

    kept = vault.seal([b"a", memoryview(b"b"), bytearray(b"c")], upload, Kind.THUMBNAIL, False)

    source = vault.open(kept.location, kept.data_key, kept.master_key_id, upload, Kind.THUMBNAIL)
    assert source.read(0, 9) == b"abc"


def test_sealing_pieces_that_break_off_leaves_nothing(vault: Vault, store: LocalBlobStore) -> None:
    def pieces():  # type: ignore[no-untyped-def]
        yield b"a"
        raise StorageFull

    with pytest.raises(StorageFull):
        vault.seal(pieces(), uuid4(), Kind.DICOM)

    assert files(store) == []


def test_a_key_that_cannot_be_wrapped_leaves_no_blob(tmp_path: Path, store: LocalBlobStore) -> None:
    vault = Vault(Keyring.create(tmp_path / "master.keys"), store)
    spool = vault.spool()
    (tmp_path / "master.keys").unlink()

    with pytest.raises(KeyMissing):
        spool.keep()
    spool.close()

    assert files(store) == []


def test_a_kept_blob_opens_as_no_other_upload_or_kind(vault: Vault) -> None:
    spool = vault.spool(UUID(int=7))
    kept = spool.keep()
    row = (kept.location, kept.data_key, kept.master_key_id)

    with pytest.raises(Damaged):
        vault.open(*row, UUID(int=8), Kind.ORIGINAL)
    with pytest.raises(Damaged):
        vault.open(*row, UUID(int=7), Kind.DICOM)
    vault.delete(kept.location)
    with pytest.raises(BlobMissing):
        vault.open(*row, UUID(int=7), Kind.ORIGINAL)


def test_two_rows_whose_blobs_were_exchanged_do_not_open(vault: Vault) -> None:
    one, other = vault.spool(UUID(int=7)), vault.spool(UUID(int=7))
    kept_one, kept_other = one.keep(), other.keep()

    with pytest.raises(Damaged):
        vault.open(
            kept_other.location, kept_one.data_key, kept_one.master_key_id, UUID(int=7), one.kind
        )


def test_rewrapping_changes_the_key_above_and_not_the_bytes(
    tmp_path: Path, store: LocalBlobStore
) -> None:
    keyring = Keyring.create(tmp_path / "master.keys")
    vault = Vault(keyring, store)
    spool = vault.spool()
    spool.write(b"stays")
    kept = spool.keep()
    keyring.append_new()

    key_id, wrapped = vault.rewrap(
        kept.data_key, kept.master_key_id, spool.upload_id, Kind.ORIGINAL
    )
    keyring.remove(kept.master_key_id)

    assert key_id != kept.master_key_id
    source = vault.open(kept.location, wrapped, key_id, spool.upload_id, Kind.ORIGINAL)
    assert source.read(0, 9) == b"stays"
    with pytest.raises(KeyMissing):
        reopened(vault, spool, kept)
