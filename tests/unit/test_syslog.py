"""Syslog: the bytes of a message, and what its senders know of a receiver that takes them or goes away."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.syslog import (
    LONGEST_DATAGRAM,
    Message,
    Origin,
    Severity,
    StreamSender,
    UdpSender,
    encoded,
    octet_counted,
)
from config.tls import ListenerTls
from dicom_node.tls.authority import Authority
from dicom_node.tls.contexts import acceptor_context, requestor_context
from domain.errors import Retryable, Unavailable

_AT = datetime(2026, 11, 30, 9, 5, 1, 5, tzinfo=UTC)
_ORIGIN = Origin("node.example", "dicom-node", "forward")


def test_a_message_has_header_structured_data_and_utf_8_behind_its_mark() -> None:
    assert encoded(Message(_AT, "DICOM+RFC3881", "<ä/>", 17), _ORIGIN) == (
        b"<85>1 2026-11-30T09:05:01.000005Z node.example dicom-node forward DICOM+RFC3881"
        b' [meta sequenceId="17"] \xef\xbb\xbf<\xc3\xa4/>'
    )


def test_what_no_header_may_hold_is_shown_and_what_is_empty_is_nil() -> None:
    message = Message(_AT, "two words", "x", severity=Severity.WARNING)
    assert encoded(message, Origin("Knoten ä", "p" * 60, "")).startswith(
        b"<84>1 2026-11-30T09:05:01.000005Z Knoten__ " + b"p" * 48 + b" - two_words - "
    )


def test_the_number_begins_anew_where_the_rfc_ends_it() -> None:
    assert b'sequenceId="2147483647"' in encoded(Message(_AT, "M", "", 2**31 - 1), _ORIGIN)
    assert b'sequenceId="1"' in encoded(Message(_AT, "M", "", 2**31), _ORIGIN)


def test_a_stream_tells_messages_apart_by_their_length_in_octets() -> None:
    assert octet_counted("ä\n".encode()) == b"3 \xc3\xa4\n"


def test_a_datagram_is_a_message() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        sender = UdpSender(*receiver.getsockname())
        sender.send(b"one")
        sender.confirm()
        sender.close()
        assert receiver.recv(100) == b"one"


def test_what_is_longer_than_a_datagram_is_refused_with_what_to_do() -> None:
    with pytest.raises(Retryable, match="send it by TCP or TLS"):
        UdpSender("127.0.0.1", 9).send(b"x" * (LONGEST_DATAGRAM + 1))


def test_a_host_on_which_nobody_listens_is_told_of() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as once:
        once.bind(("127.0.0.1", 0))
        where = once.getsockname()
    sender = UdpSender(*where)
    with pytest.raises(Unavailable, match="takes no audit messages"):
        for _ in range(100):
            sender.send(b"one")
            sender.confirm()


def _where(listening: socket.socket) -> tuple[str, int]:
    host, port = listening.getsockname()
    return str(host), int(port)


class _Receiver:
    """Takes connections on loopback one after the other, and keeps what each brought to its end."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._context = context
        self.where: tuple[str, int] = self._listening.getsockname()[:2]
        self.taken: list[bytes] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            if not self._take(connection):
                return

    def _take(self, connection: socket.socket) -> bool:
        with connection:
            try:
                spoken = self._context.wrap_socket(connection, server_side=True) if self._context else connection
            except OSError:
                return True
            with spoken:
                held = b""
                while piece := spoken.recv(4096):
                    held += piece
            self.taken.append(held)
        return True

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)


@contextmanager
def _receiver(context: ssl.SSLContext | None = None) -> Iterator[_Receiver]:
    receiver = _Receiver(context)
    try:
        yield receiver
    finally:
        receiver.close()


def test_a_stream_is_confirmed_when_the_receiver_has_read_to_its_end() -> None:
    with _receiver() as receiver:
        sender = StreamSender(*receiver.where, timeout=10)
        sender.send(b"one")
        sender.send(b"two")
        sender.confirm()
        sender.send(b"three")
        sender.confirm()
    assert receiver.taken == [b"3 one3 two", b"5 three"]


def test_what_a_receiver_left_unread_is_not_confirmed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sender = StreamSender(*_where(listening), timeout=10)
        sender.send(b"one")
        connection, _ = listening.accept()
        sender.send(b"two")
        connection.close()
        with pytest.raises(Unavailable, match="takes no audit messages"):
            sender.confirm()


def test_a_receiver_that_ended_its_connection_is_seen_before_the_next_message_leaves() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sender = StreamSender(*_where(listening), timeout=10)
        sender.send(b"one")
        connection, _ = listening.accept()
        assert connection.recv(100) == b"3 one"
        connection.close()
        with pytest.raises(Unavailable, match="has ended the connection"):
            sender.send(b"two")


def test_a_receiver_that_never_ends_is_waited_for_no_longer_than_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sender = StreamSender(*_where(listening), timeout=0.2)
        sender.send(b"one")
        with pytest.raises(Unavailable, match="no answer in time"):
            sender.confirm()


def test_by_tls_a_stream_is_confirmed_and_another_host_s_certificate_is_not_taken(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "site")
    ours = authority.init("Site").files
    issued = authority.issue("log", "LOG", ["127.0.0.1"]).files
    context = acceptor_context(ListenerTls(certificate=issued.certificate, key=issued.key))
    trusted = requestor_context("log", ours.certificate, None, None, "1.2")
    with _receiver(context) as receiver:
        sender = StreamSender(*receiver.where, timeout=10, context=trusted)
        sender.send(b"one")
        sender.send(b"two")
        sender.confirm()
        with pytest.raises(Unavailable, match="its certificate is not taken"):
            StreamSender(*receiver.where, timeout=10, context=trusted, name="other.example").send(b"three")
    assert receiver.taken == [b"3 one3 two"]
