"""The spool from both ends: what is written comes out once, in order, and the segments go round."""

import os
from pathlib import Path

import pytest

from config.settings import Spool
from dicom_node.spool import (
    PART,
    BacklogMeter,
    Close,
    DamagedRecord,
    Entry,
    Kind,
    SpoolReader,
    SpoolUnavailable,
    SpoolWriter,
)
from dicom_node.spool.pool import OpenSegment
from domain.errors import Unavailable
from tests.support.spool import CT, IMPLICIT, PEER, SMALL, entries, fill, instances, put, send, writing


def series(count: int, size: int = 3000) -> list[tuple[str, bytes]]:
    return [(f"1.2.{number}", os.urandom(size + number)) for number in range(count)]


def segments(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "0").glob("*.seg"))


def test_instances_come_back_byte_for_byte_with_who_sent_them(tmp_path: Path) -> None:
    sent = series(5)
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        send(writer, sent)
        found = list(entries(reader))
    assert [entry.kind for entry in found] == [
        Kind.NODE_STARTED,
        Kind.ASSOCIATION_OPENED,
        *[Kind.INSTANCE] * 5,
        Kind.ASSOCIATION_CLOSED,
    ]
    assert list(instances(found).items()) == sent
    one = found[2]
    assert (one.calling, one.called, one.address) == ("SCANNER", "NODE", "192.0.2.7")
    assert (one.sop_class, one.transfer_syntax, one.context_id, one.size) == (CT, IMPLICIT, 1, len(sent[0][1]))
    assert [entry.sequence for entry in found[1:]] == list(range(7))


