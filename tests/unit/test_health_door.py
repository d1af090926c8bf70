"""The door of health and metrics, as whoever reaches it would treat it: slowly, without an end, under another name."""

import http.client
import json
import os
import re
import resource
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from config import metrics
from config.settings import Http
from roles.health import Health, HealthServer
from roles.http_door import PLACES, HttpDoor
from roles.http_messages import LONGEST_HEAD
from roles.process import allow_all_descriptors

ASK = b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SAID = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture
def door(tmp_path: Path) -> Iterator[HealthServer]:
    with HealthServer(Health(), Http(names=("node.Watch", "proxy.")), tmp_path, "listen") as server:
        yield server


def answer(port: int, said: bytes, address: str = "127.0.0.1") -> bytes:
    """All that a connection gives to these bytes, up to its end."""
    with socket.create_connection(("127.0.0.1", port), 60, source_address=(address, 0)) as client:
        client.sendall(said)
        return b"".join(iter(lambda: client.recv(65_536), b""))


def status(said: bytes) -> int:
    return int(said.split(b" ")[1]) if said else 0


def is_closed(client: socket.socket) -> bool:
    """Waits for the other side's end of it, which comes before any byte."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


@contextmanager
def quick(respond: Callable[[bytes | None], bytes] = lambda _: SAID, seconds: float = 600.0) -> Iterator[HttpDoor]:
    """A door that waits for as long as no test lasts, or for as little as a test likes."""
    made = HttpDoor("127.0.0.1", 0, respond, seconds=seconds)
    try:
        yield made
    finally:
        made.close()


def test_two_thousand_who_say_nothing_take_the_doors_few_descriptors_and_keep_nobody_out(door: HealthServer) -> None:
    before, limits = descriptors(), resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_all_descriptors()
    try:
        with ExitStack() as stack:
            for number in range(2_000):
                stack.enter_context(socket.create_connection(("127.0.0.1", door.port), 60))
                if number % 100 == 0:
                    assert status(answer(door.port, ASK)) == 503
            # The test's own ends, and what the door holds of the others.
            assert descriptors() - before <= 2_000 + PLACES + 1
            assert status(answer(door.port, ASK)) == 503
        assert status(answer(door.port, ASK)) == 503
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no folder of files


def test_a_flood_of_one_address_takes_no_place_of_another() -> None:
    with quick() as door, ExitStack() as stack:
        patient = stack.enter_context(socket.create_connection(("127.0.0.1", door.port), 60))
        flood = [
            stack.enter_context(socket.create_connection(("127.0.0.1", door.port), 60, source_address=("127.0.0.2", 0)))
            for _ in range(5 * PLACES)
        ]
        assert all(map(is_closed, flood[: 4 * PLACES]))
        patient.sendall(ASK)
        assert patient.recv(len(SAID)) == SAID


@pytest.mark.parametrize("piece", [b"G", ASK[:-1], ASK[:30] + b"x" * 1000, b""])
def test_a_request_has_a_time_for_all_of_it_however_steadily_its_bytes_come(piece: bytes) -> None:
    with quick(seconds=0.2) as door, socket.create_connection(("127.0.0.1", door.port), 60) as slow:
        slow.sendall(piece)
        slow.settimeout(0.01)
        while not _ends(slow):
            with_more(slow)


def with_more(client: socket.socket) -> None:
    """One byte of a field that never ends; who has been left finds that out by reading."""
    try:
        client.send(b"x")
    except OSError:
        return


def _ends(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_who_never_reads_its_answer_is_left_and_costs_nobody_else_a_moment() -> None:
    endless = bytes(64 << 20)
    with quick(lambda head: endless if head == b"all" else SAID, seconds=2.0) as door, ExitStack() as stack:
        deaf = stack.enter_context(socket.create_connection(("127.0.0.1", door.port), 60))
        deaf.sendall(b"all\r\n\r\n")
        assert answer(door.port, b"a\r\n\r\n") == SAID
        gone = select.poll()
        gone.register(deaf, select.POLLHUP)
        assert gone.poll(60_000), "the door's end of it"
        assert len(b"".join(iter(lambda: _received(deaf), b""))) < len(endless)


def _received(client: socket.socket) -> bytes:
    try:
        return client.recv(1 << 20)
    except ConnectionResetError:
        return b""


def test_who_sends_on_after_the_answer_gets_it_whole_and_is_left() -> None:
    with quick() as door, socket.create_connection(("127.0.0.1", door.port), 60) as client:
        client.sendall(ASK)
        assert client.recv(len(SAID), socket.MSG_WAITALL) == SAID
        with pytest.raises(ConnectionError):
            while True:
                client.sendall(bytes(65_536))


def test_a_defect_costs_its_own_connection_and_not_the_door(caplog: pytest.LogCaptureFixture) -> None:
    def respond(head: bytes | None) -> bytes:
        return {b"good": SAID}[head or b""]

    with quick(respond) as door:
        assert answer(door.port, b"bad\r\n\r\n") == b""
        assert answer(door.port, b"good\r\n\r\n") == SAID
    assert "the health door failed once" in caplog.text


def test_a_head_that_is_longer_than_any_is_refused_and_one_that_just_fits_is_read(door: HealthServer) -> None:
    start = b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nx: "
    fits = start + b"x" * (LONGEST_HEAD - len(start)) + b"\r\n\r\n"
    assert status(answer(door.port, fits)) == 503
    assert status(answer(door.port, fits.replace(b"x: ", b"x: x"))) == 431
    assert status(answer(door.port, b"x" * (64 << 10))) == 431


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\n", 405),
        (b"TRACE / HTTP/1.1\r\nHost: localhost\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n", 405),
        (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n", 405),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n", 413),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n", 413),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n", 200),
        (b"GET /elsewhere HTTP/1.1\r\nHost: localhost\r\n", 404),
        (b"GET /health/../metrics HTTP/1.1\r\nHost: localhost\r\n", 404),
        (b"GET /metrics?name[]=x HTTP/1.1\r\nHost: localhost\r\n", 200),
        (b"GET /metrics HTTP/2.0\r\nHost: localhost\r\n", 400),
        (b"GET /metrics\r\n", 400),
        (b"GET  /metrics HTTP/1.1\r\nHost: localhost\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost : localhost\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n folded\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\nX: y\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", 400),
    ],
)
def test_what_is_no_question_of_this_door_is_refused_in_words(door: HealthServer, said: bytes, expected: int) -> None:
    told = answer(door.port, said + b"\r\n")
    assert status(told) == expected
    if expected >= 400:
        assert json.loads(told.partition(b"\r\n\r\n")[2])["error"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        # A page of rebind.example whose name now points to this machine's loopback.
        ("rebind.example", 421),
        ("rebind.example:{port}", 421),
        ("127.0.0.1.rebind.example", 421),
        ("localhost.rebind.example", 421),
        ("node", 421),
        ("127.0.0.1:{port}", 503),
        ("10.1.2.3", 503),
        ("[::1]:{port}", 503),
        ("LocalHost:{port}", 503),
        ("node.watch:{port}", 503),
        ("Node.Watch.", 503),
        ("proxy", 503),
        ("", 400),
        ("a b", 400),
        ("user@localhost", 400),
        ("localhost/x", 400),
        ("localhost\r\nHost: localhost", 400),
    ],
)
def test_a_page_whose_name_was_made_to_point_here_reads_nothing(door: HealthServer, host: str, expected: int) -> None:
    for path in ("/health/ready", "/metrics"):
        asks = f"GET {path} HTTP/1.1\r\nHost: {host.format(port=door.port)}\r\n\r\n"
        said = answer(door.port, asks.encode())
        assert status(said) == (200 if path == "/metrics" and expected == 503 else expected)
        assert expected == 503 or b"dicom_node_" not in said


def test_a_probe_that_speaks_http_1_0_names_no_host_and_is_answered(door: HealthServer) -> None:
    assert status(answer(door.port, b"GET /health/live HTTP/1.0\r\n\r\n")) == 200
    assert status(answer(door.port, b"GET /health/live HTTP/1.1\r\n\r\n")) == 400


def test_the_name_that_the_door_listens_at_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = socket.getaddrinfo("127.0.0.1", 0, type=socket.SOCK_STREAM)
    elsewhere = socket.getaddrinfo("192.0.2.1", 0, type=socket.SOCK_STREAM)  # TEST-NET-1: no machine has it
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: elsewhere + here)
    with HealthServer(Health(), Http(host="listen.watch"), tmp_path, "listen") as server:
        told = socket.socket()
        told.connect(("127.0.0.1", server.port))
        with told:
            told.sendall(b"GET /health/live HTTP/1.1\r\nHost: listen.watch:8080\r\n\r\n")
            assert status(told.recv(100)) == 200


@pytest.mark.parametrize("path", ["/metrics", "/health/live", "/health/ready", "/elsewhere"])
def test_every_answer_is_what_it_says_kept_by_nobody_and_the_last_of_its_connection(
    door: HealthServer, path: str
) -> None:
    for method in ("GET", "HEAD"):
        client = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
        client.request(method, path)
        told = client.getresponse()
        body = told.read()
        kind = metrics.CONTENT_TYPE if path == "/metrics" else "application/json"
        assert told.headers["Content-Type"] == kind
        assert told.headers["X-Content-Type-Options"] == "nosniff"
        assert told.headers["Cache-Control"] == "no-store"
        assert told.headers["Connection"] == "close"
        assert "Server" not in told.headers
        assert "Access-Control-Allow-Origin" not in told.headers
        assert bool(body) is (method == "GET")
        assert int(told.headers["Content-Length"]) > 0


def test_a_method_that_is_refused_is_told_which_are_there(door: HealthServer) -> None:
    said = answer(door.port, b"DELETE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert re.search(rb"\r\nAllow: GET, HEAD\r\n", said)


def test_a_door_listens_by_ipv6_as_well(tmp_path: Path) -> None:
    with HealthServer(Health(), Http(host="::1"), tmp_path, "listen") as server:
        client = http.client.HTTPConnection("::1", server.port, timeout=60)
        client.request("GET", "/health/live")
        assert client.getresponse().status == 200
        client.close()
