"""The order of an association's records is in the records, wherever they lie and whenever the reader looks."""

import os
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pytest
from crc32c import crc32c

from dicom_node.spool import PART, AssociationWriter, Close, Entry, Kind, SpoolReader
from dicom_node.spool import follower as followers
from dicom_node.spool import segment as segments
from dicom_node.spool.records import HEADER, padded, unpack
from dicom_node.spool.segment import RECORDS, Checkpoint, read_checkpoint, read_header, read_record, write_checkpoint
from domain.errors import Unavailable
from tests.support.spool import CT, IMPLICIT, PEER, entries, fill, instances, put, send, writing

LARGE = os.urandom(4 * PART)  # over two segments of 8 MiB


def closes(found: list[Entry]) -> list[str]:
    return [str(entry.details["how"]) for entry in found if entry.kind is Kind.ASSOCIATION_CLOSED]


def segment(root: Path, number: int) -> Path:
    return root / "0" / f"{number:06d}.seg"


def test_a_record_waits_for_earlier_ones_in_a_segment_that_the_reader_has_not_seen(tmp_path: Path) -> None:
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        send(writer, [("1.0", b"x")])
        assert instances(entries(reader)) == {"1.0": b"x"}
        # The reader lists files seldom: what it knows now is all that it knows when it next looks.
        reader._next_list = float("inf")
        send(writer, [("1.1", LARGE), ("1.2", b"small")])
        found = list(entries(reader, timeout=0))
        assert instances(found) == {"1.1": LARGE, "1.2": b"small"}
    assert [entry.sequence for entry in found] == sorted(entry.sequence for entry in found)


def test_a_backlog_comes_whole_however_its_records_are_spread_over_segments(tmp_path: Path) -> None:
    """As several senders at once spread them: each write takes the segment that is free at that moment."""
    sent = {f"1.{number}": b"x" for number in range(24)}
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        association = writer.open_association(PEER, {})
        pool = writer._access.pool
        lent = [pool.acquire(), pool.acquire()]
        for number, (uid, data) in enumerate(sent.items()):
            which = number % 3 == 2
            pool.release(lent[which])
            put(association, uid, data)
            lent[which] = pool.acquire()
        for segment in lent:
            pool.release(segment)
        assert instances(reader.poll(0)) == sent


def test_a_record_that_is_read_while_it_is_written_is_whole_however_much_is_written_before_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader may be kept from the processor between its looks at a record and at what follows it."""
    data = os.urandom(3 << 16)
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        association = writer.open_association(PEER, {})
        put(association, "1.1", data)
        honest, begun = followers._read, iter([True])

        def while_it_is_written(fd: int, length: int, offset: int) -> bytes:
            read = honest(fd, length, offset)
            if length == len(data) and next(begun, False):
                writer.close_association(association, Close.RELEASED, "")
                return read[: 1 << 16].ljust(length, b"\0")
            return read

        monkeypatch.setattr(followers, "_read", while_it_is_written)
        found = list(entries(reader))
    assert instances(found) == {"1.1": data}
    assert not [entry for entry in found if entry.kind is Kind.DAMAGED]


def test_a_new_use_of_a_segment_is_found_before_what_was_written_after_it(tmp_path: Path) -> None:
    """All that an earlier use held is taken over; the next large instance begins in it and ends elsewhere."""
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        for turn in range(6):
            sent = [(f"1.{turn}.1", LARGE), (f"1.{turn}.2", b"small")]
            send(writer, sent)
            found = list(entries(reader))
            assert instances(found) == dict(sent)
            assert not [entry for entry in found if entry.kind is Kind.DAMAGED]
            reader.checkpoint(found)


def test_an_instance_over_two_segments_is_whole_or_past_when_power_goes_between_their_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing(tmp_path) as writer:
        send(writer, [("1.1", LARGE), ("1.2", b"small")])
        with SpoolReader(tmp_path) as reader:
            found = list(entries(reader))
            cuts = iter([False])

            def power_goes(fd: int, data: bytes, offset: int) -> None:
                if next(cuts, True):
                    raise OSError("power is gone")
                honest(fd, data, offset)

            honest = segments._write
            with monkeypatch.context() as patch, pytest.raises(Unavailable):
                patch.setattr(segments, "_write", power_goes)
                reader.checkpoint(found)
        with SpoolReader(tmp_path) as reader:
            again = list(entries(reader))
            assert not [entry for entry in again if entry.kind is Kind.DAMAGED]
            assert instances(again).items() <= {"1.1": LARGE, "1.2": b"small"}.items()
            reader.checkpoint(again)
        with SpoolReader(tmp_path) as reader:
            assert list(entries(reader)) == []


def test_an_instance_whose_parts_lie_before_a_checkpoint_was_taken_over_and_comes_no_more(tmp_path: Path) -> None:
    """Power went when the checkpoints of the parts' segments were written and that of the last record was not."""
    with writing(tmp_path) as writer:
        association = writer.open_association(PEER, {})
        put(association, "1.1", LARGE)
        put(association, "1.2", b"small")
        writer.close_association(association, Close.RELEASED, "")
        fd = os.open(segment(tmp_path, 2), os.O_RDWR)  # which holds parts alone
        header, offset, last = read_header(fd), RECORDS, RECORDS
        assert header is not None
        while (record := read_record(fd, header, offset)) is not None:
            offset += padded(record.length)
            last = offset if record.kind is Kind.PART else last
        write_checkpoint(fd, Checkpoint(header.epoch, last, finished=False))
        os.close(fd)
        with SpoolReader(tmp_path) as reader:
            found = list(entries(reader))
    assert not [entry for entry in found if entry.kind is Kind.DAMAGED]
    assert "1.2" in instances(found)
    assert closes(found) == ["released"]