@pytest.mark.parametrize("size", [3 * PART + 77, 2 * PART, PART])
def test_an_instance_in_parts_comes_back_whole_and_is_read_in_parts(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        send(writer, [("1.2.3", data)])
        (instance,) = [entry for entry in entries(reader) if entry.kind is Kind.INSTANCE]
        assert instance.size == size
        assert all(len(chunk) <= PART for chunk in instance.chunks())
        assert instance.data() == data


def test_an_association_over_several_segments_stays_in_order(tmp_path: Path) -> None:
    sent = series(25, PART - 5000)
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        send(writer, sent)
        found = list(entries(reader))
        assert list(instances(found)) == [uid for uid, _ in sent]
        assert [entry.sequence for entry in found[1:]] == list(range(27))
        assert len({id(entry.marks[0].holder) for entry in found}) > 3


def test_parts_that_lie_in_two_segments_belong_together(tmp_path: Path) -> None:
    sent = [("1.1", os.urandom(2 * PART)), ("1.2", os.urandom(7 * PART)), ("1.3", b"x")]
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        send(writer, sent)
        found = list(entries(reader))
        assert instances(found) == dict(sent)


def test_an_incomplete_instance_never_comes_out_and_holds_nothing_back(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        association = writer.open_association(PEER, {})
        fill(association, "1.1", os.urandom(3 * PART))
        association.abandon()
        put(association, "1.2", b"whole")
        fill(association, "1.3", os.urandom(2 * PART))
        association.refuse(CT, "1.3", 0xA700, "disk full")
        writer.close_association(association, Close.ABORTED_BY_PEER, "source 0")
    with SpoolReader(tmp_path) as reader:
        found = list(entries(reader))
        assert instances(found) == {"1.2": b"whole"}
        refused = next(entry for entry in found if entry.kind is Kind.INSTANCE_REFUSED)
        assert refused.details == {"status": 0xA700, "reason": "disk full", "count": 1}
        assert refused.sop_instance == "1.3"
        reader.checkpoint(found)
    assert BacklogMeter(tmp_path).measure().records == 0


def test_what_was_not_checkpointed_comes_again_and_what_was_does_not(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        send(writer, series(6))
        with SpoolReader(tmp_path) as reader:
            first = list(entries(reader))
            reader.checkpoint(first[:4])
        with SpoolReader(tmp_path) as reader:
            again = list(entries(reader))
            assert [entry.sequence for entry in again] == [entry.sequence for entry in first[4:]]
            reader.checkpoint(again)
        with SpoolReader(tmp_path) as reader:
            assert list(entries(reader)) == []


def test_the_checkpoint_stops_at_the_first_entry_that_was_not_declared(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        send(writer, series(6))
        with SpoolReader(tmp_path) as reader:
            first = list(entries(reader))
            reader.checkpoint([first[0], *first[2:]])
        with SpoolReader(tmp_path) as reader:
            assert len(list(entries(reader))) == len(first) - 1


def test_parts_are_not_passed_before_their_instance_is_declared(tmp_path: Path) -> None:
    data = os.urandom(9 * PART)
    with writing(tmp_path) as writer:
        send(writer, [("1.1", data), ("1.2", b"small")])
        with SpoolReader(tmp_path) as reader:
            found = list(entries(reader))
            reader.checkpoint([entry for entry in found if entry.sop_instance != "1.1"])
        with SpoolReader(tmp_path) as reader:
            assert instances(entries(reader))["1.1"] == data


def test_segments_are_recycled_once_the_reader_is_done_with_them(tmp_path: Path) -> None:
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        for turn in range(12):
            sent = series(10, PART // 2)
            send(writer, sent)
            found = list(entries(reader))
            assert instances(found) == dict(sent), turn
            reader.checkpoint(found)
        assert len(segments(tmp_path)) <= SMALL.capacity // SMALL.segment


def test_a_full_spool_refuses_and_takes_again_once_the_reader_has_caught_up(tmp_path: Path) -> None:
    tight = Spool(segment=8 << 20, capacity=64 << 20, disk_floor=0).model_copy(update={"capacity": 16 << 20})
    with writing(tmp_path, tight) as writer, SpoolReader(tmp_path) as reader:
        association = writer.open_association(PEER, {})
        stored = {}
        with pytest.raises(SpoolUnavailable, match="full"):
            for uid, data in series(40, PART - 5000):
                put(association, uid, data)
                stored[uid] = data
        assert len(stored) >= 3  # all segments but the last, which is kept for what lets the reader free others
        found = list(entries(reader))
        assert instances(found) == stored
        reader.checkpoint(found)
        put(association, "9.9", b"after")
        writer.close_association(association, Close.RELEASED, "")
        assert instances(entries(reader)) == {"9.9": b"after"}


def test_below_the_disk_floor_no_instance_is_taken(tmp_path: Path) -> None:
    with writing(tmp_path, Spool(disk_floor=1 << 46)) as writer:
        association = writer.open_association(PEER, {})
        with pytest.raises(SpoolUnavailable, match="floor"):
            put(association, "1.2", b"x")
        assert "floor" in writer.trouble
        assert segments(tmp_path) == []


def test_a_bad_block_costs_a_segment_and_no_instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = series(6)
    honest = OpenSegment.write
    failures = iter([False, False, False, True])

    def flaky(segment: OpenSegment, data: memoryview) -> None:
        if next(failures, False):
            raise OSError("bad block")
        honest(segment, data)

    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        monkeypatch.setattr(OpenSegment, "write", flaky)
        send(writer, sent)
        found = list(entries(reader))
    assert list(instances(found).items()) == sent
    assert found[-1].kind is Kind.ASSOCIATION_CLOSED
    with SpoolReader(tmp_path) as reader:
        closes = [entry for entry in entries(reader) if entry.kind is Kind.ASSOCIATION_CLOSED]
        assert [entry.details["how"] for entry in closes] == ["released"]


def until_closed(reader: SpoolReader) -> list[Entry]:
    """All entries up to the first end of an association, however late its writer gets to it."""
    found: list[Entry] = []
    while not any(entry.kind is Kind.ASSOCIATION_CLOSED for entry in found):
        found += reader.poll(0.6)
    return found


def test_a_disk_that_fails_for_good_refuses_and_the_end_is_recorded_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(segment: OpenSegment, data: memoryview) -> None:
        raise OSError("no such device")

    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        association = writer.open_association(PEER, {})
        put(association, "1.1", b"before")
        with monkeypatch.context() as patch:
            patch.setattr(OpenSegment, "write", failing)
            with pytest.raises(SpoolUnavailable, match="no such device"):
                put(association, "1.2", b"during")
            writer.close_association(association, Close.RELEASED, "")
        found = until_closed(reader)
    assert instances(found) == {"1.1": b"before"}
    assert [entry.details["how"] for entry in found if entry.kind is Kind.ASSOCIATION_CLOSED] == ["released"]


def test_an_association_that_the_writer_left_open_is_closed_as_lost_once(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        association = writer.open_association(PEER, {})
        put(association, "1.1", b"kept")
        fill(association, "1.2", os.urandom(2 * PART))
    with SpoolReader(tmp_path) as reader:
        found = list(entries(reader))
        assert instances(found) == {"1.1": b"kept"}
        (closed,) = [entry for entry in found if entry.kind is Kind.ASSOCIATION_CLOSED]
        assert (closed.association, closed.calling, closed.details["how"]) == (association.id, "SCANNER", "lost")
        reader.checkpoint(entry for entry in found if entry is not closed)
    with SpoolReader(tmp_path) as reader:
        (closed,) = entries(reader)
        assert (closed.association, closed.details["how"]) == (association.id, "lost")
        reader.checkpoint([closed])
    with SpoolReader(tmp_path) as reader:
        assert list(entries(reader)) == []


def test_the_next_run_recycles_what_the_reader_has_finished(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        send(writer, series(4, PART - 5000))
    with SpoolReader(tmp_path) as reader:
        reader.checkpoint(list(entries(reader)))
    before = segments(tmp_path)
    sent = series(4, PART - 5000)
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        send(writer, sent)
        assert instances(entries(reader)) == dict(sent)
        assert segments(tmp_path)[: len(before)] == before


def test_two_listener_processes_share_a_reader(tmp_path: Path) -> None:
    with writing(tmp_path) as one, writing(tmp_path, index=1) as two, SpoolReader(tmp_path) as reader:
        send(one, [("1.1", b"one")])
        send(two, [("1.2", b"two")])
        found = list(entries(reader))
    assert instances(found) == {"1.1": b"one", "1.2": b"two"}
    assert {entry.listener for entry in found} == {0, 1}


def test_a_spool_has_one_writer_and_one_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_node.spool.runlock._RETRY_FOR", 0.0)
    with writing(tmp_path), SpoolReader(tmp_path):
        with pytest.raises(Unavailable, match="held"):
            SpoolWriter(tmp_path, 0, SMALL)
        with pytest.raises(Unavailable, match="held"):
            SpoolReader(tmp_path)


def test_the_limit_of_a_poll_bounds_its_bytes(tmp_path: Path) -> None:
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        send(writer, series(20, 100_000))
        batch = reader.poll(0, limit=300_000)
        assert 300_000 <= sum(entry.size for entry in batch) < 500_000
        assert len(instances([*batch, *entries(reader)])) == 20


def test_the_backlog_counts_what_waits_and_since_when(tmp_path: Path) -> None:
    meter = BacklogMeter(tmp_path)
    assert (meter.measure().records, meter.measure().oldest_ns) == (0, None)
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        send(writer, series(3, 1000))
        waiting = meter.measure()
        found = list(entries(reader))
        assert waiting.records == len(found) == 6
        assert waiting.bytes > 3000
        assert waiting.oldest_ns == found[0].received_ns
        assert waiting.age(found[0].received_ns + 2_000_000_000) == 2.0
        reader.checkpoint(found[:3])
        assert meter.measure().oldest_ns == found[3].received_ns
        reader.checkpoint(found)
        assert meter.measure().records == 0
    meter.close()


def test_the_doorbell_rings_in_a_folder_of_any_depth(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 6)
    with SpoolReader(deep) as reader, writing(deep) as writer:
        send(writer, [("1.1", b"x")])
        assert instances(entries(reader)) == {"1.1": b"x"}
        reader._doorbell.wait(0)
        writer._bell.ring()
        assert reader._doorbell._poll.poll(0)


def test_an_instance_that_changes_on_disk_before_it_is_read_is_an_integrity_error(tmp_path: Path) -> None:
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        send(writer, [("1.1", bytes(PART) + b"tail")])
        (instance,) = [entry for entry in entries(reader) if entry.kind is Kind.INSTANCE]
        with (tmp_path / "0" / "000002.seg").open("r+b") as file:  # parts have segments of their own
            file.seek(100_000)
            file.write(b"\xff")
        with pytest.raises(DamagedRecord):
            instance.data()
