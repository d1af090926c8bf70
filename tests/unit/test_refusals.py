"""A flood of what is refused is a line and an entry a minute for each caller and reason, and the numbers add up."""

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dicom_node.spool import PART, Close, Entry, Kind, Peer, SpoolReader, SpoolUnavailable
from dicom_node.spool.refusals import Refusal, Refusals
from dicom_node.tally import CountedLog, Tally
from tests.support.listening import REJECT, RawPeer, listening, pdu, request
from tests.support.spool import CT, PEER, entries, fill, put, writing


class Told:
    """Keeps what a flood at `rate` a second for `seconds` has recorded."""

    def __init__(self) -> None:
        self.now = 0.0
        self.records: list[tuple[Peer, Mapping[str, Any]]] = []
        self.refusals = Refusals(lambda peer, details: self.records.append((peer, details)), lambda: self.now)

    def flood(self, refusals: list[Refusal], seconds: int, rate: int = 100) -> None:
        for number in range(seconds * rate):
            self.now += 1 / rate
            self.refusals.count(refusals[number % len(refusals)])
            self.refusals.tell()

    def counts(self) -> Counter[str]:
        counted: Counter[str] = Counter()
        for peer, details in self.records:
            counted[peer.calling] += details["count"]
        return counted


def number_of(entry: Entry, name: str) -> int:
    """A number among the details of an entry."""
    number = entry.details[name]
    assert isinstance(number, int)
    return number


def stranger(name: str, reason: str = "not known") -> Refusal:
    return Refusal(Peer(name, "NODE", "192.0.2.1"), 1, 1, 3, reason)


def test_a_flood_of_one_caller_is_an_entry_and_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    with caplog.at_level(logging.WARNING):
        told.flood([stranger("CT1")], seconds=300)
        told.refusals.tell(at_once=True)
    assert len(told.records) <= 7
    assert len(caplog.records) == len(told.records)
    assert told.counts() == {"CT1": 30_000}
    assert told.records[0][1]["count"] == 1


def test_each_caller_and_reason_is_told_at_once_and_apart(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    for one in (stranger("CT1"), stranger("CT2"), stranger("CT1", "limit")):
        told.refusals.count(one)
        told.refusals.count(one)
    assert [details["reason"] for _, details in told.records] == ["not known", "not known", "limit"]
    told.refusals.tell(at_once=True)
    assert told.counts() == {"CT1": 4, "CT2": 2}


def test_callers_of_ever_new_names_are_counted_together_and_none_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Told()
    told.flood([stranger(f"X{number}") for number in range(30_000)], seconds=300)
    told.refusals.tell(at_once=True)
    assert sum(told.counts().values()) == 30_000
    assert len(told.records) < 1000
    assert len(caplog.records) == len(told.records)


def test_after_a_quiet_minute_the_first_is_told_at_once_again() -> None:
    told = Told()
    told.flood([stranger("CT1")], seconds=61)
    for _ in range(3):
        told.now += 61
        told.refusals.tell()
    before = len(told.records)
    told.refusals.count(stranger("CT1"))
    assert len(told.records) == before + 1


def test_what_is_counted_is_recorded_when_the_listener_stops(tmp_path: Path) -> None:
    with SpoolReader(tmp_path) as reader:
        with writing(tmp_path) as writer:
            for _ in range(50):
                writer.refuse_association(PEER, 1, 1, 3, "not known")
        found = [one for one in entries(reader) if one.kind is Kind.ASSOCIATION_REFUSED]
    assert [one.details["count"] for one in found] == [1, 49]
    assert {one.calling for one in found} == {PEER.calling}


def test_refused_garbled_and_empty_associations_alike_are_counted_and_the_numbers_agree(tmp_path: Path) -> None:
    refused: Counter[str] = Counter()

    class Counting:
        def refused(self, reason: str) -> None:
            refused[reason] += 1

        def __getattr__(self, _name: str) -> Any:
            return lambda *_: None

    with listening(tmp_path, events=Counting()) as node:
        for _ in range(20):
            with RawPeer(node.port) as peer:
                peer.send(request(called="OTHER"))
                assert peer.receive() == (REJECT, bytes((0, 1, 1, 7)))
            with RawPeer(node.port) as peer:
                peer.send(pdu(1, b"too short"))
                peer.receive()
            with RawPeer(node.port) as peer:
                peer.associate(contexts=[(1, "1.2.3", ("1.2.840.10008.1.2",))]).release()
    with SpoolReader(tmp_path) as reader:
        found = [one for one in entries(reader) if one.kind is Kind.ASSOCIATION_REFUSED]
    assert len(found) == 6
    recorded = Counter(one.details["code"] for one in found for _ in range(number_of(one, "count")))
    assert recorded == {7: refused["rejected-1-1-7"], None: refused["protocol"] + refused["no-context"]}
    assert recorded == {7: 20, None: 40}


def test_associations_that_break_off_are_told_by_number_but_those_that_stored_anything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), listening(tmp_path) as node:
        for number in range(20):
            with RawPeer(node.port) as peer:
                peer.associate()
                if number in (7, 11):
                    peer.store(f"1.{number}", b"data")
                peer.send(pdu(7, bytes(4)))
        closed = [one for one in node.read(Kind.ASSOCIATION_CLOSED, 20) if one.kind is Kind.ASSOCIATION_CLOSED]
    own = [one for one in closed if "counted" not in one.details]
    assert sum(number_of(one, "stored") for one in own) == sum(number_of(one, "stored") for one in closed) == 2
    assert len(own) < 10
    with SpoolReader(tmp_path) as reader:
        told = [one for one in entries(reader) if one.kind is Kind.ASSOCIATIONS_ENDED]
    assert {one.details["how"] for one in told} == {"aborted-by-peer"}
    assert sum(number_of(one, "count") for one in told) == 20 - len(own)
    lines = [record.getMessage() for record in caplog.records if "aborted-by-peer" in record.getMessage()]
    assert len(lines) == len(own) + len(told)


