"""Syslog as the node speaks it: messages (RFC 5424), and how they travel by UDP (RFC 5426), TCP (RFC 6587) and TLS
(RFC 5425).

A syslog receiver acknowledges nothing. By a stream there is one proof all the same: we end our half of the connection,
and wait for the receiver to end its own. It does so once it has read to our end; where it went away with something
unread, the connection is reset instead (RFC 9293 3.10.7, RFC 2525 2.17). `StreamSender.confirm` is that proof, and it
says that the receiver's process has read everything, not that it has kept it. By UDP there is none.
"""

import select
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Protocol

from domain.errors import Retryable, Unavailable

#: Security and authorization messages, as PS3.15 A.6 wants of audit messages.
FACILITY = 10
#: What one datagram holds at the most, over IPv4.
LONGEST_DATAGRAM = 65_507

_NIL = "-"
_LONGEST_HOST, _LONGEST_NAME, _LONGEST_PROCESS, _LONGEST_ID = 255, 48, 128, 32
_LONGEST_SEQUENCE = 2**31 - 1  # RFC 5424 7.3.1
_BOM = b"\xef\xbb\xbf"


class Severity(IntEnum):
    """RFC 5424 6.2.1, as far as the node uses it."""

    WARNING = 4
    NOTICE = 5


@dataclass(frozen=True)
class Origin:
    """Who sends: host, program and process, each shown in printable ASCII and cut to its longest form."""

    host: str
    program: str
    process: str = ""


@dataclass(frozen=True)
class Message:
    """What is sent: `at` is the event's own moment, `kind` the MSGID, `number` (from 1) tells doubles apart.

    The number travels as `sequenceId` of the structured data `meta`, and begins anew beyond 2147483647.
    """

    at: datetime
    kind: str
    text: str
    number: int | None = None
    severity: Severity = Severity.NOTICE


def encoded(message: Message, origin: Origin) -> bytes:
    """The bytes of SYSLOG-MSG; its text stands behind the byte order mark that UTF-8 must have (RFC 5424 6.4)."""
    at = message.at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    head = (
        f"<{FACILITY * 8 + message.severity}>1 {at}Z {_printable(origin.host, _LONGEST_HOST)}"
        f" {_printable(origin.program, _LONGEST_NAME)} {_printable(origin.process, _LONGEST_PROCESS)}"
        f" {_printable(message.kind, _LONGEST_ID)} {_structured(message.number)} "
    )
    return head.encode("ascii") + _BOM + message.text.encode("utf-8", "replace")


def octet_counted(message: bytes) -> bytes:
    """One message as it stands in a stream (RFC 6587 3.4.1, RFC 5425 4.3)."""
    return b"%d " % len(message) + message


def _printable(text: str, longest: int) -> str:
    """PRINTUSASCII holds neither blanks nor anything beyond ASCII; what is empty is nil."""
    return "".join(letter if "!" <= letter <= "~" else "_" for letter in text)[:longest] or _NIL


def _structured(number: int | None) -> str:
    if number is None:
        return _NIL
    return f'[meta sequenceId="{(number - 1) % _LONGEST_SEQUENCE + 1}"]'


class Sender(Protocol):
    """Takes messages to one receiver. Each method raises Unavailable where nobody is there, else Retryable."""

    def send(self, message: bytes) -> None:
        """Hand one message on; connects where that is to be done."""

    def confirm(self) -> None:
        """Return when the receiver has read all that was handed on, as far as that can be known; else raise."""

    def close(self) -> None:
        """Let go of the connection, whatever of it is unconfirmed."""


class UdpSender:
    """A datagram a message. Nothing says that one arrived, but where the host tells that nobody listens."""

    def __init__(self, host: str, port: int) -> None:
        self._where = (host, port)
        self._socket: socket.socket | None = None

    def send(self, message: bytes) -> None:
        """Raises Retryable where the message is longer than a datagram."""
        if len(message) > LONGEST_DATAGRAM:
            raise Retryable(f"a message of {len(message)} bytes is longer than a datagram: send it by TCP or TLS")
        try:
            self._opened().send(message)
        except OSError as error:
            self.close()
            raise _away(self._where, error) from error

    def confirm(self) -> None:
        """Raises Unavailable where the receiver's host said in the meantime that nobody listens there (ICMP)."""
        if self._socket is None:
            return
        fault = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if fault:
            self.close()
            raise _away(self._where, OSError(fault, "nobody listens there"))

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _opened(self) -> socket.socket:
        if self._socket is None:
            family, kind, _, _, address = socket.getaddrinfo(*self._where, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind)
            self._socket.connect(address)
        return self._socket


class StreamSender:
    """Octet-counted messages over one connection, by TCP, or by TLS where there is a context for it.

    `timeout` (s) is for connecting, for the handshake, for each message that the receiver is slow to take, and for its
    end of a connection that is to be confirmed. `name` has to stand in the receiver's certificate; its host by default.
    """

    def __init__(
        self, host: str, port: int, timeout: float, context: ssl.SSLContext | None = None, name: str = ""
    ) -> None:
        self._where = (host, port)
        self._timeout = timeout
        self._context = context
        self._name = name or host
        self._socket: socket.socket | None = None

    def send(self, message: bytes) -> None:
        """Hand one message on; where the receiver has ended the connection that says so at once, if it can be seen."""
        try:
            connection = self._opened()
            if _has_ended(connection):
                raise ConnectionResetError("the receiver has ended the connection")
            connection.sendall(octet_counted(message))
        except OSError as error:
            self.close()
            raise _away(self._where, error) from error

    def confirm(self) -> None:
        """End the connection in order; return when the receiver has read to its end, so that the next begins anew."""
        if self._socket is None:
            return
        try:
            _end(self._socket)
        except OSError as error:
            raise _away(self._where, error) from error
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _opened(self) -> socket.socket:
        if self._socket is None:
            plain = socket.create_connection(self._where, self._timeout)
            try:
                self._socket = self._secured(plain)
            except BaseException:
                plain.close()
                raise
        return self._socket

    def _secured(self, plain: socket.socket) -> socket.socket:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._context is None:
            return plain
        return self._context.wrap_socket(plain, server_hostname=self._name)


def _has_ended(connection: socket.socket) -> bool:
    """A receiver sends nothing: what can be read is its end, or of TLS 1.3 a ticket, which is read and no end."""
    while select.select([connection], [], [], 0)[0]:
        waited = connection.gettimeout()
        connection.setblocking(False)
        try:
            if not connection.recv(1024):
                return True
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        finally:
            connection.settimeout(waited)
    return False


def _end(connection: socket.socket) -> None:
    """Our end, then the receiver's: by TLS both close_notify (RFC 5425 4.4), and of TCP FIN, not RST."""
    if isinstance(connection, ssl.SSLSocket):
        try:
            plain = connection.unwrap()
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            # It had read our end and closed without a word of its own, as many do: no reset is as good.
            return
        plain.close()
        return
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(1024):
        pass


def _away(where: tuple[str, int], error: OSError) -> Unavailable:
    host, port = where
    said = "no answer in time" if isinstance(error, TimeoutError) else _reason(error)
    return Unavailable(f"{host}:{port} takes no audit messages: {said}")


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not taken: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or 'the connection ended'}"
    return error.strerror or str(error)
