"""Whatever answers in the place of an Orthanc, its answers are bounded and judged, and it is said what is wrong."""

import socket
from collections.abc import Callable
from contextlib import suppress

import pytest

from config.peers import Destination, Peer
from dicom_node.orthanc.answers import NotOrthancs
from dicom_node.orthanc.files import are_same, opened
from dicom_node.orthanc.rest import NotFound, NotNow, Orthanc, Refused
from dicom_node.part10 import head
from dicom_node.scu import kinds
from dicom_node.scu.store import Verdict
from domain.errors import NodeError, Retryable, UnusableInput
from tests.support.http_peer import Part, head_of, playing
from tests.support.orthanc import CT, EXPLICIT, a_file, an_object, answering

ID = "f03ad349-e736d47c-8a0d627e-1f23ec4b-d5a0ed43"
CHANGE = {"Seq": 7, "ChangeType": "NewInstance", "ID": ID}
PAGE = {"Changes": [CHANGE], "Last": 7, "Done": True}


def asked(answer: object, ask: Callable[[Orthanc], object]) -> object:
    with answering(lambda method, path: answer) as url, Orthanc(Peer(kind="orthanc", name="o", url=url), 5) as orthanc:
        return ask(orthanc)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>Log in</html>",
        b"[" * 1_000_000,
        b'{"Version": ' + b"9" * 10_000 + b"}",
        [],
        {"Version": 12},
        {"Version": "latest"},
        {"Version": {"Version": "1.12"}},
        b"\xff\xfe",
        b"",
    ],
)
def test_an_answer_of_another_server_is_no_version_and_the_url_is_named(answer: object) -> None:
    with pytest.raises(NotOrthancs, match="look at its url"):
        asked(answer, Orthanc.system)


@pytest.mark.parametrize(
    "answer",
    [
        {**PAGE, "Changes": {}},
        {**PAGE, "Changes": [7]},
        {**PAGE, "Changes": [CHANGE, CHANGE]},
        {**PAGE, "Changes": [CHANGE] * 101},
        {**PAGE, "Changes": [{**CHANGE, "Seq": 5}]},
        {**PAGE, "Changes": [{**CHANGE, "Seq": -7}]},
        {**PAGE, "Changes": [{**CHANGE, "Seq": True}]},
        {**PAGE, "Changes": [{**CHANGE, "Seq": 1 << 80}]},
        {**PAGE, "Changes": [{**CHANGE, "ID": "../system"}]},
        {**PAGE, "Changes": [{**CHANGE, "ID": f"{ID}/file"}]},
        {**PAGE, "Done": "no"},
        {**PAGE, "Changes": [], "Last": None},
    ],
)
def test_changes_that_were_not_asked_for_and_ids_that_are_paths_are_none_of_orthancs(answer: object) -> None:
    assert asked(PAGE, lambda one: one.changes(5, 100).last) == 7
    with pytest.raises(NotOrthancs):
        asked(answer, lambda one: one.changes(5, 100))


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, NotFound), (400, Refused), (413, Refused), (401, NotNow), (403, NotNow), (302, NotNow), (500, NotNow)],
)
def test_each_refusal_says_whether_another_try_may_help(status: int, error: type[NodeError]) -> None:
    with pytest.raises(NodeError) as caught:
        asked(status, Orthanc.system)
    assert type(caught.value) is error
    assert f"(HTTP {status})" in str(caught.value)


def test_its_own_words_for_a_kind_of_error_are_told_and_its_details_are_not() -> None:
    with pytest.raises(Refused) as caught:
        asked((400, {"Message": "Bad file format", "Details": "PatientName Doe"}), Orthanc.system)
    assert "Bad file format" in str(caught.value)
    assert "Doe" not in str(caught.value)


def endless(connection: socket.socket) -> None:
    head_of(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    with suppress(OSError):
        while True:
            connection.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")


def cut_off(connection: socket.socket) -> None:
    head_of(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + a_file(1))


def elsewhere(connection: socket.socket) -> None:
    head_of(connection)
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("part", "said"), [(endless, "longer than"), (elsewhere, "not followed"), (cut_off, "broke off")]
)
def test_an_answer_without_end_or_from_elsewhere_ends_the_question(part: Part, said: str) -> None:
    with playing(part, kind="orthanc") as peer, Orthanc(peer, 5) as orthanc, pytest.raises(Retryable, match=said):
        orthanc.plugins()


def test_a_file_is_opened_however_it_is_cut_into_pieces() -> None:
    file, begins = a_file(1, size=9000), len(head(CT, an_object(1).sop_instance, EXPLICIT))
    for size in (1, 131, 4096, 1 << 20):
        found = opened(file[start : start + size] for start in range(0, len(file), size))
        assert (found.sop_class, found.sop_instance, found.transfer_syntax) == (CT, "1.2.826.0.1.1", EXPLICIT)
        assert b"".join(found.pieces) == file[begins:]


@pytest.mark.parametrize("file", [b"", b"DICM", bytes(5000), bytes(128) + b"DICM", a_file(1)[:200], b"{}" * 3000])
def test_what_is_no_file_is_told(file: bytes) -> None:
    with pytest.raises(UnusableInput):
        opened(iter([file]))


def test_a_file_meta_without_end_is_not_read_for_ever() -> None:
    private = bytes(128) + b"DICM" + b"\x02\x00\x02\x01OB\x00\x00\x00\x00\x00\x7f"
    given: list[int] = []

    def pieces() -> object:
        yield private
        for number in range(10_000):
            given.append(number)
            yield bytes(4096)

    with pytest.raises(UnusableInput, match="it has no end"):
        opened(pieces())  # type: ignore[arg-type]
    assert len(given) < 1000


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ([b"abc", b"", b"d"], [b"a", b"bcd"], True),
        ([b"abc"], [b"abcd"], False),
        ([b"abcd"], [b"abc"], False),
        ([b"abcd"], [b"abce"], False),
        ([], [b""], True),
    ],
)
def test_two_data_sets_are_compared_as_they_come(ours: list[bytes], theirs: list[bytes], same: bool) -> None:
    assert are_same(iter(ours), iter(theirs)) is same


@pytest.mark.parametrize("status", [404, 405])
def test_an_address_that_stores_nothing_is_no_refusal_of_what_is_sent(status: int) -> None:
    with answering(lambda method, path: status) as url:
        peer = Destination(kind="orthanc", name="o", url=f"{url}/dicom-web")
        (outcome,) = kinds.send([an_object(1)], peer, "NODE", 5.0, together=True)
    assert outcome.verdict is Verdict.RETRY
    assert "check the URL" in outcome.reason
