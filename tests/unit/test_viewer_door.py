"""The viewer's door, as pages of other servers, other users of the machine and their programs would come to it."""

import contextlib
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.viewer import requests, server
from console.viewer.pages import Viewer
from console.viewer.requests import LONGEST_HEAD
from roles.http_heads import Refused
from tests.support.door import Caller, answering, archive_that, connected, say
from tests.support.users import become, python_for, system_user

STUDIES = b'[{"0020000D": {"vr": "UI", "Value": ["1.2.1"]}}]'
SEEN = (b"1.2.1", b"the page", b"run()")


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "index.html").write_text('<link rel="manifest" href="/m.json"><script>one()</script>the page')
    (folder / "app.js").write_text("run()")
    return folder


@pytest.fixture
def archive() -> Iterator[tuple[str, list[bytes]]]:
    with archive_that(answering(STUDIES)) as one:
        yield one


@pytest.fixture
def viewer(pages: Path, archive: tuple[str, list[bytes]]) -> Iterator[Viewer]:
    with Viewer(pages, archive[0]) as served:
        yield served


@pytest.fixture
def caller(viewer: Viewer) -> Caller:
    return Caller(viewer.study("1.2.1"))


def port(viewer: Viewer) -> int:
    return int(viewer.origin.rpartition(":")[2])


def key(viewer: Viewer) -> str:
    return urllib.parse.parse_qs(urllib.parse.urlsplit(viewer.address).query)["key"][0]


def head(viewer: Viewer, target: str, *headers: str, method: str = "GET") -> bytes:
    """A request with these headers and the right Host."""
    named = [f"Host: {viewer.origin.removeprefix('http://')}", *headers]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *named, "", ""]).encode("latin-1")


def asked(viewer: Viewer, target: str, *headers: str, method: str = "GET") -> bytes:
    return say(port(viewer), head(viewer, target, *headers, method=method))


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


# The key --------------------------------------------------------------------------------------------------------------


def test_a_printed_address_leads_to_one_without_its_key_and_a_cookie_that_no_page_and_no_other_site_gets(
    viewer: Viewer,
) -> None:
    assert len(key(viewer)) >= 43  # 256 bits in base64
    answer = asked(viewer, viewer.study("1.2.1").removeprefix(viewer.origin)).decode()
    assert status(answer.encode()) == 303
    assert f"\r\nLocation: {viewer.origin}/viewer?StudyInstanceUIDs=1.2.1\r\n" in answer
    (cookie,) = [line for line in answer.split("\r\n") if line.startswith("Set-Cookie: ")]
    name, *rest = cookie.removeprefix("Set-Cookie: ").split("; ")
    assert name.startswith(f"dicom-node-viewer-{port(viewer)}=") and key(viewer) not in name
    assert rest == ["HttpOnly", "SameSite=Strict", "Path=/"]
    assert key(viewer) not in answer


def test_whoever_came_by_the_address_gets_pages_and_studies(viewer: Viewer, caller: Caller) -> None:
    assert caller.landed == f"{viewer.origin}/viewer?StudyInstanceUIDs=1.2.1"
    assert caller.get("/")[1].endswith(b"the page")
    assert caller.get("/app.js") == (200, b"run()")
    assert caller.get("/dicom-web/studies") == (200, STUDIES)


@pytest.mark.parametrize(
    "target", ["/", "/app.js", "/app-config.js", "/viewer?StudyInstanceUIDs=1", "/dicom-web/studies"]
)
@pytest.mark.parametrize(
    "header",
    [
        "X: y",
        "Cookie: dicom-node-viewer-{port}=",
        "Cookie: dicom-node-viewer-{port}={zeros}",
        "Authorization: Bearer {zeros}",
    ],
)
def test_whoever_lacks_the_key_sees_nothing_but_how_to_get_it(
    viewer: Viewer, archive: tuple[str, list[bytes]], target: str, header: str
) -> None:
    answer = asked(viewer, target, header.format(port=port(viewer), zeros="0" * 64))
    assert status(answer) == 403
    assert b"Open the address that `dicom-node viewer` printed" in answer
    assert not any(one in answer for one in SEEN) and archive[1] == []


@pytest.mark.parametrize(
    "query", ["key=", "key=x", "key={key}x", "key={part}", "key={key}&key=x", "KEY={key}", "key=%{key}"]
)
def test_a_key_that_is_nearly_right_is_wrong(viewer: Viewer, query: str) -> None:
    answer = asked(viewer, f"/?{query.format(key=key(viewer), part=key(viewer)[:-1])}")
    assert status(answer) == 403 and b"Set-Cookie" not in answer


def test_the_key_of_another_viewer_and_its_cookie_open_nothing(
    pages: Path, archive: tuple[str, list[bytes]], viewer: Viewer, caller: Caller
) -> None:
    with Viewer(pages, archive[0]) as other:
        assert key(other) != key(viewer)
        assert status(asked(other, f"/?key={key(viewer)}")) == 403
        stolen = caller.cookie.replace(str(port(viewer)), str(port(other)))
        assert status(asked(other, "/", f"Cookie: {stolen}")) == 403


