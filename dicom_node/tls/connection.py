"""A socket that speaks TLS: the methods of one, over bytes that are read and written in large pieces.

The socket stays ours, so that the kernel's time-outs and the deadlines of its user hold for TLS as without it; one
receive brings many records (16 KiB at most, RFC 8446 section 5.1), where the ssl module's own socket asks the kernel
twice for each.
"""

import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self, cast

from dicom_node.tls.peers import Secured, peer_certificate

_BEGIN = (0x15, 0x16)  # the content types that TLS begins with: an alert, a handshake (RFC 8446 section 5.1)
_RECEIVE = 1 << 17  # bytes of one receive: eight records


class NotTls(OSError):
    """The first byte of the peer is none of TLS."""


class Resumed(OSError):
    """A session was taken up again whose certificate has expired meanwhile."""


class TlsConnection:
    """`connection`, secured by `context` once `handshake` returns; as the server where `host` is None, else its client.

    A connection that ends without the end of TLS is one that ended: DICOM's own lengths and its release tell what is
    whole (PS3.8 section 9.3). Errors are those of a socket; ssl.SSLError is an OSError.
    """

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, host: str | None = None) -> None:
        self._socket = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=host is None, server_hostname=host)
        self._received = memoryview(bytearray(_RECEIVE))
        self._ended = False
        self._heard, self._is_tls = False, True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _: BaseException | None, _at: TracebackType | None) -> None:
        self.close()

    @property
    def has_heard(self) -> bool:
        """Whether a byte of the peer has come."""
        return self._heard

    def handshake(self, seconds: float) -> Secured:
        """Agree on keys and prove both sides, all within `seconds`; raises OSError, of which faults tells why."""
        end = time.monotonic() + seconds
        try:
            while not self._is_agreed():
                self._flush(end)
                self._await(end)
                if not self._receive():
                    self._incoming.write_eof()
                elif not self._is_tls:
                    raise NotTls
            return self._proven()
        finally:
            with suppress(OSError):  # also what is wrong is told to the peer
                self._flush(end)
            self._socket.settimeout(None)

    def _proven(self) -> Secured:
        agreed, certificate = self._tls.cipher(), peer_certificate(self._tls)
        if certificate is not None and certificate.ends < time.time():
            raise Resumed
        return Secured(self._tls.version() or "", agreed[0] if agreed else "", certificate)

    def _is_agreed(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def _await(self, end: float) -> None:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    @property
    def has_pending(self) -> bool:
        """Whether bytes have come that `recv_into` has not given yet: the socket may have nothing more to say."""
        return bool(self._tls.pending() or self._incoming.pending)

    def fileno(self) -> int:
        """As a socket's."""
        return self._socket.fileno()

    def recv_into(self, view: memoryview) -> int:
        """As a socket's: bytes that came, 0 at the end."""
        while True:
            got = self._decrypted(view)
            if got or self._ended:
                return got
            if not self._receive():
                self._incoming.write_eof()

    def recvmsg_into(self, views: Sequence[memoryview]) -> tuple[int]:
        """As a socket's, of which only the number of bytes is kept."""
        first, *more = views
        whole = self.recv_into(first)
        if whole == len(first):
            for view in more:
                whole += self._decrypted(view)
        return (whole,)

    def sendall(self, data: bytes | memoryview) -> None:
        """As a socket's."""
        self._tls.write(data)
        self._socket.sendall(self._outgoing.read())

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """As a socket's."""
        self._socket.setsockopt(level, option, value)

    def settimeout(self, seconds: float | None) -> None:
        """As a socket's."""
        self._socket.settimeout(seconds)

    def shutdown(self, how: int) -> None:
        """As a socket's; the one method that another thread may call."""
        self._socket.shutdown(how)

    def say_plainly(self, data: bytes) -> None:
        """Send `data` without TLS, to a peer that spoke none."""
        with suppress(OSError):
            self._socket.sendall(data)

    def drain(self, seconds: float) -> None:
        """Drop what comes until the peer closes, `seconds` at most: a reset would overtake what was said last."""
        end = time.monotonic() + seconds
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            while True:
                self._await(end)
                if not self._socket.recv_into(self._received):
                    return

    def close(self) -> None:
        """Say that it ends (RFC 8446 section 6.1) where that needs no waiting, and close."""
        with suppress(OSError, ValueError):
            with suppress(ssl.SSLError):
                self._tls.unwrap()
            self._socket.settimeout(0.0)
            self._socket.send(self._outgoing.read())
        self._socket.close()

    def _receive(self) -> int:
        got = self._socket.recv_into(self._received)
        if got and not self._heard:
            self._heard, self._is_tls = True, self._received[0] in _BEGIN
        self._incoming.write(self._received[:got])
        return got

    def _decrypted(self, view: memoryview) -> int:
        """What of all that came fits into `view`."""
        got = 0
        try:
            while got < len(view) and not self._ended:
                # What is said of it knows one kind of buffer, and no number that is returned.
                part = cast(int, self._tls.read(len(view) - got, cast(bytearray, view[got:])))
                got += part
                self._ended = not part
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLEOFError:
            self._ended = True
        if self._outgoing.pending:  # an alert, or new keys that the peer asked for
            self._socket.sendall(self._outgoing.read())
        return got

    def _flush(self, end: float) -> None:
        if self._outgoing.pending:
            self._await(end)
            self._socket.sendall(self._outgoing.read())
