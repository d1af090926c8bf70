"""The door for HTTP stores what is sent to it, judges each instance by itself, and outlives whoever calls."""

import socket
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from config.peers import Peer
from config.settings import Spool
from config.tls import WebTls
from config.web import WebCaller
from dicom_node.listener import NoEvents
from dicom_node.part10 import head
from dicom_node.spool import Kind
from dicom_node.web.callers import LOOPBACK
from dicom_node.web.client import HttpClient
from dicom_node.web.stored import JSON, XML, decode
from domain.errors import Retryable, Unavailable
from tests.support.certificates import Site
from tests.support.stowing import CT, EXPLICIT, RELATED, STUDY, RunningDoor, body, data_set, file, open_door

POST = b"POST /dicom-web/studies HTTP/1.1\r\nHost: node\r\n"
TYPE = f"Content-Type: {RELATED}\r\n".encode()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[RunningDoor]:
    with open_door(tmp_path) as running:
        yield running


def test_instances_of_several_studies_are_stored_as_they_were_sent(door: RunningDoor) -> None:
    uids = [f"1.2.3.{number}" for number in range(5)]
    status, parts = door.store(*(file(uid, study=f"1.2.826.0.2.{uid[-1]}", size=3_000_000) for uid in uids))
    assert (status, [(one.sop_instance, one.status) for one in parts]) == (200, [(uid, 0) for uid in uids])
    entries = door.entries(Kind.INSTANCE, 5)
    assert [one.data() for one in entries] == [data_set(uid, f"1.2.826.0.2.{uid[-1]}", size=3_000_000) for uid in uids]
    assert {(one.calling, one.called, one.address, one.sop_class, one.transfer_syntax) for one in entries} == {
        (LOOPBACK, "NODE", "127.0.0.1", CT, EXPLICIT)
    }


def test_a_request_begins_and_ends_in_the_record_as_an_association_does(door: RunningDoor) -> None:
    door.store(file("1.2.3"), b"no file")
    (closed,) = door.entries(Kind.ASSOCIATION_CLOSED)
    assert closed.details == {
        "how": "released", "reason": "", "stored": 1, "refused": 1, "bytes": len(data_set("1.2.3"))
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", 0xC000),
        (b"no file", 0xC000),
        (bytes(2 << 20), 0xC000),
        (file("1.2.9")[:150], 0xC000),
        (head(CT, "1.2.9", EXPLICIT), 0xC000),
        (head(CT, "1.2.9", EXPLICIT)[:-30], 0xC000),
        (head(CT, "1.2.9", EXPLICIT) + b"no data set at all, and long enough to be seen as none", 0xC000),
        (head(CT, "Nobody", EXPLICIT) + data_set("Nobody"), 0xC000),
        (file("1.2.9", sop_class="1.2.840.10008.1.1"), 0x0122),
        (file("1.2.9", syntax="1.2.840.10008.1.2.99"), 0xC122),
        (head(CT, "1.2.9", EXPLICIT) + data_set("1.2.9", sop_class="1.2.840.10008.5.1.4.1.1.4"), 0xA900),
        (file("1.2.9", size=9 << 20), 0xA700),
    ],
)
def test_what_cannot_be_stored_fails_by_itself_with_its_reason(tmp_path: Path, sent: bytes, reason: int) -> None:
    with open_door(tmp_path, listener={"max_instance": 8 << 20}) as door:
        status, _, said = door.ask(body(file("1.2.3"), sent, file("1.2.4")))
        assert status == 202
        parts = decode(said, JSON)
        assert [one.sop_instance for one in parts if one.stored] == ["1.2.3", "1.2.4"]
        assert f'"Value":[{reason}]'.encode() in said
        (refused,) = door.entries(Kind.INSTANCE_REFUSED)
        assert refused.details["status"] == reason
        assert door.store(sent)[0] == 409


def test_an_instance_of_another_study_than_the_address_names_is_refused(door: RunningDoor) -> None:
    status, parts = door.store(file("1.2.3"), file("1.2.4", study="1.9"), path=f"/dicom-web/studies/{STUDY}")
    assert (status, [(one.sop_instance, one.status) for one in parts]) == (202, [("1.2.3", 0), ("1.2.4", 0xA900)])


