"""What each answer to a STOW-RS request means for each instance of it."""

import socket
from pathlib import Path

import pytest

from config.peers import Peer
from dicom_node.part10 import head
from dicom_node.scu.find import TakesNoQuery
from dicom_node.scu.kinds import echo, holds, probe, send
from dicom_node.scu.probe import asked
from dicom_node.scu.store import Outcome, Outgoing, TakesNoEcho, Verdict
from dicom_node.web import destination as dicomweb
from dicom_node.web.stored import JSON, XML, Part, encode
from domain.errors import Retryable
from tests.support.http_peer import Part as Play
from tests.support.http_peer import head_of, playing
from tests.support.stowing import file

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
STORED, REFUSED, RETRY = Verdict.STORED, Verdict.REFUSED, Verdict.RETRY
ONE, TWO = "1.2.1", "1.2.2"


@pytest.fixture(autouse=True)
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicomweb, "_refusals", dicomweb._Refusals())


def an_object(uid: str = ONE, sop_class: str = CT) -> Outgoing:
    return Outgoing(head(sop_class, uid, EXPLICIT) + b"\x08\x00\x60\x00CS\x02\x00CT", sop_class, uid, EXPLICIT)


def answer(status: int, body: bytes = b"", kind: str = JSON, seen: list[bytes] | None = None) -> Play:
    """Takes a whole request, whose body it keeps in `seen`, and answers."""

    def play(connection: socket.socket) -> None:
        came = head_of(connection)
        start, _, rest = came.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in start.split(b"\r\n")[1:])
        left = int(fields.get(b"content-length", b"0")) - len(rest)
        while left and (more := connection.recv(left)):
            rest += more
            left -= len(more)
        if seen is not None:
            seen.append(rest)
        said = f"HTTP/1.1 {status} X\r\nServer: archive/1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
        connection.sendall(said.encode() + b"\r\n\r\n" + body)

    return play


def outcomes(*plays: Play, of: tuple[str, ...] = (ONE, TWO)) -> list[Outcome]:
    with playing(*plays) as peer:
        return list(send([an_object(uid) for uid in of], peer, "TEST", 5))


def verdicts(*plays: Play, of: tuple[str, ...] = (ONE, TWO)) -> list[Verdict]:
    return [one.verdict for one in outcomes(*plays, of=of)]


def failed(uid: str, reason: int) -> Part:
    return Part(CT, uid, reason, stored=False)


@pytest.mark.parametrize("kind", [JSON, XML])
def test_each_instance_has_the_outcome_that_the_answer_names_for_it(kind: str) -> None:
    said = encode([Part(CT, ONE), failed(TWO, 0xA700)], kind)
    one, two = outcomes(answer(202, said, kind))
    assert (one.verdict, one.status) == (STORED, 0)
    assert (two.verdict, two.status) == (RETRY, 0xA700)


@pytest.mark.parametrize(
    ("status", "verdict", "unaccepted"),
    [
        (0xA700, RETRY, False),
        (0x0110, RETRY, False),
        (0xB000, RETRY, False),
        (0, RETRY, False),
        (0xA900, REFUSED, False),
        (0xC000, REFUSED, False),
        (0x0122, REFUSED, True),
        (0xC122, REFUSED, True),
        (0x0111, STORED, False),
    ],
)
def test_a_failure_reason_says_whether_to_try_again_or_in_another_form(
    status: int, verdict: Verdict, unaccepted: bool
) -> None:
    (one,) = outcomes(answer(409, encode([failed(ONE, status)])), of=(ONE,))
    assert (one.verdict, one.unaccepted) == (verdict, unaccepted)


def test_all_are_stored_where_200_says_so_of_as_many_as_were_sent_or_of_none() -> None:
    assert verdicts(answer(200)) == [STORED, STORED]
    assert verdicts(answer(200, encode([Part(CT, ONE), Part(CT, "1.2.9")]))) == [STORED, STORED]


def test_what_an_answer_leaves_out_is_sent_once_more_by_itself() -> None:
    for status in (200, 202):
        said = encode([Part(CT, ONE)])
        assert verdicts(answer(status, said), answer(200)) == [STORED, STORED]
        assert verdicts(answer(status, said), answer(202, encode([]))) == [STORED, RETRY]


def test_an_instance_that_its_file_meta_names_otherwise_has_its_outcome_all_the_same() -> None:
    assert verdicts(answer(409, encode([failed("1.2.9", 0xA900)])), of=(ONE,)) == [REFUSED]
    assert verdicts(answer(202, encode([Part(CT, "1.2.9")])), of=(ONE,)) == [STORED]


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 429, 500, 502, 503, 507, 599])
def test_a_peer_that_is_not_ready_or_not_set_up_is_tried_again(status: int) -> None:
    (one,) = outcomes(answer(status), of=(ONE,))
    assert one.verdict is RETRY
    assert f"HTTP {status}" in one.reason


