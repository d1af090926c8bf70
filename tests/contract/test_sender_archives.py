"""The sender against archives: Orthanc and DCMTK's storescp, which we did not write, and our own small one.

What Orthanc or storescp cannot be made to do (a refusal, silence, rubbish) a scripted peer does.
"""

import errno
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import pytest

from config.peers import Destination
from dicom_node.archive import FolderArchive
from dicom_node.part10 import head
from dicom_node.scu import requestor
from dicom_node.scu import store as sender
from dicom_node.scu.store import Outgoing, Verdict, echo, outgoing, send
from domain.errors import Retryable, Unavailable
from tests.support import counterparts
from tests.support.processes import free_port
from tests.support.receivers import Receiver
from tests.support.scripted import Script, at, scripted
from tests.support.servers import Orthanc, StorageScp

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"


@dataclass(frozen=True)
class Archive:
    """What the tests need of an archive: where it is, and the files that it holds."""

    destination: Destination
    files: Callable[[], list[bytes]]


def orthanc_archive(request: pytest.FixtureRequest, folder: Path) -> Iterator[Archive]:
    server: Orthanc = request.getfixturevalue("orthanc")
    files = lambda: [server.file(one) for one in server.get("/instances")]  # noqa: E731
    yield Archive(at(server.aet, server.dicom_port), files)


def storescp_archive(request: pytest.FixtureRequest, folder: Path) -> Iterator[Archive]:
    with StorageScp(folder) as server:
        yield Archive(at(server.aet, server.port), lambda: [path.read_bytes() for path in server.files()])


def own_archive(request: pytest.FixtureRequest, folder: Path) -> Iterator[Archive]:
    with FolderArchive(folder / "held", "OURS") as server:
        yield Archive(at("OURS", server.port), lambda: [path.read_bytes() for path in server.files()])