def spoil_last_part(root: Path) -> bool:
    """Change a byte of the last part that was written, in whichever segment."""
    last, place = -1, (root, 0)
    for path in sorted((root / "0").glob("*.seg")):
        with path.open("rb") as file:
            header, offset = read_header(file.fileno()), RECORDS
            while header and (record := read_record(file.fileno(), header, offset)) is not None:
                if record.kind is Kind.PART and record.sequence > last:
                    last, place = record.sequence, (path, offset + HEADER)
                offset += padded(record.length)
    with place[0].open("r+b") as file:
        file.seek(place[1])
        byte = file.read(1)
        file.seek(place[1])
        file.write(bytes([byte[0] ^ 1]))
    return last > 0


def test_an_instance_that_was_taken_over_says_nothing_of_the_next_one_under_its_uid(tmp_path: Path) -> None:
    """The same instance comes twice in an association, whole and then with a part that the disk lost."""
    with writing(tmp_path) as writer:
        association = writer.open_association(PEER, {})
        put(association, "1.1", LARGE[: 2 * PART + 1])
        with SpoolReader(tmp_path) as reader:
            reader.checkpoint(entries(reader))
        put(association, "1.1", LARGE[: 2 * PART + 1])
        assert spoil_last_part(tmp_path)
        writer.close_association(association, Close.RELEASED, "")
        with SpoolReader(tmp_path) as reader:
            found = list(entries(reader))
    assert [entry.sop_instance for entry in found if entry.kind is Kind.DAMAGED] == ["1.1"]


