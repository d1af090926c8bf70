"""Asks a peer by HTTP: the one client of the node, for DICOMweb (PS3.18) and for REST interfaces.

h11 is the codec; the socket is ours, because an answer has one deadline as a whole and what is sent has a least pace,
as in an association. Nothing is followed elsewhere, no proxy is taken from the environment, and an answer is never
longer than its reader wants.
"""

import socket
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode, urlsplit

import h11

from config.peers import Peer
from config.secret_files import secret_in
from dicom_node.pace import connected
from dicom_node.tls.contexts import requestor_context
from dicom_node.tls.faults import handshake_fault, said_of
from dicom_node.web.connection import Answer, Closed, Connection
from domain.errors import ConfigurationError, Retryable, Unavailable
from domain.ids import IMPLEMENTATION_VERSION_NAME

USUAL_ANSWER = 16 << 20  # bytes: a QIDO answer of some thousand matches


class HttpClient:
    """Speaks to one peer of kind dicomweb or orthanc, over one connection that is kept while the peer keeps it.

    `timeout` (s) is for connecting, for the head of each answer, and how far the peer may fall behind the least pace of
    what is sent and answered. Every method raises Unavailable where nobody is there and Retryable where the peer is
    silent or speaks no HTTP; ConfigurationError where a file with a secret or certificates cannot be used.
    For one thread. Files of secrets are read anew for each connection.
    """

    def __init__(self, peer: Peer, timeout: float = 30.0) -> None:
        parts = urlsplit(peer.url)
        self._peer = peer
        self._secure = parts.scheme == "https"
        self._host, self._port = peer.endpoint
        self._authority = parts.netloc
        self._root = parts.path.rstrip("/")
        self._timeout = timeout
        self._authorization: list[tuple[str, str]] = []
        self._open: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def request(
        self,
        method: str,
        path: str,
        query: Iterable[tuple[str, str]] = (),
        fields: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes | memoryview] = b"",
        length: int | None = None,
        most: int = USUAL_ANSWER,
    ) -> Answer:
        """The answer to `method` at `path` below the peer's root, whatever its status is.

        `body` are bytes, or pieces of `length` bytes altogether. An answer longer than `most` bytes raises Retryable.
        """
        with self.streamed(method, path, query, fields, body, length) as (answer, pieces):
            held = bytearray()
            for piece in pieces:
                held += piece
                if len(held) > most:
                    raise Retryable(f"its answer is longer than {most} bytes")
        return Answer(answer.status, answer.fields, bytes(held))

    @contextmanager
    def streamed(
        self,
        method: str,
        path: str,
        query: Iterable[tuple[str, str]] = (),
        fields: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes | memoryview] = b"",
        length: int | None = None,
    ) -> Iterator[tuple[Answer, Iterator[bytes]]]:
        """The head of the answer and, to be read within the block, its body in pieces, of which none is held.

        `timeout` is for the head; the body has to keep the least pace. A body that is not read to its end costs the
        connection.
        """
        connection, answer = self._answered(method, path, query, fields, body, length)
        try:
            yield answer, connection.pieces()
        except BaseException:
            self.close()
            raise
        if not connection.is_reusable():
            self.close()

    def _answered(
        self,
        method: str,
        path: str,
        query: Iterable[tuple[str, str]],
        fields: Mapping[str, str] | None,
        body: bytes | Iterable[bytes | memoryview],
        length: int | None,
    ) -> tuple["Connection", Answer]:
        target = self._root + quote(path, safe="/%") + (f"?{asked}" if (asked := urlencode(list(query))) else "")
        pieces = [body] if isinstance(body, bytes) else body
        size = len(body) if isinstance(body, bytes) else length
        kept = self._open is not None
        while True:
            connection = self._connection()
            try:
                head = self._head(method, target, fields or {}, size)
                return connection, connection.exchange(head, pieces)
            except Closed:
                self.close()
                # A peer may close what is kept at any time (RFC 9112 9.3.1); what changes nothing is asked once more.
                if not (kept and method in ("GET", "HEAD", "OPTIONS")):
                    raise
                kept = False
            except BaseException:
                self.close()
                raise

    def _connection(self) -> "Connection":
        if self._open is None:
            self._authorization = _authorization(self._peer)
            self._open = Connection(self._connected(), self._timeout)
        return self._open

    def _connected(self) -> socket.socket:
        plain = connected(self._host, self._port, self._timeout)
        try:
            return self._secured(plain) if self._secure else plain
        except BaseException:
            plain.close()
            raise

    def _secured(self, plain: socket.socket) -> socket.socket:
        peer = self._peer
        context = requestor_context(peer.name, peer.ca, peer.certificate, peer.key, peer.minimum)
        try:
            return context.wrap_socket(plain, server_hostname=self._host)
        except OSError as error:
            fault = said_of(handshake_fault(error), peer)
            raise Unavailable(f"no connection to {self._host}:{self._port}: TLS: {fault}") from error

    def _head(self, method: str, target: str, fields: Mapping[str, str], size: int | None) -> h11.Request:
        usual = {"host": self._authority, "user-agent": IMPLEMENTATION_VERSION_NAME, "accept-encoding": "identity"}
        if size is None:
            usual["transfer-encoding"] = "chunked"
        elif size or method not in ("GET", "HEAD", "OPTIONS", "DELETE"):
            usual["content-length"] = str(size)
        given = {name.lower(): value for name, value in fields.items()}
        headers = [*{**usual, **given}.items(), *self._authorization]
        try:
            return h11.Request(method=method, target=target, headers=headers)
        except h11.LocalProtocolError as error:
            raise ConfigurationError("url, user, password_file or token_file holds what HTTP cannot carry") from error


@contextmanager
def asked_of(peer: Peer, timeout: float) -> Iterator[HttpClient]:
    """A client for questions that may be put again: a setting of ours that cannot be used, somebody mends."""
    try:
        with HttpClient(peer, timeout) as client:
            yield client
    except ConfigurationError as error:
        raise Retryable(*error.lines) from error


def _authorization(peer: Peer) -> list[tuple[str, str]]:
    """RFC 7617 and RFC 6750; a token goes before a password."""
    if peer.token_file is not None:
        return [("authorization", f"Bearer {secret_in(peer.token_file, 'token_file')}")]
    if not peer.user:
        return []
    password = secret_in(peer.password_file, "password_file") if peer.password_file else ""
    return [("authorization", f"Basic {b64encode(f'{peer.user}:{password}'.encode()).decode()}")]
