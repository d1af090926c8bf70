"""One suite for every object store, the one in memory that tests use included."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.errors import Permanent, Retryable
from store.objects import DirectoryStore, ObjectStore
from tests.support.memory_store import MemoryStore


@pytest.fixture(params=["folder", "memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    yield DirectoryStore(tmp_path) if request.param == "folder" else MemoryStore()


def test_what_was_put_is_what_is_got(objects: ObjectStore) -> None:
    objects.put("a/b/c", [b"one ", bytearray(b"two "), memoryview(b"three")])
    assert objects.get("a/b/c") == b"one two three"
    assert objects.exists("a/b/c")


def test_a_put_replaces_what_was_there(objects: ObjectStore) -> None:
    objects.put("a", [b"first and longer"])
    objects.put("a", [b"second"])
    assert objects.get("a") == b"second"


def test_what_is_not_there_is_said_to_be_missing(objects: ObjectStore) -> None:
    assert not objects.exists("a/b")
    with pytest.raises(Permanent, match="a/b is not in the store"):
        objects.get("a/b")


def test_what_was_deleted_is_gone_and_deleting_again_is_harmless(objects: ObjectStore) -> None:
    objects.put("a", [b"x"])
    objects.delete("a")
    objects.delete("a")
    assert not objects.exists("a")


def test_sync_returns(objects: ObjectStore) -> None:
    objects.put("a", [b"x"])
    objects.sync()
    assert objects.get("a") == b"x"


def test_parts_that_fail_leave_what_was_there(objects: ObjectStore) -> None:
    def parts() -> Iterator[bytes]:
        yield b"half"
        raise Retryable("the log went away")

    objects.put("a", [b"whole"])
    with pytest.raises(Retryable):
        objects.put("a", parts())
    assert objects.get("a") == b"whole"


@pytest.mark.parametrize("key", ["", "/a", "../a", "a//b", "a/../../b", "."])
def test_a_key_cannot_leave_the_folder(tmp_path: Path, key: str) -> None:
    with pytest.raises(Permanent, match="is not a key"):
        DirectoryStore(tmp_path).put(key, [b"x"])


def test_a_disk_that_cannot_be_written_is_for_later(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a file where a folder should be")
    with pytest.raises(Retryable, match="object store"):
        DirectoryStore(tmp_path).put("a/b", [b"x"])


def test_drafts_of_a_failed_put_do_not_stay(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"half"
        raise Retryable("the log went away")

    with pytest.raises(Retryable):
        DirectoryStore(tmp_path).put("a", parts())
    assert list(tmp_path.iterdir()) == []


def test_two_who_write_one_object_at_once_do_not_meet(tmp_path: Path) -> None:
    """As on two hosts that share the folder, where two processes may have one number."""
    other = DirectoryStore(tmp_path)

    def parts() -> Iterator[bytes]:
        yield b"begun "
        other.put("a", [b"whole, by the other"])
        yield b"and ended"

    DirectoryStore(tmp_path).put("a", parts())
    assert other.get("a") == b"begun and ended"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_descriptor_that_learns_of_failed_writes_is_open_before_them_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    original = os.open

    def noted(path: str | Path, *rest: int) -> int:
        opened.append(path)
        return original(path, *rest)

    monkeypatch.setattr(os, "open", noted)
    objects = DirectoryStore(tmp_path)
    objects.put("a", iter(lambda: b"" if opened == [tmp_path] else b"late", b""))
    for _ in range(3):
        objects.sync()
    assert opened == [tmp_path]
    assert objects.get("a") == b""


def test_each_file_system_that_holds_a_part_of_the_store_is_synced_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        (tmp_path / "results").symlink_to(elsewhere)
        (tmp_path / "instances").mkdir()
        synced: list[int] = []

        def syncfs(descriptor: int) -> int:
            synced.append(os.fstat(descriptor).st_dev)
            return 0

        monkeypatch.setattr("store.objects._LIBC.syncfs", syncfs, raising=False)
        store = DirectoryStore(tmp_path)
        store.put("results/a", [b"x"])
        store.put("instances/a", [b"x"])
        store.sync()
        assert sorted(synced) == sorted({tmp_path.stat().st_dev, Path(elsewhere).stat().st_dev})
        assert len(synced) == 2