def test_what_is_remembered_of_earlier_parts_goes_with_their_association(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        for number in range(2):
            send(writer, [(f"1.{number}", LARGE)])
        with SpoolReader(tmp_path) as reader:
            reader.checkpoint(entries(reader))
        with SpoolReader(tmp_path) as reader:
            assert list(entries(reader)) == []
            assert reader._reassembly._passed
            for number in range(4):
                send(writer, [(f"2.{number}", LARGE)])
                reader.checkpoint(entries(reader))
            assert reader._reassembly._passed == {}


@dataclass
class Power:
    """Goes after so many durable writes of the reader."""

    left: int
    write: Callable[..., None] = segments._write
    fsync: Callable[[int], None] = os.fsync

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError("power is gone")

    def checkpoint(self, fd: int, data: bytes, offset: int) -> None:
        self.spend()
        self.write(fd, data, offset)

    def sync(self, fd: int) -> None:
        self.spend()
        self.fsync(fd)


def parts(association: AssociationWriter, uid: str, data: bytes) -> Iterator[None]:
    """Write one instance, with a pause after each part."""
    association.begin(CT, uid, IMPLICIT, 1)
    for start in range(0, len(data), PART):
        if start:
            association.flush()
            yield
        association.buffer[: len(data[start : start + PART])] = data[start : start + PART]
        association.fill = len(data[start : start + PART])
    association.commit()


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Large instances of two associations, their parts in turn, over five segments; the listener has ended."""
    root = tmp_path_factory.mktemp("crossing")
    with writing(root) as writer:
        one, two = writer.open_association(PEER, {}), writer.open_association(PEER, {})
        for number in range(2):
            for _ in zip_longest(parts(one, f"1.{number}", LARGE), parts(two, f"2.{number}", LARGE)):
                pass
            put(one, f"1.{number}.1", b"small")
        writer.close_association(one, Close.RELEASED, "")
        writer.close_association(two, Close.RELEASED, "")
    return root


@pytest.mark.parametrize("undeclared", [(), ("1.0",), ("2.0",), ("1.0.1",), ("2.1", "1.1")])
@pytest.mark.parametrize("writes", range(0, 9, 2))
def test_power_may_go_at_any_checkpoint_and_segments_be_written_over(
    crossing: Path, tmp_path: Path, undeclared: tuple[str, ...], writes: int
) -> None:
    root, power = tmp_path / "spool", Power(writes)
    shutil.copytree(crossing, root)
    with SpoolReader(root) as reader, pytest.MonkeyPatch.context() as patch, suppress(Unavailable):
        found = list(entries(reader))
        assert len(instances(found)) == 6
        patch.setattr(segments, "_write", power.checkpoint)
        patch.setattr(os, "fsync", power.sync)
        reader.checkpoint(entry for entry in found if entry.sop_instance not in undeclared)
    for path in (root / "0").glob("*.seg"):
        with path.open("r+b") as file:
            header = read_header(file.fileno())
            if header and read_checkpoint(file.fileno(), header.epoch).finished:
                file.seek(RECORDS)
                file.write(bytes(header.size - RECORDS))
    with SpoolReader(root) as reader:
        again = list(entries(reader))
        assert not [entry.details for entry in again if entry.kind is Kind.DAMAGED]
        assert "lost" not in closes(again)
        assert set(instances(again)) >= set(undeclared)
        reader.checkpoint(again)
    with SpoolReader(root) as reader:
        assert list(entries(reader)) == []


def test_a_checkpoint_that_could_not_be_written_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(fd: int, data: bytes, offset: int) -> None:
        raise OSError("bad block")

    with writing(tmp_path) as writer:
        send(writer, [("1.1", b"x")])
        with SpoolReader(tmp_path) as reader:
            found = list(entries(reader))
            with monkeypatch.context() as patch, pytest.raises(Unavailable):
                patch.setattr(segments, "_write", failing)
                reader.checkpoint(found)
            assert reader.poll(0) == []
        with SpoolReader(tmp_path) as reader:
            assert list(entries(reader)) == []


def test_an_idle_association_is_known_to_be_open_after_its_segments_are_written_over(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        idle = writer.open_association(PEER, {})
        put(idle, "1.1", b"kept")
        for turn in range(12):
            send(writer, [(f"2.{turn}", LARGE)])
            with SpoolReader(tmp_path) as reader:
                reader.checkpoint(list(entries(reader)))
    with SpoolReader(tmp_path) as reader:
        (lost,) = [entry for entry in entries(reader) if entry.kind is Kind.ASSOCIATION_CLOSED]
        assert (lost.association, lost.calling, lost.details["how"]) == (idle.id, "SCANNER", "lost")
    with SpoolReader(tmp_path) as reader:
        reader.checkpoint(list(entries(reader)))
    with SpoolReader(tmp_path) as reader:
        assert list(entries(reader)) == []


def test_a_closed_association_is_not_lost_because_an_early_record_of_it_still_waits(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        association = writer.open_association(PEER, {})
        put(association, "1.1", b"waits")
        put(association, "1.2", LARGE)
        put(association, "1.3", LARGE)
        writer.close_association(association, Close.RELEASED, "")
        with SpoolReader(tmp_path) as reader:
            found = list(entries(reader))
            reader.checkpoint(entry for entry in found if entry.sop_instance != "1.1")
        send(writer, [(f"2.{number}", LARGE) for number in range(2)])
        with SpoolReader(tmp_path) as reader:
            found = list(entries(reader))
            reader.checkpoint(entry for entry in found if entry.sop_instance != "1.1")
    with SpoolReader(tmp_path) as reader:
        found = list(entries(reader))
        assert instances(found)["1.1"] == b"waits"
        assert "lost" not in closes(found)
        assert not [entry for entry in found if entry.kind is Kind.DAMAGED]


def test_a_record_that_is_nowhere_though_a_later_one_is_there_is_damage_and_said(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        association = writer.open_association(PEER, {})
        put(association, "1.1", LARGE[: 3 * PART])
        put(association, "1.2", LARGE[: 3 * PART])
        writer.close_association(association, Close.RELEASED, "")
        fd = os.open(segment(tmp_path, 2), os.O_RDWR)
        header, places = read_header(fd), [RECORDS]
        assert header is not None
        while (record := read_record(fd, header, places[-1])) is not None:
            places.append(places[-1] + padded(record.length))
        # The last part of the association in this segment, and what ends the segment.
        for place in places[-3:]:
            os.pwrite(fd, bytes(HEADER), place)
        os.close(fd)
        with SpoolReader(tmp_path) as reader:
            found = list(entries(reader))
    damaged = [entry for entry in found if entry.kind is Kind.DAMAGED]
    assert damaged
    assert "missing" in str(damaged[0].details["reason"])
    assert closes(found) == ["released"]


def test_a_record_that_comes_while_the_reader_settles_the_order_is_due_and_nothing_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        association = writer.open_association(PEER, {})
        list(entries(reader))
        coming = iter(["1.1", "1.2", "1.3"])
        settle = reader._settle_order

        def meanwhile() -> tuple[list[Entry], bool]:
            if uid := next(coming, None):
                put(association, uid, b"x")
                writer.refuse_association(PEER, 1, 1, 1, "unknown")
            return settle()

        monkeypatch.setattr(reader, "_settle_order", meanwhile)
        found = list(entries(reader))
    assert not [entry.details for entry in found if entry.kind is Kind.DAMAGED]
    assert set(instances(found)) == {"1.1", "1.2", "1.3"}
    assert writer.run not in reader._rosters[0]._known


@pytest.mark.timeout(20)
def test_the_last_record_of_a_segment_that_is_damaged_and_was_proven_holds_nobody_up(tmp_path: Path) -> None:
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        association = writer.open_association(PEER, {})
        list(entries(reader))
        put(association, "1.1", b"decays")
        fd = os.open(segment(tmp_path, 1), os.O_RDWR)
        header, offset = read_header(fd), RECORDS
        assert header is not None
        while (record := read_record(fd, header, offset)) is not None:
            last, offset = offset, offset + padded(record.length)
        os.pwrite(fd, b"D", last + HEADER)
        os.close(fd)
        taken = writer._pool.acquire()
        put(association, "1.2", b"elsewhere")
        writer._pool.release(taken)
        found = list(entries(reader))
        assert [entry.details["reason"] for entry in found if entry.kind is Kind.DAMAGED]
        assert instances(found) == {"1.2": b"elsewhere"}
        put(association, "1.3", b"behind")
        put(association, "1.4", b"behind")
        assert set(instances(entries(reader))) == {"1.3", "1.4"}


def as_version_1(path: Path) -> None:
    """Rewrite the records of a segment as the first version wrote them: without attempts."""
    with path.open("r+b") as file:
        header, offset = read_header(file.fileno()), RECORDS
        assert header is not None
        while (record := read_record(file.fileno(), header, offset)) is not None:
            file.seek(offset)
            raw = bytearray(file.read(HEADER))
            raw[8:10] = struct.pack("<H", 1)
            fields = struct.Struct("<8sHHI Q16s 16sQ QQQII")
            struct.pack_into("<IQQ", raw, fields.size, 7, 1, 8192)
            raw[-4:] = struct.pack("<I", crc32c(raw[:-4]))
            assert unpack(bytes(raw), header.epoch, header.salt) is not None
            file.seek(offset)
            file.write(raw)
            offset += padded(record.length)


def test_a_spool_that_the_first_version_wrote_is_read_to_its_end(tmp_path: Path) -> None:
    sent = [("1.1", LARGE), ("1.2", b"small"), ("1.3", LARGE)]
    with writing(tmp_path) as writer:
        send(writer, sent)
        association = writer.open_association(PEER, {})
        fill(association, "1.4", LARGE)
    for path in (tmp_path / "0").glob("*.seg"):
        as_version_1(path)
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        send(writer, [("2.1", LARGE)])
        found = list(entries(reader))
        assert instances(found) == {**dict(sent), "2.1": LARGE}
        assert sorted(closes(found)) == ["lost", "released", "released"]
        assert not [entry for entry in found if entry.kind is Kind.DAMAGED]
        reader.checkpoint(found)
    with SpoolReader(tmp_path) as reader:
        assert {entry.kind for entry in entries(reader)} <= {Kind.NODE_STOPPED}
