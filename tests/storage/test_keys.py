from __future__ import annotations

import base64
import os
import threading
from pathlib import Path

import pytest

from webapp.storage.errors import Damaged, KeyMissing
from webapp.storage.keys import Keyring, new_key, parse_keys


def pair(name: str, byte: int) -> str:
    return f"{name}:{base64.b64encode(bytes([byte]) * 32).decode()}"


def test_what_was_wrapped_is_unwrapped_by_the_same_keyring() -> None:
    keyring = Keyring(pair("a", 1))

    key_id, wrapped = keyring.wrap(b"data key", b"context")

    assert keyring.unwrap(key_id, wrapped, b"context") == b"data key"
    assert b"data key" not in wrapped


def test_the_newest_key_wraps_and_older_ones_still_unwrap() -> None:
    key_id, wrapped = Keyring(pair("old", 1)).wrap(b"data key", b"")

    both = Keyring(f"{pair('old', 1)},{pair('new', 2)}")

    assert both.newest_id == "new"
    assert both.ids == ("old", "new")
    assert both.wrap(b"x", b"")[0] == "new"
    assert both.unwrap(key_id, wrapped, b"") == b"data key"


def test_no_flipped_bit_of_a_wrapped_key_unwraps() -> None:
    keyring = Keyring(pair("a", 1))
    key_id, wrapped = keyring.wrap(b"data key", b"context")

    for bit in range(len(wrapped) * 8):
        changed = bytearray(wrapped)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Damaged):
            keyring.unwrap(key_id, bytes(changed), b"context")


@pytest.mark.parametrize("wrapped", [b"", b"short", b"x" * 12, b"x" * 27])
def test_a_wrapped_key_that_was_cut_is_damaged(wrapped: bytes) -> None:
    with pytest.raises(Damaged):
        Keyring(pair("a", 1)).unwrap("a", wrapped, b"")


def test_another_context_does_not_unwrap() -> None:
    keyring = Keyring(pair("a", 1))
    key_id, wrapped = keyring.wrap(b"data key", b"one upload")

    with pytest.raises(Damaged):
        keyring.unwrap(key_id, wrapped, b"another upload")


def test_an_unknown_key_is_missing_and_not_damage() -> None:
    with pytest.raises(KeyMissing) as caught:
        Keyring(pair("a", 1)).unwrap("b", b"x" * 60, b"")

    assert caught.value.facts == {"key_id": "b"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        "no-colon",
        ":" + "A" * 44,
        "with space:" + "A" * 44,
        "a:not base64!",
        "a:" + base64.b64encode(b"short").decode(),
        "a:" + base64.b64encode(b"x" * 33).decode(),
        pair("same", 1) + "," + pair("same", 2),
    ],
)
def test_malformed_keys_are_refused_without_showing_them(text: str) -> None:
    with pytest.raises(ValueError, match="master key") as caught:
        Keyring(text)

    assert not any(part and part in str(caught.value) for part in text.split(":")[1:])


def test_comments_and_blank_lines_in_a_key_file_are_passed_over() -> None:
    assert list(parse_keys(f"# ours, one\n\n{pair('a', 1)}\n{pair('b', 2)}\n")) == ["a", "b"]


def test_a_new_key_is_one_that_parses() -> None:
    (key,) = parse_keys(new_key()).values()

    assert len(key) == 32


def test_a_created_key_file_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "master.keys"

    first = Keyring.create(path)

    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        Keyring.create(path)
    assert Keyring.from_file(path).ids == first.ids
    assert [entry.name for entry in path.parent.iterdir()] == ["master.keys"]


def test_a_running_process_follows_a_rotation_of_its_key_file(tmp_path: Path) -> None:
    path = tmp_path / "master.keys"
    running = Keyring.create(path)
    other = Keyring.from_file(path)

    added = other.append_new()
    key_id, wrapped = other.wrap(b"data key", b"")

    assert key_id == added
    assert running.unwrap(key_id, wrapped, b"") == b"data key"
    assert running.newest_id == added


def test_a_key_removed_from_the_file_wraps_nothing_any_more(tmp_path: Path) -> None:
    path = tmp_path / "master.keys"
    running = Keyring.create(path)
    first = running.newest_id
    other = Keyring.from_file(path)
    other.append_new()
    other.remove(first)

    assert running.wrap(b"data key", b"")[0] == other.newest_id
    assert running.ids == other.ids == (other.newest_id,)


def test_the_newest_key_and_an_unknown_one_cannot_be_removed(tmp_path: Path) -> None:
    keyring = Keyring.create(tmp_path / "master.keys")

    with pytest.raises(ValueError, match="newest"):
        keyring.remove(keyring.newest_id)
    with pytest.raises(KeyMissing):
        keyring.remove("unknown")


def test_rotations_at_once_lose_no_key(tmp_path: Path) -> None:
    path = tmp_path / "master.keys"
    Keyring.create(path)
    added: list[str] = []

    def rotate() -> None:
        keyring = Keyring.from_file(path)
        added.extend(keyring.append_new() for _ in range(5))

    threads = [threading.Thread(target=rotate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(added) == 20
    assert set(added) < set(Keyring.from_file(path).ids)
    assert os.listdir(tmp_path) == ["master.keys"]


def test_keys_from_the_setting_cannot_be_rewritten_here() -> None:
    with pytest.raises(ValueError, match="MASTER_KEYS"):
        Keyring(pair("a", 1)).append_new()


@pytest.mark.parametrize("text", [None, "broken"])
def test_a_key_file_gone_bad_is_a_passing_trouble_and_known_keys_still_open(
    tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "master.keys"
    keyring = Keyring.create(path)
    key_id, wrapped = keyring.wrap(b"data key", b"")
    path.unlink()
    if text is not None:
        path.write_text(text)

    assert keyring.unwrap(key_id, wrapped, b"") == b"data key"
    with pytest.raises(KeyMissing):
        keyring.wrap(b"data key", b"")