@pytest.mark.parametrize(("meta", "size"), [("1.2.9", 0), ("", 0), ("1.2.9", 5 << 20)])
def test_an_instance_that_its_file_meta_names_otherwise_is_stored_as_its_data_set_says(
    door: RunningDoor, meta: str, size: int
) -> None:
    sent = data_set("1.2.8", size=size)
    status, (part,) = door.store(head(CT, meta, EXPLICIT) + sent)
    assert (status, part.sop_instance) == (200, "1.2.8")
    (entry,) = door.entries(Kind.INSTANCE)
    assert (entry.sop_instance, entry.data()) == ("1.2.8", sent)


def test_what_a_reader_of_headers_cannot_read_is_stored_for_inspection_as_by_c_store(door: RunningDoor) -> None:
    broken = data_set("1.2.3")[:-3]
    assert door.store(head(CT, "1.2.3", EXPLICIT) + broken)[0] == 200
    assert door.entries(Kind.INSTANCE)[0].data() == broken


def test_a_part_of_another_kind_fails_and_has_no_name(door: RunningDoor) -> None:
    status, _, said = door.ask(body(b"{}", kind="application/dicom+json"))
    assert (status, b"0008119A" in said) == (409, True)


def test_where_nothing_can_be_stored_for_want_of_room_the_sender_is_told_to_come_again(tmp_path: Path) -> None:
    with open_door(tmp_path, Spool(segment=8 << 20, capacity=64 << 20, disk_floor=1 << 46)) as door:
        status, answer, said = door.ask(body(file("1.2.3")))
        assert (status, [one.status for one in decode(said, JSON)]) == (503, [0xA700])
        assert answer.getheader("Retry-After")


@pytest.mark.parametrize(
    ("accept", "kind"), [("", JSON), ("*/*", JSON), (XML, XML), (f"{XML}, {JSON};q=0.5", JSON), ("image/png", JSON)]
)
def test_the_answer_is_json_or_xml_where_that_alone_is_asked_for(door: RunningDoor, accept: str, kind: str) -> None:
    _, answer, said = door.ask(body(file("1.2.3")), Accept=accept)
    assert answer.getheader("Content-Type") == kind
    assert [one.sop_instance for one in decode(said, kind)] == ["1.2.3"]


@pytest.mark.parametrize(
    ("status", "path", "method", "fields"),
    [
        (404, "/", "POST", {}),
        (404, "/dicom-web/studies/Nobody", "POST", {}),
        (404, f"/dicom-web/studies/{STUDY}/series", "POST", {}),
        (405, "/dicom-web/studies", "GET", {}),
        (405, "/dicom-web/studies", "DELETE", {}),
        (204, "/dicom-web/studies", "OPTIONS", {}),
        (415, "/dicom-web/studies", "POST", {"Content_Type": "application/dicom"}),
        (415, "/dicom-web/studies", "POST", {"Content_Type": 'multipart/related; type="image/png"; boundary=bq'}),
        (415, "/dicom-web/studies", "POST", {"Content_Encoding": "gzip"}),
        (400, "/dicom-web/studies", "POST", {"Content_Type": "multipart/related"}),
        (400, "/dicom-web/studies", "POST", {"Content_Type": RELATED.replace("bq", "other")}),
        (403, "/dicom-web/studies", "POST", {"Origin": "http://page.example"}),
    ],
)
def test_what_is_no_request_to_store_has_its_status(
    door: RunningDoor, status: int, path: str, method: str, fields: dict[str, str]
) -> None:
    assert door.ask(body(file("1.2.3")), path, method, **fields)[0] == status
    assert door.store(file("1.2.4"))[0] == 200


def test_what_is_stored_of_a_body_that_breaks_off_is_in_the_answer(door: RunningDoor) -> None:
    status, _, said = door.ask(body(file("1.2.3"), file("1.2.4"))[:-20])
    assert (status, [(one.sop_instance, one.stored) for one in decode(said, JSON)]) == (400, [("1.2.3", True)])


def test_a_request_that_is_too_large_is_told_before_it_is_sent(tmp_path: Path) -> None:
    with open_door(tmp_path, max_request=1 << 20) as door:
        head_of = POST + TYPE + b"Content-Length: 2000000\r\nExpect: 100-continue\r\n\r\n"
        assert door.raw(head_of).startswith(b"HTTP/1.1 413 ")
        chunks = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        assert b"HTTP/1.1 4" in door.raw(POST + TYPE + b"Transfer-Encoding: chunked\r\n\r\n" + chunks * 2)


