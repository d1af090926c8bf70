"""A spool that is nearly full, full, and empty again: who is served, who is refused, and what that costs."""

import errno
import logging
import os
import threading
from pathlib import Path

import pytest

from dicom_node.dimse import Command, Operation, Status, encode_response
from dicom_node.spool import PART, AssociationWriter, Close, Kind, SpoolReader, SpoolUnavailable, SpoolWriter
from dicom_node.spool import writer as spool_writer
from dicom_node.spool.pool import FULL, LOW_DISK, PARTS_FULL, PARTS_UNREAD, not_written
from dicom_node.spool.shortage import Shortage
from tests.support.processes import wait_for
from tests.support.spool import CT, PEER, SMALL, entries, fill, instances, put, send, writing

TIGHT = SMALL.model_copy(update={"capacity": 24 << 20})


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicom_node.spool.pool._GRACE", 0.0)


def fill_up(writer: SpoolWriter) -> AssociationWriter:
    """An association that has written until it was refused."""
    association = writer.open_association(PEER, {})
    with pytest.raises(SpoolUnavailable, match="spool is full"):
        for number in range(100):
            put(association, f"1.{number}", bytes(PART))
    association.abandon()
    return association


def test_idle_associations_hold_no_segment(tmp_path: Path) -> None:
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        logs = [writer.open_association(PEER, {}) for _ in range(100)]
        for turn in range(3):
            for number, association in enumerate(logs):
                put(association, f"1.{turn}.{number}", b"small")
        assert len(list((tmp_path / "0").glob("*.seg"))) <= 5  # one in use, and those that are made ahead
        assert len(instances(entries(reader))) == 300
        for association in logs:
            writer.close_association(association, Close.RELEASED, "")


def test_a_giant_as_large_as_allowed_starves_nobody(tmp_path: Path) -> None:
    roomy = SMALL.model_copy(update={"capacity": 240 << 20})
    largest = 27 * PART
    assert roomy.segments_of(largest) + 20 + 1 == roomy.capacity // roomy.segment
    refused: list[str] = []
    giant = os.urandom(largest)
    half, small_ones_done = threading.Event(), threading.Event()

    def stream(writer: SpoolWriter) -> None:
        association = writer.open_association(PEER, {})
        try:
            fill(association, "9.1", giant)
            half.set()
            small_ones_done.wait(60)
            association.commit()
        except SpoolUnavailable as error:
            refused.append(f"giant: {error}")
        half.set()
        writer.close_association(association, Close.RELEASED, "")

    def scan(writer: SpoolWriter, number: int) -> None:
        association = writer.open_association(PEER, {})
        for count in range(20):
            try:
                put(association, f"1.{number}.{count}", bytes(30_000))
            except SpoolUnavailable as error:
                refused.append(f"{number}: {error}")
        writer.close_association(association, Close.RELEASED, "")

    with writing(tmp_path, roomy) as writer, SpoolReader(tmp_path) as reader:
        streaming = threading.Thread(target=stream, args=(writer,))
        streaming.start()
        scanners = [threading.Thread(target=scan, args=(writer, number)) for number in range(20)]
        for scanner in scanners[:10]:
            scanner.start()
        half.wait(60)
        for scanner in scanners[10:]:
            scanner.start()
        for scanner in scanners:
            scanner.join()
        small_ones_done.set()
        streaming.join()
        assert refused == []
        found = instances(entries(reader))
        assert found["9.1"] == giant
        assert len(found) == 401


def test_large_instances_that_stall_starve_none_that_is_whole_at_once(tmp_path: Path) -> None:
    roomy = SMALL.model_copy(update={"capacity": 160 << 20})
    with writing(tmp_path, roomy) as writer, SpoolReader(tmp_path) as reader:
        stalled = [writer.open_association(PEER, {}) for _ in range(4)]
        with pytest.raises(SpoolUnavailable, match=PARTS_FULL):
            for number, association in enumerate(stalled):
                fill(association, f"9.{number}", bytes(20 * PART))
        scanner = writer.open_association(PEER, {})
        for turn in range(20):  # four times what is left of the spool
            for number in range(4):
                put(scanner, f"1.{turn}.{number}", bytes(PART))
            reader.checkpoint(list(entries(reader)))
        for association in stalled:
            association.abandon()
            writer.close_association(association, Close.LOST, "too slow")
        reader.checkpoint(list(entries(reader)))
        put(scanner, "2.1", bytes(20 * PART))
        writer.close_association(scanner, Close.RELEASED, "")


def test_large_instances_that_are_whole_and_not_yet_indexed_are_said_to_wait_for_the_index(tmp_path: Path) -> None:
    roomy = SMALL.model_copy(update={"capacity": 160 << 20})
    with writing(tmp_path, roomy) as writer:
        association = writer.open_association(PEER, {})
        with pytest.raises(SpoolUnavailable, match=PARTS_UNREAD):
            for number in range(20):
                put(association, f"9.{number}", bytes(8 * PART))
        association.abandon()
        writer.close_association(association, Close.LOST, "")


