"""Connections of the viewer's door: so many, each with so much time, whoever holds them.

Strangers, who have not shown the key yet, have places of their own and a few seconds for a head; where these places are
taken the one that came first has to go. So nobody who lacks the key can keep out who has it.
"""

import contextlib
import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from console.viewer import peers, requests
from console.viewer.answers import Answer, said
from console.viewer.requests import Request
from roles.http_heads import Refused

_log = logging.getLogger(__name__)

_STRANGERS, _KNOWN = 32, 64  # connections at once
_HEAD = 5.0  # s for a head, from its first byte on; a stranger's from the start
_IDLE = 60.0  # s that a connection is kept open for the next request
_SENDING = 30.0  # s for a part of an answer to be taken
_LINGER = 1.0  # s that a refused connection is listened to, and no longer
_PART = 1 << 18  # bytes
_END = b"\r\n\r\n"


class Server(socketserver.ThreadingTCPServer):
    """Answers on `address` (IPv4) by `answer`, which is given a request and whose program asks (peers.owner)."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], answer: Callable[[Request, int | None], Answer]) -> None:
        self.answer = answer
        self._lock = threading.Lock()
        self._strangers: dict[socket.socket, None] = {}  # in the order in which they came
        self._known: set[socket.socket] = set()
        super().__init__(address, _Connection)

    @property
    def port(self) -> int:
        """The port that it has."""
        return int(self.server_address[1])

    def recognise(self, connection: socket.socket) -> bool:
        """Whether there is a place among those who have shown the key; it is given to `connection`."""
        with self._lock:
            self._strangers.pop(connection, None)
            if len(self._known) < _KNOWN:
                self._known.add(connection)
            return connection in self._known

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            if len(self._strangers) >= _STRANGERS:
                first = next(iter(self._strangers))
                del self._strangers[first]
                with contextlib.suppress(OSError):
                    first.shutdown(socket.SHUT_RDWR)
            self._strangers[request] = None
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._strangers.pop(request, None)
            self._known.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say where, and nothing of what was asked."""
        _log.exception("a request to the viewer failed")


class _Connection(socketserver.BaseRequestHandler):
    """One connection, request by request."""

    server: Server
    request: socket.socket

    def handle(self) -> None:
        self._received = bytearray()
        with contextlib.suppress(OSError):  # it is gone, too slow, or a browser no longer wants what it asked for
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            owner = peers.owner(self.client_address, self.request.getsockname())
            idle = _HEAD
            while self._answered(idle, owner):
                idle = _IDLE
            self._hang_up()

    def _answered(self, idle: float, owner: int | None) -> bool:
        """Answer the next request; whether the connection is kept for one more."""
        method = "GET"
        try:
            head = self._head(idle)
            if not head:
                return False
            request = requests.read(head)
            method = request.method
            answer = self._judged(request, owner)
        except Refused as refusal:
            answer = said(refusal.status, refusal.reason)
        try:
            self._send(answer, method == "HEAD")
        finally:
            _close(answer.body)
        return answer.known

    def _judged(self, request: Request, owner: int | None) -> Answer:
        """The answer; a sentence where there is no place for it, or the viewer has a defect."""
        try:
            answer = self.server.answer(request, owner)
        except Refused:
            raise
        except Exception:
            self.server.handle_error(self.request, self.client_address)
            return said(HTTPStatus.INTERNAL_SERVER_ERROR, "the viewer failed; its log says where")
        if answer.known and not self.server.recognise(self.request):
            _close(answer.body)
            return said(HTTPStatus.SERVICE_UNAVAILABLE, "too much is being read at once; try again")
        return answer

    def _head(self, idle: float) -> bytes:
        """The next head without its end; b"" where none comes, or not in time. Raises Refused where it is too long."""
        until = time.monotonic() + idle
        while _END not in self._received and len(self._received) <= requests.LONGEST_HEAD:
            left = until - time.monotonic()
            if left <= 0:
                return b""
            self.request.settimeout(left)
            part = self.request.recv(requests.LONGEST_HEAD)
            if not part:
                return b""
            if not self._received:
                until = min(until, time.monotonic() + _HEAD)
            self._received += part
        head, _, rest = bytes(self._received).partition(_END)
        if len(head) > requests.LONGEST_HEAD:
            raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head of a request is not that long")
        self._received = bytearray(rest)
        return head

    def _hang_up(self) -> None:
        """Let what was sent arrive: closing over what was not read would have the other end throw it away."""
        self.request.shutdown(socket.SHUT_WR)
        until, left = time.monotonic() + _LINGER, _PART
        while left > 0 and (wait := until - time.monotonic()) > 0:
            self.request.settimeout(wait)
            part = self.request.recv(left)
            left = left - len(part) if part else 0

    def _send(self, answer: Answer, head_alone: bool) -> None:
        lines = [f"HTTP/1.1 {answer.status.value} {answer.status.phrase}"]
        lines += [f"{name}: {value}" for name, value in answer.headers()]
        lines += [] if answer.known else ["Connection: close"]
        self.request.settimeout(_SENDING)
        self.request.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if not head_alone:
            for part in _parts(answer):
                self.request.sendall(part)


def _parts(answer: Answer) -> Iterator[bytes]:
    """Its body as it is sent: in pieces, chunked (RFC 9112 section 7.1) where its length is not known."""
    if isinstance(answer.body, bytes):
        yield from (answer.body[start : start + _PART] for start in range(0, len(answer.body), _PART))
    elif answer.length is not None:
        yield from answer.body
    else:
        for part in filter(None, answer.body):
            yield b"%x\r\n%b\r\n" % (len(part), part)
        yield b"0\r\n\r\n"


def _close(body: object) -> None:
    """Let go of where it comes from."""
    close = getattr(body, "close", None)
    if close:
        close()