@pytest.fixture(params=[orthanc_archive, storescp_archive, own_archive], ids=["orthanc", "storescp", "own"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    yield from request.param(request, tmp_path)


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def an_instance(number: int, sop_class: str = CT, size: int = 0) -> bytes:
    """A small data set, explicit little endian, with `size` bytes of pixel data."""
    values = {
        0x00080016: (b"UI", sop_class),
        0x00080018: (b"UI", f"1.2.826.0.1.{number}"),
        0x00080060: (b"CS", "CT"),
        0x00100010: (b"PN", "Nobody"),
        0x00100020: (b"LO", "1"),
        0x0020000D: (b"UI", "1.2.826.0.2"),
        0x0020000E: (b"UI", "1.2.826.0.3"),
    }
    elements = b"".join(element(tag, vr, value.encode()) for tag, (vr, value) in values.items())
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size) + bytes(size) if size else b""
    return elements + pixels


def an_object(number: int, sop_class: str = CT, size: int = 0) -> Outgoing:
    uid = f"1.2.826.0.1.{number}"
    data = head(sop_class, uid, EXPLICIT) + an_instance(number, sop_class, size)
    return Outgoing(data, sop_class, uid, EXPLICIT)


def test_an_archive_answers_an_echo_and_says_its_name(archive: Archive) -> None:
    answer = echo(archive.destination, "TEST")
    assert answer.status == 0
    assert answer.milliseconds > 0
    assert answer.implementation


def test_a_real_study_arrives_byte_for_byte(archive: Archive) -> None:
    paths = sorted(counterparts.data("ct_chest_lidc0003").glob("*.dcm"))[:20]
    outcomes = list(send([outgoing(path) for path in paths], archive.destination, "TEST"))
    assert [(one.verdict, one.status) for one in outcomes] == [(Verdict.STORED, 0)] * len(paths)
    held = archive.files()
    assert len(held) == len(paths)
    for path in paths:
        data = path.read_bytes()[-200_000:]
        assert any(one.endswith(data) for one in held), path.name


def test_objects_of_several_classes_and_syntaxes_share_an_association(archive: Archive) -> None:
    paths = sorted(path for path in counterparts.data("syntax_ct").glob("*") if is_part_10(path))
    one_each = list({one.transfer_syntax: one for one in map(outgoing, paths)}.values())
    assert len(one_each) > 3
    outcomes = list(send([*one_each, an_object(9, sop_class=MR)], archive.destination, "TEST"))
    stored = [one for one in outcomes if one.verdict is Verdict.STORED]
    assert len(stored) > 3
    assert len(archive.files()) == len({one.sent.sop_instance for one in stored})  # the same slice, coded differently
    # An archive may be older than a syntax (high-throughput JPEG 2000), which costs that object alone.
    assert {one.reason for one in outcomes} <= {"", "the destination does not support its transfer syntax"}


def is_part_10(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def test_an_object_of_many_fragments_arrives_whole(archive: Archive) -> None:
    large = an_object(1, size=3_000_002)
    assert isinstance(large.file, bytes)
    (outcome,) = send([large], archive.destination, "TEST")
    assert outcome.verdict is Verdict.STORED
    (held,) = archive.files()
    assert held.endswith(large.file[400:])


def test_sending_again_is_harmless(archive: Archive) -> None:
    for _ in range(2):
        (outcome,) = send([an_object(1)], archive.destination, "TEST")
        assert outcome.verdict is Verdict.STORED
    assert len(archive.files()) == 1


def test_a_wrong_called_title_is_worth_another_try(orthanc: Orthanc) -> None:
    (outcome,) = send([an_object(1)], at("SOMEBODY", orthanc.dicom_port), "TEST")
    assert outcome.verdict is Verdict.RETRY
    assert "Called AE title not recognised" in outcome.reason


def test_a_frozen_archive_ends_in_a_time_out(orthanc: Orthanc) -> None:
    orthanc.pause()
    try:
        (outcome,) = send([an_object(1, size=50_000_000)], at(orthanc.aet, orthanc.dicom_port), "TEST", timeout=1)
    finally:
        orthanc.resume()
    assert outcome.verdict is Verdict.RETRY
    assert "in time" in outcome.reason


def test_only_the_class_that_the_archive_refuses_is_refused() -> None:
    def answer(peer: Script) -> None:
        peer.accept(lambda number: 0 if number == 1 else 3)
        peer.respond(0x0000)

    with scripted(answer) as destination:
        outcomes = list(send([an_object(1), an_object(2, sop_class=MR)], destination, "TEST", timeout=60))
    assert [one.verdict for one in outcomes] == [Verdict.STORED, Verdict.REFUSED]
    assert "does not support its SOP class" in outcomes[1].reason


def test_what_belongs_together_waits_where_the_archive_refuses_a_part_of_it() -> None:
    with Receiver("CHOOSY", {CT: [EXPLICIT]}) as receiver:
        objects = [an_object(1), an_object(2, sop_class=MR), an_object(3)]
        outcomes = list(send(objects, at(receiver.aet, receiver.port), "TEST", timeout=60, together=True))
        assert receiver.received == []
        assert [one.verdict for one in outcomes] == [Verdict.RETRY, Verdict.REFUSED, Verdict.RETRY]
        assert [one.unaccepted for one in outcomes] == [False, True, False]
        (alone,) = send([objects[0]], at(receiver.aet, receiver.port), "TEST", timeout=60, together=True)
        assert alone.verdict is Verdict.STORED


def test_no_accepted_context_at_all_refuses_every_object() -> None:
    with scripted(lambda peer: peer.accept(lambda number: 4)) as destination:
        (outcome,) = send([an_object(1)], destination, "TEST", timeout=60)
    assert outcome.verdict is Verdict.REFUSED
    assert "does not support its transfer syntax" in outcome.reason


def test_each_object_has_its_own_status() -> None:
    def answer(peer: Script) -> None:
        peer.accept(lambda number: 0)
        for status in (0x0000, 0xC001, 0xB000, 0xA700):
            peer.respond(status)

    with scripted(answer) as destination:
        outcomes = list(send([an_object(number) for number in range(4)], destination, "TEST", timeout=60))
    assert [one.verdict for one in outcomes] == [Verdict.STORED, Verdict.REFUSED, Verdict.STORED, Verdict.RETRY]
    assert [one.status for one in outcomes] == [0x0000, 0xC001, 0xB000, 0xA700]


def test_an_abort_in_the_middle_keeps_what_was_stored() -> None:
    def answer(peer: Script) -> None:
        peer.accept(lambda number: 0)
        peer.respond(0x0000)
        peer.read_message()
        peer.connection.sendall(struct.pack(">BxI4x", 7, 4))

    with scripted(answer) as destination:
        outcomes = list(send([an_object(number) for number in range(3)], destination, "TEST", timeout=60))
    assert [one.verdict for one in outcomes] == [Verdict.STORED, Verdict.RETRY, Verdict.RETRY]


def test_a_rejection_says_its_reason() -> None:
    def answer(peer: Script) -> None:
        peer.read_pdu()
        peer.connection.sendall(struct.pack(">BxIxBBB", 3, 4, 2, 3, 2))

    with scripted(answer) as destination:
        (outcome,) = send([an_object(1)], destination, "TEST", timeout=60)
    assert outcome.verdict is Verdict.RETRY
    assert "for the moment" in outcome.reason


@pytest.mark.parametrize(
    "rubbish", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x02\x00\x00\x00\x00\x04abcd", b"\x63\x00\x00\x00\x00\x00", b""]
)
def test_a_peer_that_speaks_no_dicom_is_told_apart_from_silence(rubbish: bytes) -> None:
    def answer(peer: Script) -> None:
        peer.read_pdu()
        peer.connection.sendall(rubbish)

    with scripted(answer) as destination, pytest.raises(Retryable, match=r"malformed|absurd|aborted|closed"):
        echo(destination, "TEST", timeout=60)


def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="Connection refused"):
        echo(at("NOBODY", free_port()), "TEST", timeout=60)


def drip(peer: Script, data: bytes) -> None:
    """One byte now and then, each well within the time-out, until the other side has had enough."""
    never = threading.Event()
    for byte in data:
        peer.connection.sendall(bytes([byte]))
        never.wait(0.05)


def test_a_peer_that_drips_its_answer_to_the_association_does_not_hold_the_sender() -> None:
    def answer(peer: Script) -> None:
        peer.read_pdu()
        drip(peer, struct.pack(">BxI", 2, 10_000) + bytes(10_000))

    with scripted(answer) as destination:
        (outcome,) = send([an_object(1)], destination, "TEST", timeout=0.5)
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, "the destination did not answer in time")


