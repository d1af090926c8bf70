"""The thread that accepts: no connection ends it, whoever asks is told when it has ended, and a stop has an end."""

import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from inspect import signature
from pathlib import Path

import pytest

from config.settings import Listener as Settings
from config.settings import Settings as Everything
from dicom_node import accepting
from dicom_node.listener import LONGEST_STOP, Listener, serve, server
from dicom_node.pdu import LONGEST_ASSOCIATE
from dicom_node.spool import Kind
from roles.health import Health
from roles.listen import watch
from roles.process import Context
from tests.support.listening import (
    ABORT,
    COMMAND,
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
from tests.support.memory_store import MemoryStore
from tests.support.processes import wait_for


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningListener]:
    with listening(tmp_path) as running:
        yield running


def test_a_defect_in_one_connection_does_not_end_the_accepting_of_others(
    node: RunningListener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    defects = iter([True])

    def defective(address: str) -> str:
        if next(defects, False):
            raise ValueError("an address of a kind that nobody knew")
        return address

    monkeypatch.setattr(accepting, "plain_address", defective)
    with RawPeer(node.port) as unlucky:
        assert unlucky.receive() == (0, b"")
    with RawPeer(node.port) as peer:
        assert peer.associate().echo() == 0
        peer.release()
    node.read(Kind.ASSOCIATION_CLOSED)
    assert "a connection was not served" in caplog.text


def test_a_release_within_a_message_is_aborted_and_said_to_be_no_end_of_it(node: RunningListener) -> None:
    begun = pdu(4, pdv(1, COMMAND | LAST, command(1, uid="1.2")))
    for more, said in (
        (begun + pdu(4, pdv(1, 0, bytes(500))), "within a data set that has not ended (500 bytes of it came)"),
        (begun, "within a data set that has not ended (0 bytes of it came)"),
        (pdu(4, pdv(1, COMMAND, command(1))), "within a command that has not ended"),
    ):
        with RawPeer(node.port) as peer:
            assert peer.associate().store("1.1", b"data") == 0
            peer.send(more + pdu(5, bytes(4)))
            assert peer.receive()[0] == ABORT
        found = node.read(Kind.ASSOCIATION_CLOSED)
        assert [one.sop_instance for one in found if one.kind is Kind.INSTANCE] == ["1.1"]
        assert found[-1].details["how"] == "aborted-by-us"
        assert found[-1].details["reason"] == f"release {said}, which is not kept"


def test_connections_without_an_association_keep_out_none_that_wants_one(node: RunningListener) -> None:
    with ExitStack() as stack:
        sender = stack.enter_context(RawPeer(node.port)).associate()
        many = 2 * Settings().max_associations + server._SPARE
        silent = [stack.enter_context(RawPeer(node.port)) for _ in range(many)]
        with RawPeer(node.port) as other:
            assert other.associate().store("1.1", b"data") == 0
            other.release()
        assert silent[0].receive() == (0, b"")
        assert sender.store("1.2", b"data") == 0
        sender.release()


def test_a_caller_that_holds_associations_and_says_nothing_keeps_no_other_caller_out(tmp_path: Path) -> None:
    with listening(tmp_path, max_associations=4) as node, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(RawPeer(node.port)).associate(calling="CROWD")
        refused = stack.enter_context(RawPeer(node.port))
        refused.send(request(calling="CROWD"))
        assert refused.receive() == (REJECT, bytes((0, 2, 3, 2)))
        with RawPeer(node.port) as other:
            assert other.associate(calling="SCANNER").store("1.1", b"data") == 0
            other.release()


def test_a_listener_says_whether_it_accepts(node: RunningListener, monkeypatch: pytest.MonkeyPatch) -> None:
    assert node.listener.is_accepting
    monkeypatch.setattr(accepting, "_STUCK", -1.0)
    assert not node.listener.is_accepting
    assert not Listener(Settings(), node.writer).is_accepting


def test_liveness_ends_with_the_accepting_and_is_loud(
    node: RunningListener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("roles.listen._LOOK", 0.01)
    now = [0.0]
    health, stop = Health(limit=60.0, now=lambda: now[0]), threading.Event()
    context = Context(Everything(data=tmp_path), MemoryStore(), stop, health)
    watching = threading.Thread(target=watch, args=(context, node.listener, node.writer))
    watching.start()
    try:
        wait_for(lambda: health.report().ready, 10, "readiness")
        monkeypatch.setattr(accepting, "_STUCK", -1.0)
        wait_for(lambda: not health.report().ready, 10, "the watch to notice")
        now[0] = 61.0
        assert not health.alive()
        assert "no connection is accepted any more" in caplog.text
        monkeypatch.setattr(accepting, "_STUCK", 10.0)
        wait_for(health.alive, 10, "life")
    finally:
        stop.set()
        watching.join()


def test_of_a_request_that_is_refused_by_its_titles_no_item_is_looked_at(node: RunningListener) -> None:
    with RawPeer(node.port) as stranger:
        stranger.send(request(called="OTHER", extra=b"\x51\xff\xff\xff"))
        assert stranger.receive() == (REJECT, bytes((0, 1, 1, 7)))
    with RawPeer(node.port) as caller:
        caller.send(request(extra=b"\x51\xff\xff\xff"))
        assert caller.receive()[0] == ABORT
    assert node.listener.associations == 0


def test_a_request_that_is_longer_than_any_can_need_is_aborted_before_it_is_taken(node: RunningListener) -> None:
    with RawPeer(node.port) as peer:
        peer.send(struct.pack(">BxI", 1, LONGEST_ASSOCIATE + 1))
        assert peer.receive()[0] == ABORT


def test_the_longest_stop_counts_the_grace_both_farewells_and_the_last_records() -> None:
    grace = signature(serve).parameters["grace"].default
    assert grace + 2 * server._FAREWELL <= LONGEST_STOP
