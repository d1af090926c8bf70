"""An archive that is hostile, broken or slow, behind the viewer: nothing of it runs, and all of it ends in words."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from console.viewer import archive as module
from console.viewer import services
from console.viewer.archive import Archive
from console.viewer.pages import Viewer
from domain.errors import ConfigurationError, Unavailable
from tests.support.door import Caller, answering, archive_that

Answers = Callable[[bytes, socket.socket], None]
PASSWORD = "tr0ub4dor"


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("the page")
    return tmp_path


def read(pages: Path, answers: Answers, path: str = "/dicom-web/studies") -> tuple[int, dict[str, str], bytes]:
    with archive_that(answers) as (root, _), Viewer(pages, root) as viewer:
        return Caller(viewer.address).ask(path)


def raw(sent: bytes) -> Answers:
    return lambda _head, door: door.sendall(sent)


@pytest.mark.parametrize(
    "kind",
    [
        "application/dicom+json",
        "application/json",
        "application/dicom",
        "image/jpeg",
        "APPLICATION/DICOM+JSON",
        "application/dicom+json; charset=utf-8",
        'multipart/related; type="application/octet-stream"; boundary=abc',
        'multipart/related; type="image/jphc"; transfer-syntax=1.2.840.10008.1.2.4.201; boundary="a b"',
        "multipart/related;type=application/dicom;boundary=x",
    ],
)
def test_what_a_viewer_asks_for_passes(pages: Path, kind: str) -> None:
    status, headers, body = read(pages, answering(b"content", kind))
    assert (status, headers["content-type"], body) == (200, kind, b"content")


@pytest.mark.parametrize(
    "kind",
    [
        "text/html",
        "text/html; charset=utf-8",
        "image/svg+xml",
        "application/xhtml+xml",
        "text/xml",
        "text/javascript",
        "application/pdf",
        "text/plain",
        "multipart/related",
        "multipart/mixed; boundary=x",
        "message/rfc822",
        'multipart/related; type="text/html"; boundary=x',
        'multipart/related; type="image/svg+xml"; boundary=x',
        'multipart/related; type="application/dicom"',
        "application/dicom, text/html",
        "application/dicom; x=y",
        "application/dicom; charset=a; charset=b",
        "multipart/related; type=image/jpeg; type=text/html; boundary=x",
        "application/dicom;\r\n charset=utf-8",
        "",
        "*/*",
        "application/dicom\x0b",
    ],
)
def test_an_answer_of_another_type_never_reaches_the_browser(pages: Path, kind: str) -> None:
    status, headers, body = read(pages, answering(b"<script>alert(1)</script>", kind))
    assert status == 502 and b"script" not in body
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert b"the archive answers with" in body


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_an_archive_that_points_elsewhere_is_followed_nowhere(pages: Path, status: str) -> None:
    with archive_that(answering(b"[]")) as (elsewhere, asked_there):
        code, headers, _ = read(pages, answering(b"", status=status, more=f"Location: {elsewhere}/studies\r\n"))
        assert code == 502 and "location" not in headers and asked_there == []


@pytest.mark.parametrize(
    ("status", "expected"), [("404 x", 404), ("400 x", 400), ("401 x", 502), ("500 x", 502), ("299 x", 502)]
)
def test_a_refusal_comes_in_our_words(pages: Path, status: str, expected: int) -> None:
    page = answering(b"<html>Doe^Jane", "text/html", status, 'WWW-Authenticate: Basic realm="password, please"\r\n')
    code, headers, body = read(pages, page, "/dicom-web/studies/1.2/metadata")
    assert code == expected and b"the archive" in body and b"Doe" not in body
    assert "www-authenticate" not in headers


def test_of_its_headers_type_and_length_alone_are_passed_on(pages: Path) -> None:
    more = (
        "Set-Cookie: dicom-node-viewer=x\r\nAccess-Control-Allow-Origin: *\r\nRefresh: 0;url=http://x\r\n"
        "Content-Security-Policy: default-src *\r\nLink: <http://x>; rel=preload\r\nClear-Site-Data: *\r\n"
        "Service-Worker-Allowed: /\r\nSourceMap: http://x\r\nX-Content-Type-Options: none\r\n"
    )
    _, headers, _ = read(pages, answering(b"[]", more=more))
    assert headers["x-content-type-options"] == "nosniff"
    assert not {"set-cookie", "access-control-allow-origin", "refresh", "link", "clear-site-data"} & set(headers)
    assert not {"service-worker-allowed", "sourcemap"} & set(headers)
    assert "*" not in headers["content-security-policy"]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\0\0\0\0",
        b"SSH-2.0-archive\r\n",
        b"HTTP/1.1 200\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    ],
)
def test_what_is_no_http_ends_in_words(pages: Path, sent: bytes) -> None:
    status, _, body = read(pages, raw(sent))
    assert status == 502 and b"the archive" in body and b"SSH" not in body and b"Traceback" not in body


def test_an_archive_that_says_wait_for_ever_is_left(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST", 0.3)

    def wait(_head: bytes, door: socket.socket) -> None:
        while True:
            door.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    status, _, body = read(pages, wait)
    assert status == 502 and b"the archive" in body


def test_an_answer_that_trickles_or_ends_too_early_is_no_whole_one(
    pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LONGEST", 0.3)
    began = b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n"

    def trickle(_head: bytes, door: socket.socket) -> None:
        door.sendall(began + b"\r\n")
        while True:
            door.sendall(b" ")

    for answers in (
        trickle,
        raw(began + b"Content-Length: 9\r\n\r\n[]"),
        raw(began + b"Transfer-Encoding: chunked\r\n\r\n9\r\n[]"),
    ):
        with pytest.raises(Exception, match=r"(?i)incomplete|reset|closed"):
            read(pages, answers)


def test_an_answer_without_an_end_has_one_here(pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 1000)
    assert read(pages, answering(b" " * 1001))[0] == 502
    with pytest.raises(Exception, match=r"(?i)incomplete|reset|closed"):
        read(pages, raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n\r\n" + b" " * 1001))


def test_an_answer_of_unknown_length_comes_whole_and_the_connection_goes_on(pages: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nTransfer-Encoding: chunked\r\n\r\n"
    status, headers, body = read(pages, raw(head + b"2\r\n[]\r\n0\r\n\r\n"))
    assert (status, body, headers.get("transfer-encoding")) == (200, b"[]", "chunked")
    assert read(pages, raw(b"HTTP/1.1 204 No Content\r\n\r\n"))[::2] == (204, b"")


def test_bytes_in_an_encoding_that_nobody_asked_for_do_not_pass(pages: Path) -> None:
    assert read(pages, answering(b"\x1f\x8b", more="Content-Encoding: gzip\r\n"))[0] == 502


# What is asked of it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/servers",
        "/workitems",
        "/",
        "/st%20udies",
        "/studies/",
        "/studies/..",
        "/studies/../system",
        "/studies/1.2/..",
        "/studies/%2e%2e/instances",
        "/studies/1.2/%2e%2e/%2e%2e/system",
        "/studies%2f..%2fsystem",
        "/studies/1.2;x=y",
        "/studies/1.2\\..\\system",
        "/studies//1.2",
        "/studies/1.2/series/1.3/modify",
        "/studies/1.2/bulk/../../system",
        "/studies/1.2/bulk/%2e%2e/x",
        "/studies/1.2/bulk/.hidden",
        "/studies/1.2/anonymize",
        "/studies/abc",
        "/studies/1..2",
        "/studies/1.2/series/1.3/instances/1.4/frames/0x1",
        "/%73tudies",
        "/studies\u0661",
    ],
)
def test_what_reads_no_study_is_never_asked_of_the_archive(pages: Path, path: str) -> None:
    assert not services.reads(path)
    with archive_that(answering(b"[]")) as (root, asked), Viewer(pages, root) as viewer:
        caller = Caller(viewer.address)
        if path.isascii():
            assert caller.get(f"/dicom-web{path}")[0] == 403
        assert caller.get("/dicom-web/studies", "HEAD")[0] == 403
        assert asked == []


def test_the_archive_is_told_what_is_wanted_and_where_its_answers_lead_and_nothing_of_the_browser(pages: Path) -> None:
    with archive_that(answering(b"[]")) as (root, asked), Viewer(pages, root) as viewer:
        caller = Caller(viewer.address)
        sent = {
            "Accept": "application/dicom+json",
            "Authorization": "Bearer x",
            "X-Forwarded-Host": "x",
            "Range": "bytes=0-",
        }
        assert caller.get("/dicom-web/studies/1.2/series?limit=1", **sent)[0] == 200
        (head,) = asked
    line, *headers = head.decode().strip().split("\r\n")
    assert line == "GET /dicom-web/studies/1.2/series?limit=1 HTTP/1.1"
    named = dict(one.split(": ", 1) for one in headers)
    assert set(named) == {"Host", "Accept-Encoding", "Accept", "Forwarded"}
    assert named["Forwarded"] == f"host={viewer.origin.removeprefix('http://')};proto=http"


# The list of studies that the command prints -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"7",
        b'"x"',
        b"[7]",
        b"[[1]]",
        b"nonsense",
        b"[" * 100_000,
        b'[{"0020000D": 1}]',
        b'[{"0020000D": {"Value": 1}}]',
        b'[{"0020000D": {"Value": ["<script>", null]}}]',
        b'[{"0020000D": {"Value": ["1.2&key=x"]}}]',
        b"\xff",
        b"",
        b"null",
    ],
)
def test_a_list_of_studies_that_is_none_names_none(body: bytes) -> None:
    with archive_that(answering(body)) as (root, _):
        try:
            assert Archive(root).studies() == []
        except Unavailable as error:
            assert "that is no list of studies" in str(error)


def test_a_list_of_studies_without_an_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_OF_LIST", 10)
    with (
        archive_that(answering(json.dumps([{}] * 10).encode())) as (root, _),
        pytest.raises(Unavailable, match="no end"),
    ):
        Archive(root).studies()


@pytest.mark.parametrize(
    "root",
    [
        f"http://admin:{PASSWORD}@archive/x",
        f"http://{PASSWORD}@archive/",
        f"http://archive/?token={PASSWORD}",
        f"http://a/#{PASSWORD}",
    ],
)
def test_a_password_in_the_archives_address_is_refused_and_not_repeated(root: str) -> None:
    with pytest.raises(ConfigurationError, match="and nothing more") as error:
        Archive(root)
    assert PASSWORD not in str(error.value)


@pytest.mark.parametrize(
    "root",
    ["file:///etc", "ftp://archive/", "archive:8042", "", "http://", "http://a:x/", "http://a/\r\nX: y", "http://[x"],
)
def test_an_archive_has_an_address(root: str) -> None:
    with pytest.raises(ConfigurationError, match="DICOMweb"):
        Archive(root)
