"""Peers that break the protocol, fall silent or vanish: answered by the book, recorded, never the listener's end."""

import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.settings import Caller, Spool
from dicom_node.spool import PART, Kind
from tests.support.listening import (
    ABORT,
    ACCEPT,
    COMMAND,
    CT,
    EXPLICIT,
    IMPLICIT,
    LAST,
    REJECT,
    RawPeer,
    RunningListener,
    command,
    listening,
    pdu,
    pdv,
    request,
)
from tests.support.spool import SMALL, instances

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STORE = pdu(4, pdv(1, COMMAND | LAST, command(1)))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningListener]:
    # So patient that a peer which the machine keeps waiting is not taken for one that is silent.
    with listening(tmp_path, artim=60.0, idle=60.0, max_pdu=32_768, max_instance=1 << 20) as node:
        yield node


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[RunningListener]:
    with listening(tmp_path, artim=1.0, idle=1.0) as node:
        yield node


def still_open(node: RunningListener) -> bool:
    with RawPeer(node.port) as peer:
        status = peer.associate().echo()
        peer.release()
        return status == 0


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
        pdu(4, pdv(1, 3, b"data")),
        pdu(5, bytes(4)),
        struct.pack(">BxI", 1, 1 << 31),
        pdu(1, b"too short"),
        pdu(1, request()[6:74] + b"\x10\0\xff\xff"),
        request([(2, CT, (EXPLICIT,))]),
        request([(1, CT, (EXPLICIT,)), (1, CT, (IMPLICIT,))]),
    ],
)
def test_what_is_no_request_is_aborted_and_recorded(node: RunningListener, first: bytes) -> None:
    with RawPeer(node.port) as peer:
        peer.send(first)
        assert peer.receive() == (ABORT, bytes(4))
    refused = node.read(Kind.ASSOCIATION_REFUSED)[-1]
    assert str(refused.details["reason"]).startswith("aborted: ")
    assert refused.address == "127.0.0.1"
    assert still_open(node)


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"called": "OTHER"}, (1, 1, 7)),
        ({"application": "1.2.3"}, (1, 1, 2)),
        ({"version": 2}, (1, 2, 2)),
        ({"calling": " "}, (1, 1, 3)),
    ],
)
def test_rejections_are_sent_and_recorded(
    node: RunningListener, wishes: dict[str, object], expected: tuple[int, ...]
) -> None:
    with RawPeer(node.port) as peer:
        peer.send(request(**wishes))  # type: ignore[arg-type]
        assert peer.receive() == (REJECT, bytes((0, *expected)))
    details = node.read(Kind.ASSOCIATION_REFUSED)[-1].details
    assert (details["result"], details["source"], details["code"]) == expected


def test_a_caller_that_is_not_listed_is_rejected_even_here(tmp_path: Path) -> None:
    callers = (Caller(aet="CT1", address="127.0.0.0/8"),)
    with listening(tmp_path, trust_loopback=False, callers=callers) as node:
        with RawPeer(node.port) as peer:
            peer.send(request(calling="CT2"))
            assert peer.receive() == (REJECT, bytes((0, 1, 1, 3)))
        with RawPeer(node.port) as peer:
            peer.associate(calling="CT1").release()
        refused = node.read(Kind.ASSOCIATION_CLOSED)[1]
        assert (refused.kind, refused.calling) == (Kind.ASSOCIATION_REFUSED, "CT2")


def test_one_association_too_many_is_rejected_for_now(tmp_path: Path) -> None:
    with listening(tmp_path, max_associations=1) as node:
        with RawPeer(node.port) as first:
            first.associate()
            with RawPeer(node.port) as second:
                second.send(request())
                assert second.receive() == (REJECT, bytes((0, 2, 3, 2)))
            first.release()
        node.read(Kind.ASSOCIATION_CLOSED)
        with RawPeer(node.port) as third:
            third.associate().release()