def test_every_reason_for_want_of_room_is_told_to_its_sender_whole() -> None:
    """An Error Comment (0000,0902) has 64 characters (PS3.7 Annex C.4.2)."""
    from_disk = {not_written(OSError(number, os.strerror(number))) for number in errno.errorcode}
    for reason in {FULL, LOW_DISK, PARTS_FULL, PARTS_UNREAD, not_written(OSError("short write")), *from_disk}:
        command = Command(Operation.C_STORE, 7, True, CT, "1.2.3")
        assert reason.encode() in encode_response(command, Status.OUT_OF_RESOURCES, reason), reason


def test_a_slow_large_instance_among_many_small_ones_holds_no_more_than_its_own_bytes(tmp_path: Path) -> None:
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        slow, fast = writer.open_association(PEER, {}), writer.open_association(PEER, {})
        slow.begin(CT, "9.1", "1.2.840.10008.1.2", 1)
        for number in range(8):
            slow.fill = PART
            slow.flush()
            for count in range(6):  # more than a segment holds
                put(fast, f"1.{number}.{count}", bytes(PART))
            reader.checkpoint(list(entries(reader)))
        slow.commit()
        found = instances(entries(reader))
        assert list(found) == ["9.1"]
        assert len(found["9.1"]) == 8 * PART
        for association in (slow, fast):
            writer.close_association(association, Close.RELEASED, "")


def test_a_spool_full_of_unfinished_instances_gets_free_again(tmp_path: Path) -> None:
    with writing(tmp_path, TIGHT) as writer, SpoolReader(tmp_path) as reader:
        association = writer.open_association(PEER, {})
        with pytest.raises(SpoolUnavailable, match="spool is full"):
            fill(association, "1.1", bytes(30 * PART))
        association.abandon()
        # The refusal is what tells the reader that no more parts come: there is room for it.
        association.refuse(CT, "1.1", 0xA700, "spool is full")
        found = list(entries(reader))
        assert [entry.kind for entry in found][-1] is Kind.INSTANCE_REFUSED
        reader.checkpoint(found)
        wait_for(lambda: not writer.trouble, 10, "room")
        put(association, "1.2", bytes(2 * PART))
        writer.close_association(association, Close.RELEASED, "")


def test_readiness_says_that_the_spool_is_full_only_while_it_is(tmp_path: Path) -> None:
    with writing(tmp_path, TIGHT) as writer, SpoolReader(tmp_path) as reader:
        association = fill_up(writer)
        assert writer.trouble == "spool is full"
        writer.close_association(association, Close.RELEASED, "")
        reader.checkpoint(list(entries(reader)))
        wait_for(lambda: not writer.trouble, 10, "the spool to say that it has room, though nobody asks for it")


def test_a_full_spool_costs_a_line_a_minute_and_no_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_writer, "_UNCLOSED", 50)
    caplog.set_level(logging.INFO)
    with writing(tmp_path, TIGHT) as writer, SpoolReader(tmp_path) as reader:
        first = fill_up(writer)
        for number in range(200):
            association = writer.open_association(PEER, {"contexts": ["x" * 1000] * 100})
            with pytest.raises(SpoolUnavailable):
                put(association, f"2.{number}", bytes(PART))
            association.abandon()
            association.refuse(CT, f"2.{number}", 0xA700, "spool is full")
            writer.close_association(association, Close.RELEASED, "")
            assert not association.buffer
        wait_for(lambda: len(writer._unclosed.waiting()) <= 50, 10, "the surplus to be forgotten")
        assert len(writer._access.frames._spare) <= 8
        assert len([record for record in caplog.records if "spool is full" in record.message]) <= 5
        writer.close_association(first, Close.RELEASED, "")
        found = list(entries(reader))
        assert found[-1].kind is Kind.ASSOCIATION_CLOSED
        assert found[-1].association == first.id
        reader.checkpoint(found)
        wait_for(lambda: not writer._unclosed.waiting(), 10, "the ends that waited for room")
        ends = [entry for entry in entries(reader) if entry.kind is Kind.ASSOCIATION_CLOSED]
        assert len(ends) <= 50


def test_what_was_not_recorded_is_counted_and_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    shortage = Shortage(lambda: now[0])
    for second in range(120):
        now[0] = float(second)
        shortage.count("refusals of instances", "spool is full")
        shortage.tell()
    assert [record.getMessage() for record in caplog.records] == [
        "spool is full: not recorded: 1 refusals of instances",
        "spool is full: not recorded: 60 refusals of instances",
    ]


def test_what_a_site_sends_meanwhile_is_served_from_the_same_segment(tmp_path: Path) -> None:
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        one, two = writer.open_association(PEER, {}), writer.open_association(PEER, {})
        for number in range(10):
            put(one, f"1.{number}", b"one")
            put(two, f"2.{number}", b"two")
        send(writer, [("3.1", b"three")])
        writer.close_association(two, Close.RELEASED, "")
        writer.close_association(one, Close.RELEASED, "")
        found = list(entries(reader))
    assert len(instances(found)) == 21
    assert len({id(entry.marks[0].holder) for entry in found}) == 1