@pytest.mark.parametrize(("status", "unaccepted"), [(400, False), (413, False), (415, True)])
def test_a_file_that_is_not_taken_costs_none_of_its_batch(status: int, unaccepted: bool) -> None:
    good, bad = outcomes(answer(status), answer(200), answer(status, b"no such form", "text/plain"))
    assert good.verdict is STORED
    assert (bad.verdict, bad.unaccepted) == (REFUSED, unaccepted)
    assert "no such form" in bad.reason


def test_a_broken_connection_leaves_open_what_became_of_them_and_an_absent_peer_does_not() -> None:
    def breaks(connection: socket.socket) -> None:
        head_of(connection)

    assert [(one.verdict, one.unanswered) for one in outcomes(breaks)] == [(RETRY, True)] * 2
    with playing() as peer:
        pass
    assert [one.unreached for one in send([an_object()], peer, "TEST", 5)] == [True]


def test_a_file_of_ours_that_is_gone_costs_none_of_its_batch(tmp_path: Path) -> None:
    gone = Outgoing(tmp_path / "gone.dcm", CT, TWO, EXPLICIT)
    with playing(answer(200)) as peer:
        said = {one.sent.sop_instance: one.verdict for one in send([an_object(), gone], peer, "TEST", 5)}
    assert said == {ONE: STORED, TWO: RETRY}


def test_a_bare_data_set_goes_with_a_file_meta(tmp_path: Path) -> None:
    file = tmp_path / "bare"
    file.write_bytes(b"\x08\x00\x60\x00CS\x02\x00CT")
    seen: list[bytes] = []
    with playing(answer(200, seen=seen)) as peer:
        list(send([Outgoing(file, CT, ONE, EXPLICIT, bare=True)], peer, "TEST", 5))
    assert head(CT, ONE, EXPLICIT) + file.read_bytes() + b"\r\n--" in seen[0]


def test_many_go_in_several_requests_and_each_has_one_outcome() -> None:
    uids = tuple(f"1.3.{number}" for number in range(150))
    assert verdicts(*[answer(200)] * 3, of=uids) == [STORED] * 150


def test_an_instance_that_comes_twice_has_two_outcomes() -> None:
    assert verdicts(answer(409, encode([failed(ONE, 0xC000)])), answer(200), of=(ONE, ONE)) == [REFUSED, STORED]


def test_a_probe_knows_what_was_refused_and_believes_the_rest() -> None:
    sop_class = asked()[0][0]
    with playing(answer(204), answer(409, encode([failed(ONE, 0x0122)])), answer(200, b"[]")) as peer:
        before = probe(peer, "TEST", 5)
        list(send([an_object(ONE, sop_class)], peer, "TEST", 5))
        after = probe(peer, "TEST", 5)
    assert before.accepted == frozenset(asked())
    assert before.implementation == "archive/1"
    assert after.accepted == {context for context in asked() if context[0] != sop_class}
    assert after.accepted < before.accepted


def test_a_peer_without_a_search_is_there_and_one_that_keeps_us_out_is_told() -> None:
    with playing(answer(404), answer(404), answer(404), answer(401), answer(401)) as peer:
        assert not probe(peer, "TEST", 5).error
        with pytest.raises(TakesNoEcho):
            echo(peer, "TEST", 5)
        assert "password_file" in probe(peer, "TEST", 5).error
        with pytest.raises(Retryable):
            echo(peer, "TEST", 5)


def test_a_wrong_setting_is_an_outcome_and_never_an_exception(tmp_path: Path) -> None:
    peer = Peer.model_validate({"kind": "dicomweb", "url": "http://127.0.0.1:1/", "token_file": tmp_path / "none"})
    (one,) = send([an_object()], peer, "TEST", 5)
    assert (one.verdict, one.unreached) == (RETRY, True)
    assert "token_file" in one.reason
    assert "token_file" in probe(peer, "TEST", 5).error


def test_a_peer_is_asked_for_each_instance_and_one_without_a_search_is_told(tmp_path: Path) -> None:
    def match(uid: str) -> bytes:
        return b'[{"00080018":{"vr":"UI","Value":["%s"]}}]' % uid.encode()

    objects = [Outgoing(file(uid), CT, uid, EXPLICIT) for uid in (ONE, TWO, "1.2.7", "1.2.8")]
    plays = [answer(200, b"[]"), answer(200, match(ONE)), answer(204), answer(404), answer(200, match(ONE))]
    with playing(*plays) as peer:
        said = holds(objects, peer, "TEST", 5)
    assert [not why for why in said.values()] == [True, False, False, False]
    with playing(answer(404)) as peer, pytest.raises(TakesNoQuery):
        holds(objects, peer, "TEST", 5)
    for broken in (b"<html>", b"{}"):
        with playing(answer(200, broken)) as peer, pytest.raises(Retryable):
            holds(objects, peer, "TEST", 5)
