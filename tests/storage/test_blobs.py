from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from webapp.storage.blobs import LocalBlobStore
from webapp.storage.errors import BlobMissing, StorageFull, StorageUnavailable
from webapp.storage.files import fsync_folder


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path / "uploads")


def files(store: LocalBlobStore) -> list[str]:
    return [blob.key for blob in store.iterate()]


def content(store: LocalBlobStore, key: str) -> bytes:
    blob = store.open(key)
    try:
        return blob.read(0, blob.size)
    finally:
        blob.close()


def test_a_committed_blob_is_read_back_by_its_key(store: LocalBlobStore) -> None:
    writer = store.create()
    writer.write(b"one, ")
    writer.write(memoryview(b"two"))

    key = writer.commit()

    blob = store.open(key)
    assert blob.size == 8
    assert blob.read(0, 100) == b"one, two"
    assert blob.read(5, 2) == b"tw"
    assert blob.read(8, 5) == b""


def test_a_blob_has_no_name_before_its_commit(store: LocalBlobStore) -> None:
    writer = store.create()
    writer.write(b"half")

    assert files(store) == [writer.key + ".part"]
    with pytest.raises(BlobMissing):
        store.open(writer.key)


def test_a_finished_blob_is_readable_before_and_after_its_commit(store: LocalBlobStore) -> None:
    writer = store.create()
    writer.write(b"whole")
    writer.finish()

    assert writer.open().read(0, 10) == b"whole"
    writer.commit()
    assert writer.open().read(0, 10) == b"whole"


def test_an_aborted_or_forgotten_blob_leaves_nothing(store: LocalBlobStore) -> None:
    writer = store.create()
    writer.write(b"no")
    writer.abort()
    store.create().write(b"forgotten")
    store.create().finish()

    assert files(store) == []


def test_abort_after_commit_takes_nothing_away(store: LocalBlobStore) -> None:
    writer = store.create()
    key = writer.commit()
    writer.abort()

    assert files(store) == [key]


def test_files_and_folders_are_for_the_service_alone(store: LocalBlobStore) -> None:
    path = store.path(store.create().commit())

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.parent.parent.stat().st_mode & 0o777 == 0o700


def test_a_deleted_blob_is_gone_and_may_be_deleted_again(store: LocalBlobStore) -> None:
    key = store.create().commit()

    store.delete(key)
    store.delete(key)

    assert files(store) == []
    with pytest.raises(BlobMissing):
        store.open(key)


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "a" * 31, "A" * 32, "a" * 32 + ".tmp"])
def test_what_is_no_key_names_no_file(store: LocalBlobStore, key: str) -> None:
    with pytest.raises(BlobMissing):
        store.open(key)
    with pytest.raises(BlobMissing):
        store.delete(key)


def test_the_inventory_names_blobs_and_leftovers_but_nothing_foreign(store: LocalBlobStore) -> None:
    key = store.create().commit()
    left = store.create()
    left.write(b"12345")
    store.path(key).with_name("README").write_text("not ours")

    found = {blob.key: blob for blob in store.iterate()}

    assert set(found) == {key, left.key + ".part"}
    assert found[left.key + ".part"].size == 5
    assert found[key].modified == store.path(key).stat().st_mtime


def test_a_leftover_is_deleted_by_the_name_the_inventory_gives(store: LocalBlobStore) -> None:
    left = store.create()
    (name,) = files(store)

    store.delete(name)

    assert files(store) == []
    left.abort()


def test_an_empty_store_has_an_empty_inventory_and_passes_its_check(store: LocalBlobStore) -> None:
    assert files(store) == []
    store.check()
    assert files(store) == []


def test_many_are_committed_together(store: LocalBlobStore) -> None:
    writers = [store.create() for _ in range(300)]
    for number, writer in enumerate(writers):
        writer.write(b"%d" % number)
        writer.finish()

    found = store.commit_all(writers)

    assert sorted(found) == sorted(files(store))
    assert [content(store, key) for key in found] == [b"%d" % number for number in range(300)]


