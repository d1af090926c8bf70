"""What a destination takes, asked of Orthanc, storescp, a choosy SCP, and peers that answer nonsense or nothing."""

import struct
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from config.peers import Destination
from console.cli.app import app
from dicom_node.scu import negotiation
from dicom_node.scu.probe import ProbeResult, asked, probe
from domain.errors import Retryable
from domain.profiles import (
    BASIC_TEXT_SR,
    DEFLATED,
    ENHANCED_SR,
    EXPLICIT,
    IMPLICIT,
    LABEL_MAP_SEGMENTATION,
    PARAMETRIC_MAP,
    RLE,
    SECONDARY_CAPTURE,
    SEGMENTATION,
)
from tests.support.processes import free_port
from tests.support.receivers import ChoosyStorageScp, Receiver
from tests.support.scripted import Script, at, scripted
from tests.support.servers import Orthanc, StorageScp


def test_orthanc_says_what_it_takes_and_gets_nothing(orthanc: Orthanc) -> None:
    seen = probe(at(orthanc.aet, orthanc.dicom_port), "TEST")
    assert seen.error == ""
    assert seen.implementation
    assert seen.max_pdu > 0
    assert {(SEGMENTATION, EXPLICIT), (ENHANCED_SR, EXPLICIT), (SECONDARY_CAPTURE, EXPLICIT)} <= seen.accepted
    assert orthanc.get("/instances") == []


def test_storescp_that_takes_everything_takes_all_that_is_asked_uncompressed(tmp_path: Path) -> None:
    with StorageScp(tmp_path) as server:
        seen = probe(at(server.aet, server.port), "TEST")
        assert seen.error == ""
        assert {one for one in asked() if one[1] in {EXPLICIT, IMPLICIT}} <= seen.accepted
        assert server.files() == []


def test_storescp_that_is_told_what_to_take_takes_that(tmp_path: Path) -> None:
    contexts = {ENHANCED_SR: [EXPLICIT, IMPLICIT], SECONDARY_CAPTURE: [IMPLICIT]}
    with ChoosyStorageScp(tmp_path, contexts) as server:
        seen = probe(at(server.aet, server.port), "TEST")
    expected = {(one, syntax) for one, syntaxes in contexts.items() for syntax in syntaxes}
    assert seen.error == ""
    assert seen.accepted == expected


def test_each_transfer_syntax_is_asked_by_itself() -> None:
    contexts = {SEGMENTATION: [DEFLATED, EXPLICIT], LABEL_MAP_SEGMENTATION: [RLE], BASIC_TEXT_SR: [IMPLICIT]}
    with Receiver("CHOOSY", contexts) as receiver:
        seen = probe(at(receiver.aet, receiver.port), "TEST")
        assert (receiver.associations, receiver.received) == (1, [])
    assert seen.accepted == {(one, syntax) for one, syntaxes in contexts.items() for syntax in syntaxes}
    assert (PARAMETRIC_MAP, EXPLICIT) not in seen.accepted


def test_a_peer_that_takes_nothing_of_ours_answers_all_the_same() -> None:
    with Receiver("DEAF", {}) as receiver:
        seen = probe(at(receiver.aet, receiver.port), "TEST")
    assert (seen.accepted, seen.error) == (frozenset(), "")


def test_a_peer_that_accepts_no_context_at_all_answers_all_the_same() -> None:
    with scripted(lambda peer: peer.accept(lambda number: 3)) as destination:
        assert probe(destination, "TEST", timeout=60) == ProbeResult(max_pdu=16_384, commits=False)


def test_a_name_that_would_command_the_terminal_is_not_repeated() -> None:
    def answer(peer: Script) -> None:
        peer.read_pdu()
        body = _an_acceptance(b"EVIL\x00\x1b[2J")
        peer.connection.sendall(struct.pack(">BxI", 2, len(body)) + body)

    with scripted(answer) as destination:
        seen = probe(destination, "TEST", timeout=60)
    assert "malformed" in seen.error
    assert "EVIL" not in seen.error + seen.implementation


def test_a_rejection_says_its_reason(orthanc: Orthanc) -> None:
    seen = probe(at("SOMEBODY", orthanc.dicom_port), "TEST")
    assert seen.accepted == frozenset()
    assert "Called AE title not recognised" in seen.error


def test_where_our_title_is_not_known_it_is_said_which_that_was_and_how_another_is_given() -> None:
    def refuse(peer: Script) -> None:
        peer.read_pdu()
        peer.connection.sendall(struct.pack(">BxIxBBB", 3, 4, 1, 1, 3))

    with scripted(refuse) as peer:
        done = CliRunner().invoke(app, ["echo", peer.address, "--aet", "WARD"])
    assert "Calling AE title not recognised; it was called as WARD" in done.stderr
    assert "--aet NAME (of a dicom-node: one of its listener.callers)" in done.stderr


@pytest.mark.parametrize(
    "rubbish",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x02\x00\x00\x00\x00\x04abcd",
        b"\x63\x00\x00\x00\x00\x00",
        b"\x00" * 200,
        b"\xff" * 200,
        struct.pack(">BxI4x", 7, 4),
        b"",
    ],
)
def test_nonsense_is_a_reason_and_no_exception(rubbish: bytes) -> None:
    def answer(peer: Script) -> None:
        peer.read_pdu()
        peer.connection.sendall(rubbish)

    with scripted(answer) as destination:
        assert probe(destination, "TEST", timeout=60).error


def test_silence_ends_in_a_time_out() -> None:
    gate = threading.Event()
    with scripted(lambda peer: _wait(gate)) as destination:
        seen = probe(destination, "TEST", timeout=0.2)
        gate.set()
    assert seen.error == "the destination did not answer in time"


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_nobody_there_is_a_reason_and_no_exception(host: str) -> None:
    nobody = Destination(name="N", aet="N", host=host, port=free_port())
    assert "no connection to" in probe(nobody, "TEST", timeout=60).error


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@settings(max_examples=500)
@given(st.data())
def test_no_answer_to_an_association_request_raises_anything_but_retryable(data: st.DataObject) -> None:
    answer = bytearray(_an_acceptance())
    for _ in range(data.draw(st.integers(1, 4))):
        answer[data.draw(st.integers(0, len(answer) - 1))] = data.draw(st.integers(0, 255))
    body = bytes(answer[: data.draw(st.integers(0, len(answer)))])
    with suppress(Retryable):
        negotiation.negotiated(2, body, asked(), "TEST")


def _wait(gate: threading.Event) -> None:
    gate.wait(60)


def _an_acceptance(implementation: bytes = b"SOMEBODY") -> bytes:
    """The body of an A-ASSOCIATE-AC that accepts two contexts and names its implementation."""

    def item(kind: int, body: bytes) -> bytes:
        return struct.pack(">BxH", kind, len(body)) + body

    contexts = b"".join(item(0x21, bytes([number, 0, 0, 0]) + item(0x40, EXPLICIT.encode())) for number in (1, 3))
    user = item(0x51, struct.pack(">I", 16_384)) + item(0x52, b"1.2.3") + item(0x55, implementation)
    titles = b"OURS            " + b"THEIRS          "
    return (
        struct.pack(">H2x", 1) + titles + bytes(32) + item(0x10, b"1.2.840.10008.3.1.1.1") + contexts + item(0x50, user)
    )