def test_an_association_whose_sender_never_heard_of_its_success_is_told_by_itself(tmp_path: Path) -> None:
    with writing(tmp_path) as writer:
        for ident in range(3):
            writer.close_association(writer.open_association(PEER, {}), Close.LOST, "connection lost")
            association = writer.open_association(PEER, {})
            put(association, f"1.{ident}", b"data")
            assert writer.close_association(association, Close.LOST, "connection lost", stored=0)


def test_refused_instances_of_an_association_are_an_entry_a_minute_for_each_status_and_the_numbers_add_up(
    tmp_path: Path,
) -> None:
    with listening(tmp_path) as node, RawPeer(node.port) as peer:
        peer.associate()
        for number in range(100):
            assert peer.store("no uid", b"data") == 0x0117
            assert peer.store(f"1.{number}", b"") == 0xC000
        assert peer.store("2.1", b"good") == 0
        peer.release()
        found = node.read(Kind.ASSOCIATION_CLOSED)
    refused = [one for one in found if one.kind is Kind.INSTANCE_REFUSED]
    told = [(one.details["status"], one.sop_instance, one.details["count"]) for one in refused]
    assert told == [(0x0117, "no uid", 1), (0xC000, "1.0", 1), (0x0117, "", 99), (0xC000, "", 99)]
    assert found[-1].details["refused"] == 200


@pytest.mark.parametrize("ending", ["refused", "stored"])
def test_refused_instances_that_were_counted_are_told_within_an_association_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        association = writer.open_association(PEER, {})
        for number in range(10):
            association.refuse(CT, f"1.{number}", 0xA700, "disk full")
        monkeypatch.setattr("dicom_node.tally.EVERY", 0.0)  # the minute is over
        if ending == "stored":
            put(association, "2.1", b"whole")
        else:
            association.refuse(CT, "1.10", 0xA700, "disk full")
        found = [number_of(one, "count") for one in entries(reader) if one.kind is Kind.INSTANCE_REFUSED]
        assert sum(found) == (10 if ending == "stored" else 11)
        writer.close_association(association, Close.RELEASED, "")


def test_the_refusal_of_an_instance_of_which_parts_lie_in_the_spool_is_told_at_once_for_they_hold_its_room(
    tmp_path: Path,
) -> None:
    with writing(tmp_path) as writer, SpoolReader(tmp_path) as reader:
        association = writer.open_association(PEER, {})
        association.refuse(CT, "1.1", 0xA700, "disk full")
        fill(association, "1.2", bytes(2 * PART))
        association.abandon()
        for number in range(2, 10):
            association.refuse(CT, f"1.{number}", 0xA700, "disk full")
        found = list(entries(reader))
        refused = [one for one in found if one.kind is Kind.INSTANCE_REFUSED]
        assert [(one.sop_instance, one.details["count"]) for one in refused] == [("1.1", 1), ("1.2", 1)]
        writer.close_association(association, Close.RELEASED, "")
        assert [one.details.get("count") for one in entries(reader)] == [7, None]


def test_refused_instances_for_which_the_spool_has_no_room_are_counted_as_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with writing(tmp_path) as writer:
        association = writer.open_association(PEER, {})
        for number in range(10):
            association.refuse(CT, f"1.{number}", 0xA700, "disk full")

        def full(*_: object, **__: object) -> None:
            raise SpoolUnavailable("spool is full")

        with monkeypatch.context() as patched:
            patched.setattr(association, "_write", full)
            writer.close_association(association, Close.RELEASED, "")
    assert "spool is full: not recorded: 9 refusals of instances" in caplog.text


def test_a_warning_that_comes_in_floods_is_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    counted = CountedLog(logging.getLogger("dicom_node.test"), lambda: now[0])
    for second in range(121):
        now[0] = float(second)
        counted.warn("out of descriptors")
        counted.tell()
    assert [record.getMessage() for record in caplog.records] == [
        "out of descriptors",
        "out of descriptors (60 times since the last line)",
        "out of descriptors (60 times since the last line)",
    ]


def test_kinds_without_number_are_bounded() -> None:
    tally: Tally[int] = Tally(lambda _: -1, lambda: 0.0, most=3)
    assert [tally.count(number) for number in range(6)] == [True, True, True, False, False, False]
    assert tally.due(at_once=True) == {-1: 3}
