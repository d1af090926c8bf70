"""No sender holds an association by dripping: a whole message has a time in proportion to its length.

Nothing that was acknowledged is lost with it, and a sender that is slow but moves is served.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicom_node.listener.stream import _Pace
from dicom_node.pdu import PeerSilent
from dicom_node.spool import Kind
from tests.support.listening import (
    ABORT,
    COMMAND,
    LAST,
    RawPeer,
    RunningListener,
    command,
    listening,
    pdu,
    pdv,
    request,
)
from tests.support.processes import wait_for
from tests.support.spool import instances

STORE = pdu(4, pdv(1, COMMAND | LAST, command(1, uid="1.2")))
DATA = pdu(4, pdv(1, LAST, bytes(16_000)))
INTERVAL = 0.02


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningListener]:
    """Idle for longer than any test lasts: only what a whole message may take ends these associations."""
    with listening(tmp_path, artim=60.0, idle=600.0, message_time=0.5, message_rate=100_000) as running:
        yield running


class Dripping:
    """Sends what `pieces` gives, one piece each moment, until the node has had enough; as a context, it stops."""

    def __init__(self, peer: RawPeer, pieces: Callable[[], Iterator[bytes]]) -> None:
        self._peer, self._pieces = peer, pieces
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._drip)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _drip(self) -> None:
        for piece in self._pieces():
            try:
                self._peer.send(piece)
            except OSError:
                return
            if self._stop.wait(INTERVAL):
                return


def one_by_one(data: bytes) -> Iterator[bytes]:
    """A byte at a time; when all have gone, no more."""
    return (data[at : at + 1] for at in range(len(data)))


def without_end(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


@pytest.mark.parametrize(
    "pieces",
    [
        lambda: one_by_one(STORE),
        lambda: one_by_one(STORE + DATA),
        lambda: iter([STORE, *one_by_one(DATA)]),
        # Each fragment is whole, the message never is.
        lambda: iter([STORE, *[pdu(4, pdv(1, 0, b"xx"))] * 10_000]),
        lambda: iter([STORE, *[pdu(4, pdv(1, 0, b""))] * 10_000]),
        lambda: without_end(pdu(4, pdv(1, COMMAND, b""))),
        # As fast as they come: time is not what ends these.
        lambda: without_end(pdu(4, pdv(1, COMMAND, b"") * 1000)),
    ],
    ids=["command", "command and data", "data", "small fragments", "empty data", "empty command", "many"],
)
def test_a_sender_that_drips_loses_its_association_and_nothing_that_was_acknowledged(
    node: RunningListener, pieces: Callable[[], Iterator[bytes]]
) -> None:
    with RawPeer(node.port) as peer:
        assert peer.associate().store("1.1", b"whole") == 0
        with Dripping(peer, pieces):
            kind, _ = peer.receive()
    assert kind in {ABORT, 6, 0}
    closed = node.read(Kind.ASSOCIATION_CLOSED)
    assert instances(closed) == {"1.1": b"whole"}
    wait_for(lambda: node.listener.associations == 0, 10, "the association to be forgotten")


def test_the_reason_says_what_was_too_slow(node: RunningListener) -> None:
    with RawPeer(node.port) as peer:
        peer.associate().send(STORE)
        with Dripping(peer, lambda: without_end(pdu(4, pdv(1, 0, b"xx")))):
            assert peer.receive()[0] == ABORT
    closed = node.read(Kind.ASSOCIATION_CLOSED)[-1]
    assert closed.details["how"] == "idle"
    assert "too slow" in str(closed.details["reason"])


def test_a_data_set_without_end_loses_its_association_however_fast_it_comes(tmp_path: Path) -> None:
    with listening(tmp_path, max_instance=1 << 20) as node, RawPeer(node.port) as peer:
        peer.associate().send(STORE)
        with Dripping(peer, lambda: iter([pdu(4, pdv(1, 0, bytes(200_000))) * 100])):
            assert peer.receive()[0] == ABORT
        closed = node.read(Kind.ASSOCIATION_CLOSED)[-1]
        assert "has no end" in str(closed.details["reason"])


def test_a_sender_that_is_slow_but_keeps_up_is_served_for_as_long_as_it_takes() -> None:
    pace = _Pace(1.0, 1000)
    pace.waited(600.0)  # silence before the message
    for _ in range(10_000):
        pace.waited(0.9)
        pace.waited(0.0, 900)


def test_what_came_fast_is_no_credit_for_silence_later() -> None:
    pace = _Pace(60.0, 4000)
    pace.waited(0.0)
    pace.waited(1.0, 2 << 30)
    with pytest.raises(PeerSilent, match="80 s behind 4000 bytes a second"):
        for _ in range(4):
            pace.waited(20.0, 2)


def test_silence_between_messages_is_no_slow_message(tmp_path: Path) -> None:
    with listening(tmp_path, message_time=0.05, message_rate=1 << 20) as node, RawPeer(node.port) as peer:
        peer.associate()
        for number in range(3):
            time.sleep(0.1)
            assert peer.store(f"1.{number}", b"data") == 0
        peer.release()


def test_a_disk_that_takes_its_time_is_not_the_senders_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(tmp_path, message_time=0.2, message_rate=1 << 30) as node, RawPeer(node.port) as peer:
        peer.associate()
        append = type(node.writer._pool).acquire

        def slowly(*given: object, **named: object) -> object:
            time.sleep(0.3)
            return append(*given, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(type(node.writer._pool), "acquire", slowly)
        assert peer.store("1.1", bytes(5 << 20), 250_000) == 0
        peer.release()


def test_a_request_to_associate_that_drips_is_closed_in_time(tmp_path: Path) -> None:
    with (
        listening(tmp_path, artim=0.3, idle=600.0) as node,
        RawPeer(node.port) as peer,
        Dripping(peer, lambda: one_by_one(request())),
    ):
        assert peer.receive() == (0, b"")