def test_an_association_without_an_acceptable_context_says_why_and_is_recorded(node: RunningListener) -> None:
    with RawPeer(node.port) as peer:
        peer.send(request([(1, FIND, (IMPLICIT,)), (3, CT, ("1.2.3",))]))
        kind, body = peer.receive()
        assert kind == ACCEPT
        assert b"\x21\0\0\x19\x01\0\x03\0" in body
        assert b"\x21\0\0\x19\x03\0\x04\0" in body
        peer.release()
    refused = next(entry for entry in node.read(Kind.ASSOCIATION_CLOSED) if entry.kind is Kind.ASSOCIATION_REFUSED)
    assert refused.details == {
        "result": None,
        "source": None,
        "code": None,
        "reason": "no acceptable presentation context",
        "count": 1,
    }


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (pdu(0x42, b"what"), 1),
        (request(), 2),
        (pdu(2, bytes(68)), 2),
        (pdu(4, pdv(1, 3, bytes(40_000))), 6),
        (struct.pack(">BxIIBB", 4, 6, 100, 1, 3), 6),
        (struct.pack(">BxIIBB", 4, 8, 1, 1, 3) + bytes(2), 6),
        (pdu(4, pdv(1, 3, command(1)) + b"\0\0\0"), 6),
        (pdu(4, pdv(9, 3, command(1))), 6),
        (pdu(4, pdv(1, LAST, b"data")), 5),
        (STORE + pdu(4, pdv(1, 0, b"some")) + STORE, 5),
        (pdu(4, pdv(1, COMMAND, bytes(30_000))) * 3, 6),
        (pdu(4, pdv(1, 3, b"\x08\0\x05\0\x02\0\0\0\x01\0")), 6),
        (pdu(4, pdv(1, 3, command(0x8001))), 0),
        (pdu(5, bytes(5)), 6),
    ],
)
def test_broken_protocol_is_aborted_by_the_provider_and_recorded(
    node: RunningListener, words: bytes, reason: int
) -> None:
    with RawPeer(node.port) as peer:
        peer.associate().send(words)
        assert peer.receive() == (ABORT, bytes((0, 0, 2, reason)))
    closed = node.read(Kind.ASSOCIATION_CLOSED)[-1]
    assert closed.details["how"] == "aborted-by-us"
    assert closed.details["reason"]
    assert still_open(node)


def test_an_abort_in_mid_instance_leaves_nothing_of_it(node: RunningListener) -> None:
    with RawPeer(node.port) as peer:
        assert peer.associate().store("1.1", b"whole") == 0
        peer.send(STORE + pdu(4, pdv(1, 0, bytes(20_000))) + pdu(7, bytes((0, 0, 0, 0))))
        closed = node.read(Kind.ASSOCIATION_CLOSED)
    assert closed[-1].details["how"] == "aborted-by-peer"
    assert closed[-1].details["stored"] == 1
    assert instances(closed) == {"1.1": b"whole"}


def test_a_connection_that_breaks_in_mid_instance_is_lost(node: RunningListener) -> None:
    with RawPeer(node.port) as peer:
        peer.associate().send(STORE + pdu(4, pdv(1, 0, bytes(20_000))) + b"\x04\0\0")
    closed = node.read(Kind.ASSOCIATION_CLOSED)
    assert closed[-1].details["how"] == "lost"
    assert instances(closed) == {}


def test_a_silent_association_is_aborted_as_idle(impatient: RunningListener) -> None:
    with RawPeer(impatient.port) as peer:
        peer.associate().send(STORE)
        assert peer.receive() == (ABORT, bytes(4))
    assert impatient.read(Kind.ASSOCIATION_CLOSED)[-1].details["how"] == "idle"


def test_a_connection_that_never_asks_is_closed_in_time_without_a_word(impatient: RunningListener) -> None:
    with RawPeer(impatient.port) as silent, RawPeer(impatient.port) as slow, RawPeer(impatient.port):
        slow.send(request()[:50])
        assert silent.receive() == (0, b"")
        assert slow.receive() == (0, b"")


def test_operations_that_are_not_offered_are_refused_and_the_association_goes_on(node: RunningListener) -> None:
    with RawPeer(node.port) as peer:
        peer.associate()
        peer.send(pdu(4, pdv(1, 3, command(0x0FFF, data=False))))
        peer.send(pdu(4, pdv(1, 3, command(0x20))) + pdu(4, pdv(1, LAST, b"query")))
        assert peer.status() == 0x0211
        peer.send(pdu(4, pdv(1, 3, command(1, sop_class="1.2.840.10008.5.1.4.1.1.4"))) + pdu(4, pdv(1, LAST, b"MR")))
        assert peer.status() == 0x0122
        assert peer.store("not a uid", b"data") == 0x0117
        assert peer.store("1.1", b"") == 0xC000
        assert peer.store("1.2", bytes((1 << 20) + 1)) == 0xA700
        assert peer.store("1.3", b"good") == 0
        assert peer.echo() == 0
        peer.release()
    found = node.read(Kind.ASSOCIATION_CLOSED)
    assert [entry.details["status"] for entry in found if entry.kind is Kind.INSTANCE_REFUSED] == [
        0x0122,
        0x0117,
        0xC000,
        0xA700,
    ]
    assert instances(found) == {"1.3": b"good"}
    assert found[-1].details == {"how": "released", "reason": "", "stored": 1, "refused": 4, "bytes": 4}