def test_a_body_in_chunks_after_a_word_of_welcome_is_stored(door: RunningDoor) -> None:
    sent = body(file("1.2.3"), file("1.2.4"))
    cuts = [*range(0, len(sent), 100), len(sent)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (end - start, sent[start:end]) for start, end in pairwise(cuts))
    said = door.raw(POST + TYPE + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 100 ")
    assert b"HTTP/1.1 200 " in said


def test_requests_that_come_in_one_go_are_answered_in_their_order(door: RunningDoor) -> None:
    each = [body(file(f"1.2.{number}")) for number in range(3)]
    said = door.raw(b"".join(POST + TYPE + b"Content-Length: %d\r\n\r\n%s" % (len(one), one) for one in each))
    assert said.count(b"HTTP/1.1 200 ") == 3
    assert [said.index(b'"1.2.%d"' % number) for number in range(3)] == sorted(
        said.index(b'"1.2.%d"' % number) for number in range(3)
    )


def test_http_1_0_is_answered_and_closed(door: RunningDoor) -> None:
    sent = body(file("1.2.3"))
    said = door.raw(POST.replace(b"1.1", b"1.0") + TYPE + b"Content-Length: %d\r\n\r\n" % len(sent) + sent)
    assert b" 200 " in said.partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "sent",
    [
        b"\x01\x00\x00\x00\x00\xcd" + bytes(200),
        b"\x16\x03\x01\x02\x00" + bytes(600),
        b"GET\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        POST + TYPE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + TYPE + b"Content-Length: -5\r\n\r\n",
        POST + TYPE + b"Content-Length: 99999999999999999999999999\r\n\r\n",
        POST + TYPE + b"Transfer-Encoding: gzip\r\n\r\n",
        POST + TYPE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        POST + b"X: " + b"y" * (100 << 10) + b"\r\n\r\n",
        POST + b"".join(b"X%d: y\r\n" % number for number in range(20_000)) + b"\r\n",
        POST.replace(b"Host: node\r\n", b"") + b"\r\n",
        b"POST /dicom-web/studies HTTP/1.1\r\nHost: node\r\nHost: other\r\n\r\n",
        b"CONNECT other:80 HTTP/1.1\r\nHost: other\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: node\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        POST + TYPE + b"Content-Length: 4\r\n\r\n--bq",
        POST + b"Content-Type: " + b";a=b" * 7000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_http_by_the_book_is_refused_and_recorded(door: RunningDoor, sent: bytes) -> None:
    said = door.raw(sent)
    assert said[9:10] in (b"4", b"5")
    assert door.store(file("1.2.4"))[0] == 200


def test_a_request_that_is_never_ended_costs_no_other(door: RunningDoor) -> None:
    for sent in (b"", b"POST", POST, POST + TYPE + b"Content-Length: 500000\r\n\r\n" + body(file("1.2.3"))[:-9]):
        door.raw(sent)
    (closed,) = door.entries(Kind.ASSOCIATION_CLOSED)
    assert (closed.details["how"], closed.details["stored"]) == ("lost", 0)
    assert door.store(file("1.2.4"))[0] == 200


def test_who_sends_too_slowly_is_told_so_and_recorded(tmp_path: Path) -> None:
    pace: dict[str, object] = {"idle": 5.0, "message_time": 0.2, "message_rate": 1 << 30, "artim": 0.2}
    with open_door(tmp_path, listener=pace) as door:
        with socket.create_connection(("127.0.0.1", door.door.port), 60) as slow:
            slow.sendall(POST + TYPE + b"Content-Length: 500000\r\n\r\n")
            stop = threading.Event()

            def drip() -> None:
                while not stop.wait(0.05):
                    try:
                        slow.sendall(b"-")
                    except OSError:
                        return

            thread = threading.Thread(target=drip)
            thread.start()
            said = slow.recv(1000)
            stop.set()
            thread.join()
        assert said.startswith(b"HTTP/1.1 408 ")
        assert door.entries(Kind.ASSOCIATION_CLOSED)[0].details["how"] == "idle"
        with socket.create_connection(("127.0.0.1", door.door.port), 60) as slow:
            slow.sendall(b"POST /")
            assert slow.recv(100) == b""


def test_a_connection_that_says_nothing_gives_way_to_one_that_sends(tmp_path: Path) -> None:
    with open_door(tmp_path, max_connections=2) as door:
        silent = [socket.create_connection(("127.0.0.1", door.door.port), 60) for _ in range(8)]
        try:
            assert door.store(file("1.2.3"))[0] == 200
        finally:
            for one in silent:
                one.close()


def test_who_is_not_known_is_asked_for_a_proof_before_all_else(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("word")
    secret.chmod(0o600)
    callers = (WebCaller(aet="GATE", token_file=secret),)
    with open_door(tmp_path / "spool", trust_loopback=False, callers=callers) as door:
        status, answer, _ = door.ask(body(file("1.2.3")), path="/anywhere")
        assert status == 401
        assert "Bearer" in (answer.getheader("WWW-Authenticate") or "")
        (refused,) = door.entries(Kind.ASSOCIATION_REFUSED)
        assert (refused.details["result"], refused.address) == (401, "127.0.0.1")
        assert door.store(file("1.2.3"), Authorization="Bearer word")[0] == 200
        assert door.entries(Kind.INSTANCE)[0].calling == "GATE"
        assert door.ask(body(file("1.2.3")), Authorization="Bearer other")[0] == 401


def test_what_is_counted_is_what_the_listener_counts(tmp_path: Path) -> None:
    class Counted(NoEvents):
        def __init__(self) -> None:
            self.said: list[object] = []

        def instance(self, caller: str, outcome: str, size: int, seconds: float) -> None:
            self.said.append((caller, outcome, size))

        def refused(self, reason: str) -> None:
            self.said.append(reason)

    events = Counted()
    with open_door(tmp_path, events=events) as door:
        door.store(file("1.2.3"), b"")
        door.ask(b"", method="GET")
    size = len(data_set("1.2.3"))
    assert events.said == [(LOOPBACK, "stored", size), (LOOPBACK, "cannot_understand", 0), "http-405"]


def test_a_node_that_stops_breaks_off_what_does_not_end_and_says_so(tmp_path: Path) -> None:
    with open_door(tmp_path) as door:
        with socket.create_connection(("127.0.0.1", door.door.port), 60) as slow:
            slow.sendall(
                POST + TYPE + b"Content-Length: 500000\r\n\r\n" + body(file("1.2.3"))[:-10] + b"\r\n--bq\r\n\r\n"
            )
            door.entries(Kind.INSTANCE)
            door.door.stop(grace=0.0)
            said = slow.recv(1 << 16)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"1.2.3" in said


def test_https_proves_the_door_and_who_shows_a_certificate_of_the_settings(tmp_path: Path) -> None:
    site = Site(tmp_path / "tls")
    tls = WebTls(certificate=site.node.certificate, key=site.node.key, ca=site.ca)
    callers = (WebCaller(aet="GATE", certificate="GATE"),)
    with open_door(tmp_path / "spool", tls=tls, callers=callers, trust_loopback=False) as door:
        url = f"https://127.0.0.1:{door.door.port}/dicom-web"
        known = {"kind": "dicomweb", "url": url, "ca": site.ca}
        for aet, status in (("GATE", 200), ("OTHER", 401)):
            files = site.partner(aet)
            shown = Peer.model_validate({**known, "certificate": files.certificate, "key": files.key})
            with HttpClient(shown, 30) as client:
                sent = body(file("1.2.3", size=3_000_000))
                assert client.request("POST", "/studies", (), {"content-type": RELATED}, sent).status == status
        assert door.entries(Kind.INSTANCE)[0].calling == "GATE"
        with (
            pytest.raises(Unavailable, match="TLS"),
            HttpClient(Peer.model_validate({**known, "ca": None}), 30) as client,
        ):
            client.request("GET", "/studies")
        assert b"this port speaks HTTPS" in door.raw(POST + b"\r\n")
        reasons = {str(one.details["reason"]) for one in door.entries(Kind.ASSOCIATION_REFUSED, 2)}
        assert any("HTTPS: what came is not TLS" in one for one in reasons)


def test_a_certificate_is_asked_for_where_the_settings_want_one_of_everybody(tmp_path: Path) -> None:
    site = Site(tmp_path / "tls")
    tls = WebTls(certificate=site.node.certificate, key=site.node.key, ca=site.ca, require_certificate=True)
    with open_door(tmp_path / "spool", tls=tls) as door:
        peer = {"kind": "dicomweb", "url": f"https://127.0.0.1:{door.door.port}/dicom-web", "ca": site.ca}
        with pytest.raises(Retryable), HttpClient(Peer.model_validate(peer), 30) as client:
            client.request("GET", "/studies")
        (refused,) = door.entries(Kind.ASSOCIATION_REFUSED)
        assert "showed no certificate" in str(refused.details["reason"])