def test_a_durable_commit_syncs_the_file_then_names_it_then_syncs_every_folder_above(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(handle: int) -> None:
        done.append("fsync " + os.readlink(f"/proc/self/fd/{handle}"))
        real_fsync(handle)

    def rename(old: Path, new: Path) -> None:
        done.append(f"rename {old}")
        real_rename(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    writer = store.create()
    writer.write(b"x")
    part, folder = f"{writer.path}.part", writer.path.parent

    writer.commit()

    assert done == [
        f"fsync {part}",
        f"rename {part}",
        f"fsync {folder}",
        f"fsync {folder.parent}",
        f"fsync {folder.parent.parent}",
    ]


def test_a_commit_that_need_not_last_syncs_nothing(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", _failing(errno.EIO))

    key = store.create().commit(durable=False)

    assert files(store) == [key]


STEPS: dict[str, tuple[Any, str]] = {
    "folder": (Path, "mkdir"),
    "open": (os, "open"),
    "write": (os, "write"),
    "fsync": (os, "fsync"),
    "close": (os, "close"),
    "rename": (os, "rename"),
}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("together", [False, True])
def test_a_full_disk_at_any_step_leaves_nothing_and_room_makes_it_work_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int, together: bool
) -> None:
    store = LocalBlobStore(tmp_path / "uploads")
    with monkeypatch.context() as broken:
        real_close = os.close
        broken.setattr(*STEPS[step], _failing(code, real_close if step == "close" else None))
        with pytest.raises(StorageFull):
            _write_one(store, together)

    assert files(store) == []
    assert content(store, _write_one(store, together)) == b"content"


def test_a_full_disk_when_the_folder_is_synced_takes_the_name_away_again(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("webapp.storage.blobs.fsync_folder", _failing(errno.ENOSPC))
        with pytest.raises(StorageFull):
            _write_one(store, together=False)
        with pytest.raises(StorageFull):
            _write_one(store, together=True)

    assert files(store) == []


def test_any_other_trouble_of_the_disk_is_unavailable(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(os, "write", _failing(errno.EIO))
        with pytest.raises(StorageUnavailable):
            _write_one(store, together=False)

    assert files(store) == []


def test_a_short_write_is_continued(store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, view: real(handle, view[:3]))

    assert content(store, _write_one(store, together=False)) == b"content"


def test_the_check_says_when_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "uploads").write_text("a file where the folder should be")

    with pytest.raises(StorageUnavailable):
        LocalBlobStore(tmp_path / "uploads").check()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB where one can be mounted; elsewhere a limit on the size of files."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True
    )
    yield folder if mounted.returncode == 0 else Path("/dev/full")
    if mounted.returncode == 0:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_really_full_is_refused_and_recovers(small_disk: Path) -> None:
    if small_disk == Path("/dev/full"):  # no right to mount: the kernel's own ENOSPC must do
        with pytest.raises(OSError, match="No space"), open("/dev/full", "wb", 0) as full:
            full.write(b"x")
        return
    store = LocalBlobStore(small_disk / "uploads")
    kept = _write_one(store, together=False)

    writer = store.create()
    with pytest.raises(StorageFull):
        writer.write(bytes(1 << 21))

    assert files(store) == [kept]
    assert content(store, kept) == b"content"
    assert content(store, _write_one(store, together=False)) == b"content"


def test_blobs_in_a_row_share_a_folder_so_that_new_folders_cost_little(
    store: LocalBlobStore,
) -> None:
    folders = {store.path(store.create().key).parent for _ in range(256)}

    assert len(folders) == 1
    assert store.path(store.create().key).parent not in folders


def test_a_folder_sync_reaches_the_disk(tmp_path: Path) -> None:
    fsync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        fsync_folder(tmp_path / "absent")


def _write_one(store: LocalBlobStore, together: bool) -> str:
    writer = store.create()
    writer.write(b"content")
    if together:
        return store.commit_all([writer])[0]
    return writer.commit()


def _failing(code: int, first: Callable[..., object] | None = None) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> None:
        if first is not None:
            first(*args, **kwargs)
        raise OSError(code, os.strerror(code))

    return fail