def test_a_peer_that_drips_its_answer_to_an_object_does_not_hold_the_sender() -> None:
    def answer(peer: Script) -> None:
        peer.accept(lambda number: 0)
        peer.read_message()
        drip(peer, struct.pack(">BxI", 4, 10_000) + bytes(10_000))

    with scripted(answer) as destination:
        (outcome,) = send([an_object(1)], destination, "TEST", timeout=0.5)
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, "the destination did not answer in time")


def test_an_answer_without_an_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requestor, "LARGEST_ANSWER", 20_000)
    fragment = struct.pack(">BxIIBB", 4, 10_006, 10_002, 1, 1) + bytes(10_000)

    def answer(peer: Script) -> None:
        peer.accept(lambda number: 0)
        peer.read_message()
        while True:
            peer.connection.sendall(fragment)

    with scripted(answer) as destination:
        (outcome,) = send([an_object(1)], destination, "TEST", timeout=30)
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, "the destination's answer has no end")


def test_a_file_of_ours_that_cannot_be_read_is_tried_again_and_costs_nothing_else(tmp_path: Path) -> None:
    gone = replace(an_object(2), file=tmp_path / "gone.dcm")
    folder = replace(an_object(3), file=tmp_path)
    with Receiver("ANY", {CT: [EXPLICIT]}) as receiver:
        objects = [an_object(1), gone, folder, an_object(4)]
        outcomes = list(send(objects, at(receiver.aet, receiver.port), "TEST", timeout=5))
    assert [one.verdict for one in outcomes] == [Verdict.STORED, Verdict.RETRY, Verdict.RETRY, Verdict.STORED]
    assert outcomes[1].reason == "its file cannot be read: No such file or directory"


def test_a_file_of_ours_whose_disk_fails_in_the_middle_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = an_object(1, size=300_000)
    assert isinstance(whole.file, bytes)
    monkeypatch.setattr(sender, "_opened", lambda file: nullcontext(FailingDisk(whole.file)))
    with Receiver("ANY", {CT: [EXPLICIT]}) as receiver:
        (outcome,) = send([whole], at(receiver.aet, receiver.port), "TEST", timeout=5)
        assert receiver.received == []
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, "its file cannot be read: Input/output error")


class FailingDisk(BytesIO):
    """A file whose later part cannot be read."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 100_000:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(size)
