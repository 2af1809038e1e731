"""One contract, kept by a folder and by a bucket of a real S3 server alike."""

from __future__ import annotations

import gc
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import numpy
import pytest

from webapp.storage.blobs import BlobStore, LocalBlobStore
from webapp.storage.errors import BlobMissing, Damaged
from webapp.storage.keys import Keyring, new_key
from webapp.storage.s3_address import parse_storage_url
from webapp.storage.s3_blobs import S3BlobStore
from webapp.storage.spool import SealedBlob, Vault
from webapp.storage.vault import CHUNK, Kind

LARGE = 20 << 20


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "folder":
        return LocalBlobStore(tmp_path / "uploads")
    return S3BlobStore(parse_storage_url(request.getfixturevalue("storage_url")))


@pytest.fixture
def vault(store: BlobStore) -> Vault:
    return Vault(Keyring(new_key()), store)


def pattern(size: int) -> bytes:
    """Bytes that are not the same anywhere near."""
    return numpy.arange(size // 4 + 1, dtype=">u4").tobytes()[:size]


def keys(store: BlobStore) -> set[str]:
    return {blob.key for blob in store.iterate()}


def content(store: BlobStore, key: str) -> bytes:
    with closing(store.open(key)) as blob:
        return blob.read(0, blob.size)


def put(store: BlobStore, *pieces: bytes) -> str:
    writer = store.create()
    for piece in pieces:
        writer.write(piece)
    return writer.commit()


class TestBlobStore:
    """What every store does."""

    def test_what_was_written_is_read_by_position(self, store: BlobStore) -> None:
        with closing(store.open(put(store, b"one, ", b"two"))) as blob:
            assert blob.size == 8
            assert blob.read(0, 100) == b"one, two"
            assert blob.read(5, 2) == b"tw"
            assert blob.read(8, 5) == b""

    @pytest.mark.parametrize("size", [0, 1, CHUNK, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, LARGE])
    def test_a_blob_of_any_size_comes_back_whole(self, store: BlobStore, size: int) -> None:
        whole = pattern(size)

        key = put(store, *(whole[at : at + 700_001] for at in range(0, size, 700_001)))

        assert content(store, key) == whole
        assert [(blob.key, blob.size) for blob in store.iterate()] == [(key, size)]

    def test_any_span_of_a_large_blob_is_read_alone(self, store: BlobStore) -> None:
        whole = pattern(LARGE)
        with closing(store.open(put(store, whole))) as blob:
            for at, length in [(0, 1), (CHUNK - 1, 50), (LARGE - 7, 7), (5, 9 << 20), (3, 2)]:
                assert blob.read(at, length) == whole[at : at + length]

    def test_reading_on_from_where_it_stopped_gives_everything(self, store: BlobStore) -> None:
        whole = pattern(LARGE)
        with closing(store.open(put(store, whole))) as blob:
            pieces = [blob.read(at, 300_000) for at in range(0, LARGE, 300_000)]

        assert b"".join(pieces) == whole

    @pytest.mark.parametrize("size", [10, LARGE])
    def test_what_is_half_written_cannot_be_seen(self, store: BlobStore, size: int) -> None:
        writer = store.create()
        writer.write(pattern(size))

        assert keys(store) <= {writer.key + ".part"}
        with pytest.raises(BlobMissing):
            store.open(writer.key)
        writer.abort()

    @pytest.mark.parametrize("size", [10, LARGE])
    def test_a_finished_blob_is_read_before_and_after_its_commit(
        self, store: BlobStore, size: int
    ) -> None:
        writer = store.create()
        writer.write(pattern(size))
        writer.finish()

        with closing(writer.open()) as blob:
            assert blob.read(3, 4) == pattern(size)[3:7]
        assert content(store, writer.commit()) == pattern(size)

    @pytest.mark.parametrize("finished", [False, True])
    @pytest.mark.parametrize("size", [0, 10, LARGE])
    def test_an_aborted_blob_leaves_nothing(
        self, store: BlobStore, size: int, finished: bool
    ) -> None:
        writer = store.create()
        writer.write(pattern(size))
        if finished:
            writer.finish()

        writer.abort()
        writer.abort()

        assert keys(store) == set()

    def test_a_small_blob_that_was_forgotten_leaves_nothing(self, store: BlobStore) -> None:
        store.create().write(b"forgotten")
        gc.collect()

        assert keys(store) == set()

    def test_abort_after_commit_takes_nothing_away(self, store: BlobStore) -> None:
        writer = store.create()
        key = writer.commit()
        writer.abort()

        assert keys(store) == {key}

    def test_a_deleted_blob_is_gone_and_may_be_deleted_again(self, store: BlobStore) -> None:
        key = put(store, b"x")

        store.delete(key)
        store.delete(key)

        assert keys(store) == set()
        with pytest.raises(BlobMissing):
            store.open(key)

    @pytest.mark.parametrize("key", ["", "../../etc/passwd", "a" * 31, "A" * 32, "a" * 32 + "/"])
    def test_what_is_no_key_names_nothing(self, store: BlobStore, key: str) -> None:
        with pytest.raises(BlobMissing):
            store.open(key)
        with pytest.raises(BlobMissing):
            store.delete(key)

    def test_a_leftover_is_named_by_the_inventory_and_deleted_by_that_name(
        self, store: BlobStore
    ) -> None:
        left = store.create()
        left.write(pattern(LARGE))
        (name,) = keys(store)

        store.delete(name)

        assert name == left.key + ".part"
        assert keys(store) == set()
        left.abort()

    def test_a_leftover_goes_without_the_blob_of_its_name(self, store: BlobStore) -> None:
        key = put(store, b"whole")

        store.delete(key + ".part")

        assert content(store, key) == b"whole"

    def test_the_inventory_tells_size_and_time_and_begins_where_it_is_told(
        self, store: BlobStore
    ) -> None:
        first, second = ("ab" + "0" * 30, "cd" + "0" * 30)
        for key in (first, second):
            writer = store.create(key)
            writer.write(b"12345")
            writer.commit()

        assert keys(store) == {first, second}
        (found,) = store.iterate("cd")
        (other,) = store.iterate("ab")
        assert (found.key, found.size) == (second, 5)
        assert abs(found.modified - other.modified) < 60

    def test_many_are_committed_together(self, store: BlobStore) -> None:
        writers = [store.create() for _ in range(60)]
        for number, writer in enumerate(writers):
            writer.write(b"%d" % number)
            writer.finish()

        found = store.commit_all(writers)

        assert set(found) == keys(store)
        assert [content(store, key) for key in found] == [b"%d" % n for n in range(60)]

    def test_the_check_leaves_nothing(self, store: BlobStore) -> None:
        store.check()

        assert keys(store) == set()

    def test_what_was_sealed_opens(self, vault: Vault) -> None:
        upload_id, whole = uuid4(), pattern(3 * CHUNK + 5)

        sealed = vault.seal([whole], upload_id, Kind.DICOM)

        assert bytes(_opened(vault, sealed, upload_id)) == whole

    def test_a_blob_that_was_exchanged_does_not_open(self, vault: Vault) -> None:
        first, second = uuid4(), uuid4()
        sealed = vault.seal([b"one"], first, Kind.DICOM)
        other = vault.seal([b"two"], second, Kind.DICOM)

        with pytest.raises(Damaged):
            _opened(vault, SealedBlob(other.location, *_rest(sealed)), first)

    def test_a_spool_that_nobody_kept_is_gone(self, vault: Vault) -> None:
        with closing(vault.spool()) as spool:
            spool.write(pattern(LARGE))
            assert spool.source.read(5, 4) == pattern(16)[5:9]

        assert keys(vault.store) == set()


def _opened(vault: Vault, sealed: SealedBlob, upload_id: object) -> memoryview:
    source = vault.open(
        sealed.location,
        sealed.data_key,
        sealed.master_key_id,
        upload_id,
        Kind.DICOM,  # type: ignore[arg-type]
    )
    with closing(source):
        return source.read(0, source.size)


def _rest(sealed: SealedBlob) -> tuple[bytes, str, int, bytes]:
    return sealed.data_key, sealed.master_key_id, sealed.size, sealed.sha256