def test_another_user_of_the_machine_gets_nothing_even_with_a_cookie_that_a_browser_gave_their_server(
    viewer: Viewer, caller: Caller
) -> None:
    """A browser sends cookies to every port of an address."""
    assert status(asked(viewer, "/dicom-web/studies", f"Cookie: {caller.cookie}")) == 200
    program = (
        "import socket, sys; door = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
        "door.sendall(sys.stdin.buffer.read()); door.shutdown(1); print(door.recv(1 << 16).decode('latin-1'))"
    )
    sent = head(viewer, "/dicom-web/studies", f"Cookie: {caller.cookie}")
    with system_user() as user:
        command = [*become(user), python_for(user), "-I", "-c", program, str(port(viewer))]
        done = subprocess.run(command, input=sent, capture_output=True, check=True, cwd="/")
    assert b" 403 " in done.stdout and b"1.2.1" not in done.stdout


def test_no_log_and_no_error_holds_the_key(
    viewer: Viewer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer._server, "answer", lambda request, owner: 1 / 0)
    caplog.set_level("DEBUG")
    answer = asked(viewer, f"/?key={key(viewer)}")
    assert status(answer) == 500 and b"ZeroDivision" not in answer and b"Traceback" not in answer
    assert "a request to the viewer failed" in caplog.text
    assert key(viewer) not in caplog.text and "key" not in "".join(record.getMessage() for record in caplog.records)


# Pages of other servers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["localhost:{port}", "127.0.0.1", "127.0.0.1:{port}.example", "127.0.0.1:{port}@x", "127.1:{port}", "x:{port}", ""],
)
def test_a_name_of_somebody_elses_that_leads_here_is_not_ours(viewer: Viewer, caller: Caller, name: str) -> None:
    sent = head(viewer, "/dicom-web/studies", f"Cookie: {caller.cookie}")
    ours = f"Host: {viewer.origin.removeprefix('http://')}".encode()
    answer = say(port(viewer), sent.replace(ours, f"Host: {name.format(port=port(viewer))}".encode()))
    assert status(answer) == 421
    assert status(say(port(viewer), sent.replace(ours, b"X: y"))) == 421


@pytest.mark.parametrize(
    "headers",
    [
        ["Origin: http://127.0.0.1:1"], ["Origin: null"], ["Origin: http://localhost:{port}"],
        ["Sec-Fetch-Site: cross-site"], ["Sec-Fetch-Site: same-site"], ["Sec-Fetch-Site: ?"],
        ["Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"],
        ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"],
        ["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: embed"],
    ],
)  # fmt: skip
def test_a_page_of_another_server_reads_nothing_shows_nothing_in_a_frame_and_links_to_nothing(
    viewer: Viewer, archive: tuple[str, list[bytes]], caller: Caller, headers: list[str]
) -> None:
    sent = [one.format(port=port(viewer)) for one in headers]
    for target in ("/", "/dicom-web/studies"):
        answer = asked(viewer, target, f"Cookie: {caller.cookie}", *sent)
        assert status(answer) == 403 and not any(one in answer for one in SEEN)
    assert archive[1] == []


def test_what_the_archive_has_is_never_opened_as_a_page(viewer: Viewer, caller: Caller) -> None:
    typed = ["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"]
    assert status(asked(viewer, "/dicom-web/studies", f"Cookie: {caller.cookie}", *typed)) == 403
    assert status(asked(viewer, "/", f"Cookie: {caller.cookie}", *typed)) == 200


def test_the_key_is_no_way_to_send_somebody_elsewhere(viewer: Viewer) -> None:
    for target in ("//elsewhere.example/", "/\\elsewhere.example/", "http://elsewhere.example/"):
        answer = asked(viewer, f"{target}?key={key(viewer)}")
        assert status(answer) == 400 and b"Location" not in answer


def test_pages_talk_to_nobody_else_and_what_is_no_page_runs_nothing(viewer: Viewer, caller: Caller) -> None:
    told = {target: caller.ask(target)[1] for target in ("/", "/app.js", "/dicom-web/studies")}
    policies = {
        target: dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        for target, headers in told.items()
    }
    for target, policy in policies.items():
        for name in ("default-src", "base-uri", "form-action", "frame-ancestors", "object-src"):
            assert policy[name] == "'none'", target
        assert told[target]["x-content-type-options"] == "nosniff"
        assert told[target]["referrer-policy"] == "no-referrer"
        assert (
            told[target]["cross-origin-resource-policy"] == told[target]["cross-origin-opener-policy"] == "same-origin"
        )
    assert policies["/dicom-web/studies"]["sandbox"] == ""
    assert "script-src" not in policies["/dicom-web/studies"]
    assert set(policies["/"]["connect-src"].split()) == {"'self'", "blob:", "data:"}
    allowed = policies["/"]["script-src"].split()
    assert not {"'unsafe-inline'", "blob:", "data:", "http:", "https:"} & set(allowed)
    assert [one[:8] for one in allowed if one.startswith("'sha256-")] == ["'sha256-"]