def test_a_data_set_of_a_request_that_has_none_is_refused_and_never_reaches_the_spool(tmp_path: Path) -> None:
    data = os.urandom(1000)
    with listening(tmp_path) as node, RawPeer(node.port) as peer:
        peer.associate()
        peer.send(pdu(4, pdv(3, COMMAND | LAST, command(0x30, sop_class="1.2.840.10008.1.1", uid=""))))
        for _ in range(2 * PART // 16_000):
            peer.send(pdu(4, pdv(3, 0, 16 * data)))
        peer.send(pdu(4, pdv(3, LAST, b"end")))
        assert peer.status() == 0x0212
        assert peer.echo() == 0
        peer.release()
        node.read(Kind.ASSOCIATION_CLOSED)
        segments = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"RAW" in segment for segment in segments)
    assert not any(data in segment for segment in segments)


def test_a_full_spool_answers_a700_and_the_association_goes_on(tmp_path: Path) -> None:
    tight = SMALL.model_copy(update={"capacity": 16 << 20})
    with listening(tmp_path, tight) as node, RawPeer(node.port) as peer:
        peer.associate()
        data = os.urandom(1 << 20)
        statuses = [peer.store(f"1.{number}", data, 200_000) for number in range(20)]
        assert set(statuses) == {0, 0xA700}
        assert statuses == sorted(statuses)
        stored = statuses.count(0)
        found = node.read(Kind.INSTANCE, stored)
        assert list(instances(found)) == [f"1.{number}" for number in range(stored)]
        node.reader.checkpoint(found)
        assert peer.store("2.1", data, 200_000) == 0
        peer.release()


def test_a_disk_below_its_floor_answers_a700(tmp_path: Path) -> None:
    with listening(tmp_path, Spool(disk_floor=1 << 46)) as node, RawPeer(node.port) as peer:
        assert peer.associate().store("1.1", bytes(3 * PART), 200_000) == 0xA700
        assert peer.echo() == 0
        peer.release()


def test_a_node_that_stops_aborts_what_does_not_end_by_itself(tmp_path: Path) -> None:
    with listening(tmp_path) as node, RawPeer(node.port) as peer:
        assert peer.associate().store("1.1", b"kept") == 0
        node.listener.stop(grace=0.1)
        assert peer.receive() == (ABORT, bytes(4))
        closed = node.read(Kind.ASSOCIATION_CLOSED)[-1]
        assert (closed.details["how"], closed.details["reason"]) == ("aborted-by-us", "the node stops")


def test_a_response_is_cut_to_the_longest_pdu_that_the_peer_takes(node: RunningListener) -> None:
    with RawPeer(node.port) as peer:
        peer.associate(max_pdu=64)
        peer.send(STORE + pdu(4, pdv(1, LAST, b"data")))
        lengths = []
        control = 0
        while not control & LAST:
            kind, body = peer.receive()
            assert kind == 4
            lengths.append(len(body))
            control = body[5]
        assert len(lengths) > 1
        assert max(lengths) <= 64


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningListener, RawPeer]]:
    with listening(tmp_path_factory.mktemp("talk")) as node, RawPeer(node.port) as peer:
        peer.associate(max_pdu=0)
        yield node, peer
        peer.release()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.lists(st.integers(0, 60_000), min_size=1, max_size=4), min_size=1, max_size=6),
    empty=st.booleans(),
)
def test_fragments_of_any_size_in_pdus_of_any_make_are_put_together(
    talk: tuple[RunningListener, RawPeer], sizes: list[list[int]], empty: bool
) -> None:
    node, peer = talk
    pieces = [[os.urandom(size) for size in group] for group in sizes]
    data = b"".join(b"".join(group) for group in pieces) or b"x"
    if empty or not any(map(sum, sizes)):
        pieces.append([b"" if any(map(sum, sizes)) else b"x"])
    stream = pdu(4, b"".join(pdv(1, COMMAND | (LAST if half else 0), part) for half, part in enumerate(halves())))
    for number, group in enumerate(pieces):
        last = number == len(pieces) - 1
        fragments = [
            pdv(1, LAST if last and place == len(group) - 1 else 0, piece) for place, piece in enumerate(group)
        ]
        stream += pdu(4, b"".join(fragments))
    peer.send(stream)
    assert peer.status() == 0
    found = node.read(Kind.INSTANCE)
    assert found[-1].data() == data
    node.reader.checkpoint(found)


def halves() -> tuple[bytes, bytes]:
    """A C-STORE-RQ in two fragments."""
    whole = command(1, uid=f"1.{time.time_ns()}")
    return whole[:20], whole[20:]
