"""The HTTP client says what became of a request, whatever a peer answers, and never waits longer than it was told."""

import re
import socket
import ssl
import threading
from pathlib import Path

import pytest

from config.peers import Peer
from dicom_node.web.client import HttpClient
from dicom_node.web.connection import Answer
from domain.errors import ConfigurationError, Retryable, Unavailable
from tests.support.certificates import certified
from tests.support.http_peer import Part, answering, head_of, playing

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def _asked(peer: Peer, timeout: float = 5.0, **more: object) -> Answer:
    with HttpClient(peer, timeout) as client:
        return client.request("GET", "/studies", **more)  # type: ignore[arg-type]


def test_an_answer_is_read_with_status_fields_and_body() -> None:
    fields = b"Content-Type: Application/DICOM+json; charset=utf-8\r\nTransfer-Encoding: chunked"
    told = b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
    with playing(answering(told)) as peer:
        answer = _asked(peer)
    assert (answer.status, answer.kind, answer.body) == (200, "application/dicom+json", b"[]")


def test_several_requests_take_one_connection() -> None:
    with playing(answering(OK, OK)) as peer, HttpClient(peer, 5) as client:
        assert [client.request("GET", "/a").body, client.request("GET", "/b").body] == [b"hi", b"hi"]


def test_a_question_on_a_kept_connection_that_was_closed_is_asked_once_more() -> None:
    with playing(answering(OK), answering(OK)) as peer, HttpClient(peer, 5) as client:
        assert [client.request("GET", "/a").body, client.request("GET", "/b").body] == [b"hi", b"hi"]


def test_the_path_and_the_question_are_written_as_a_url_has_them() -> None:
    heads: list[bytes] = []

    def keep(connection: socket.socket) -> None:
        heads.append(head_of(connection))
        connection.sendall(OK)

    with playing(keep) as peer:
        _asked(peer, query=[("00100020", "A&B ^1")])
    assert heads[0].startswith(b"GET /web/studies?00100020=A%26B+%5E1 HTTP/1.1\r\n")


def test_a_password_and_a_token_go_along_and_are_read_anew_for_each_connection(tmp_path: Path) -> None:
    heads: list[bytes] = []

    def keep(connection: socket.socket) -> None:
        heads.append(head_of(connection))
        connection.sendall(OK)

    secret = tmp_path / "secret"
    for text, fields in (("pw", {"user": "u", "password_file": secret}), ("tok", {"token_file": secret})):
        secret.write_text(text + "\n")
        secret.chmod(0o600)
        with playing(keep, **fields) as peer:
            _asked(peer)
    assert [re.search(rb"(?i)authorization: (.*)\r", head).group(1) for head in heads] == [  # type: ignore[union-attr]
        b"Basic dTpwdw==",
        b"Bearer tok",
    ]


def test_a_secret_that_http_cannot_carry_is_a_wrong_setting_and_is_not_told(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("to\nken")
    secret.chmod(0o600)
    with playing(answering(OK), token_file=secret) as peer, pytest.raises(ConfigurationError) as told:
        _asked(peer)
    assert "ken" not in str(told.value).replace("token_file", "")


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (head_of, "closed instead of an answer"),
        (answering(b"220 smtp ready\r\n\r\n"), "does not speak HTTP"),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"), "broke off"),
        (answering(b"HTTP/1.1 200 OK\r\nX: " + b"y" * (80 << 10)), "does not speak HTTP"),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi"), "compressed"),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"x" * 200), "longer than 100 bytes"),
    ],
)
def test_what_is_no_answer_may_pass_and_is_told_in_words(part: Part, said: str) -> None:
    with playing(part) as peer, pytest.raises(Retryable, match=said):
        _asked(peer, most=100)


def test_a_peer_that_drips_is_as_good_as_silent() -> None:
    done = threading.Event()

    def drip(connection: socket.socket) -> None:
        head_of(connection)
        while not done.wait(0.02):
            try:
                connection.sendall(b"H")
            except OSError:
                return

    with playing(drip) as peer:
        with pytest.raises(Retryable, match=r"in time|speak HTTP"):
            _asked(peer, timeout=0.3)
        done.set()


def test_nobody_there_is_unavailable() -> None:
    with playing() as peer:
        pass
    with pytest.raises(Unavailable, match="no connection to"):
        _asked(peer)


@pytest.mark.parametrize(("status", "said"), [(302, "another address"), (401, "password_file"), (503, "not ready")])
def test_another_status_than_the_wanted_one_says_what_to_do(status: int, said: str) -> None:
    told = b"HTTP/1.1 %d X\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n" % status
    with playing(answering(told)) as peer, pytest.raises(Retryable, match=said):
        _asked(peer).expect(200)


def test_an_answer_before_all_was_sent_is_read() -> None:
    def refuse(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass

    with playing(refuse) as peer, HttpClient(peer, 5) as client:
        answer = client.request("POST", "/studies", body=(bytes(1 << 16) for _ in range(1 << 14)), length=1 << 30)
    assert answer.status == 413


def test_a_body_of_another_length_than_was_said_ends_the_request() -> None:
    def hear(connection: socket.socket) -> None:
        while connection.recv(1 << 16):
            pass

    for length in (3, 5):
        with playing(hear) as peer, HttpClient(peer, 5) as client, pytest.raises(Retryable, match="length"):
            client.request("POST", "/studies", body=iter([b"ab", b"cd"]), length=length)


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with playing(answering(OK)) as peer:
        assert _asked(peer).body == b"hi"


def test_a_certificate_counts_where_the_settings_prove_it_and_nowhere_else(tmp_path: Path) -> None:
    key, certificate = certified(tmp_path, "-addext", "subjectAltName=IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def secured(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as inner:
                head_of(inner)
                inner.sendall(OK)
        except OSError:
            return

    with playing(secured, secured) as plain:
        url = plain.url.replace("http:", "https:")
        believed = Peer.model_validate({"kind": "dicomweb", "url": url, "ca": certificate})
        assert _asked(believed).body == b"hi"
        with pytest.raises(Unavailable, match="authority that is not in ca"):
            _asked(Peer.model_validate({"kind": "dicomweb", "url": url}))
    wrong = Peer.model_validate({"kind": "dicomweb", "url": url, "ca": key})
    with playing(secured) as plain, pytest.raises(ConfigurationError, match="ca"):
        _asked(wrong.model_copy(update={"url": plain.url.replace("http:", "https:")}))


def test_a_url_of_https_to_a_port_without_it_is_told_so() -> None:
    answer = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    said = "it speaks no TLS at this port: http:// in its url"
    with playing(lambda connection: connection.sendall(answer)) as plain, pytest.raises(Unavailable, match=said):
        _asked(Peer.model_validate({"kind": "dicomweb", "url": plain.url.replace("http:", "https:")}))