# Requests with two readings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "headers", "expected"),
    [
        ("POST /x HTTP/1.1", [], 405),
        ("PUT /x HTTP/1.1", [], 405),
        ("DELETE /dicom-web/studies/1.2 HTTP/1.1", [], 405),
        ("OPTIONS * HTTP/1.1", [], 405),
        ("CONNECT elsewhere:80 HTTP/1.1", [], 405),
        ("TRACE / HTTP/1.1", [], 405),
        ("GET /", [], 400),
        ("GET / HTTP/1.0", [], 505),
        ("GET / HTTP/2.0", [], 505),
        ("GET  / HTTP/1.1", [], 400),
        ("get / HTTP/1.1", [], 405),
        ("GET /\x80 HTTP/1.1", [], 400),
        ("GET /#x HTTP/1.1", [], 400),
        ("GET * HTTP/1.1", [], 400),
        ("GET / HTTP/1.1", ["Content-Length: 1"], 400),
        ("GET / HTTP/1.1", ["Content-Length: -0"], 400),
        ("GET / HTTP/1.1", ["Transfer-Encoding: chunked"], 400),
        ("GET / HTTP/1.1", ["transfer-encoding: identity"], 400),
        ("GET / HTTP/1.1", ["Expect: 100-continue"], 400),
        ("GET / HTTP/1.1", ["Host: x"], 400),
        ("GET / HTTP/1.1", ["Cookie: a=b", "cookie: c=d"], 400),
        ("GET / HTTP/1.1", ["X: y", " folded"], 400),
        ("GET / HTTP/1.1", ["X : y"], 400),
        ("GET / HTTP/1.1", ["X"], 400),
        ("GET / HTTP/1.1", [": y"], 400),
        ("GET / HTTP/1.1", ["X: a\nHost: y"], 400),
        ("GET / HTTP/1.1", ["X: a\rY: b"], 400),
        ("GET / HTTP/1.1", ["X: \0"], 400),
        ("GET / HTTP/1.1", [f"X{number}: y" for number in range(70)], 431),
        (f"GET /{'x' * 9000} HTTP/1.1", [], 414),
    ],
)
def test_a_request_with_a_body_or_two_readings_is_refused(line: str, headers: list[str], expected: int) -> None:
    with pytest.raises(Refused) as refused:
        requests.read("\r\n".join([line, "Host: here", *headers]).encode("latin-1"))
    assert refused.value.status == expected


def test_the_key_helps_no_request_that_has_two_readings(viewer: Viewer, caller: Caller) -> None:
    smuggled = (
        head(viewer, "/", f"Cookie: {caller.cookie}", "Content-Length: 40") + b"GET /dicom-web/studies HTTP/1.1\r\n"
    )
    answer = say(port(viewer), smuggled)
    assert status(answer) == 400 and answer.count(b"HTTP/1.1 ") == 1


def test_several_requests_of_one_connection_are_answered_in_turn_and_head_has_no_body(
    viewer: Viewer, caller: Caller
) -> None:
    one = head(viewer, "/app.js", f"Cookie: {caller.cookie}")
    answer = say(port(viewer), one + head(viewer, "/app.js", f"Cookie: {caller.cookie}", method="HEAD"))
    assert answer.count(b"HTTP/1.1 200 OK") == 2 and answer.count(b"run()") == 1


def test_a_head_without_an_end_is_cut_off(viewer: Viewer) -> None:
    assert status(say(port(viewer), b"GET / HTTP/1.1\r\nX: " + b"x" * (LONGEST_HEAD + 1))) == 431
    assert (
        status(say(port(viewer), b"GET / HTTP/1.1\r\nX: " + b"x" * 15000 + b"\r\nY: " + b"y" * 9000 + b"\r\n\r\n"))
        == 431
    )


# Those who hold connections -------------------------------------------------------------------------------------------


def test_a_head_that_trickles_ends_when_its_time_is_over(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_HEAD", 0.3)
    with connected(port(viewer)) as door, contextlib.suppress(ConnectionError):
        while True:
            door.sendall(b"G")  # a byte as often as it is taken, so that no silence ends it
            door.settimeout(0.01)
            with contextlib.suppress(TimeoutError):
                if door.recv(1) == b"":
                    break


def test_strangers_who_hold_every_place_keep_out_nobody_who_has_the_key(viewer: Viewer, caller: Caller) -> None:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connected(port(viewer))) for _ in range(server._STRANGERS + 5)]
        for one in held:
            with contextlib.suppress(ConnectionError):
                one.sendall(b"GET / HT")
        assert Caller(viewer.address).get("/app.js") == (200, b"run()")
        assert held[0].recv(1) == b""  # the first that came had to go
    assert caller.get("/dicom-web/studies") == (200, STUDIES)


def test_more_readers_than_there_are_places_are_told_to_come_again(
    viewer: Viewer, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_KNOWN", 1)
    with connected(port(viewer)) as first:
        first.sendall(head(viewer, "/app.js", f"Cookie: {caller.cookie}"))
        assert b" 200 " in first.recv(1 << 16)
        assert status(asked(viewer, "/app.js", f"Cookie: {caller.cookie}")) == 503
