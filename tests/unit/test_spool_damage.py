"""Bytes that rot: no corrupt record ever comes out, and whatever is whole still does."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicom_node.spool import Close, Kind, SpoolReader
from dicom_node.spool.records import PAGE, PART, padded
from dicom_node.spool.segment import RECORDS, segment_path
from tests.support.spool import PEER, entries, instances, put, writing

SENT = {
    f"1.2.{number}": os.urandom(size) for number, size in enumerate((9000, 1, 30_000, 4096, 2 * PART + 5, 700, 12_000))
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A spool of two segments, the second for parts alone, whose writer has gone, nothing of it checkpointed."""
    folder = tmp_path_factory.mktemp("damage")
    with writing(folder) as writer:
        association = writer.open_association(PEER, {})
        for uid, data in SENT.items():
            put(association, uid, data)
        writer.close_association(association, Close.RELEASED, "")
    for spare in sorted((folder / "0").glob("*.seg"))[2:]:
        spare.unlink()
    yield folder
    shutil.rmtree(folder)


def used() -> int:
    """Bytes of a segment that hold something, about."""
    return RECORDS + 2 * padded(PART) + 5 * PAGE


class Patched:
    """A segment with some bytes changed or cut off; all that the reader has made of it is undone at the end."""

    def __init__(self, root: Path, place: int, data: bytes | None, number: int = 1) -> None:
        self._folder = root / "0"
        self._path = segment_path(self._folder, number)
        self._place, self._data = place, data

    def __enter__(self) -> None:
        self._whole = {path: path.read_bytes() for path in self._folder.iterdir()}
        with self._path.open("r+b") as file:
            if self._data is None:
                file.truncate(self._place)
            else:
                file.seek(self._place)
                file.write(self._data)

    def __exit__(self, *_: object) -> None:
        for path in self._folder.iterdir():
            if path not in self._whole:
                path.unlink()
        for path, whole in self._whole.items():
            if not path.exists() or path.read_bytes() != whole:
                path.write_bytes(whole)


def test_an_undamaged_spool_gives_everything(root: Path) -> None:
    with Patched(root, 0, b""), SpoolReader(root) as reader:
        found = list(entries(reader))
        assert instances(found) == SENT
        assert not [entry for entry in found if entry.kind is Kind.DAMAGED]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(1, 2), place=st.integers(0, used()), change=st.integers(1, 255))
def test_any_changed_byte_never_yields_a_corrupt_record(root: Path, number: int, place: int, change: int) -> None:
    whole = segment_path(root / "0", number).read_bytes()
    with Patched(root, place, bytes([whole[place] ^ change]), number), SpoolReader(root) as reader:
        found = list(entries(reader))
        got = instances(found)
        assert got.items() <= SENT.items()
        # One byte costs one record at most, and it costs none in silence.
        assert len(got) >= len(SENT) - 1
        assert len(got) == len(SENT) or any(entry.kind is Kind.DAMAGED for entry in found)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(0, used()))
def test_a_segment_cut_anywhere_yields_what_is_whole(root: Path, length: int) -> None:
    with Patched(root, length, None), SpoolReader(root) as reader:
        found = list(entries(reader))
        assert list(instances(found).items()) == list(SENT.items())[: len(instances(found))]


def test_a_damaged_instance_is_named(root: Path) -> None:
    with Patched(root, RECORDS + 2 * PAGE + 2000, b"rotten"), SpoolReader(root) as reader:
        found = list(entries(reader))
        (damaged,) = [entry for entry in found if entry.kind is Kind.DAMAGED]
        assert damaged.sop_instance == "1.2.0"
        assert "checksum" in str(damaged.details["reason"])
        assert list(instances(found)) == list(SENT)[1:]


def test_a_damaged_part_condemns_its_instance_and_no_other(root: Path) -> None:
    with Patched(root, RECORDS + PART // 2, b"rotten", number=2), SpoolReader(root) as reader:
        found = list(entries(reader))
        assert [entry.sop_instance for entry in found if entry.kind is Kind.DAMAGED] == ["1.2.4"]
        assert set(instances(found)) == set(SENT) - {"1.2.4"}
