"""One connection at the door: HTTP/1.1 by h11, with a time for each head, a pace for each body, and bounds for both."""

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from typing import Protocol

import h11

from config.settings import Listener
from domain.errors import NodeError

_LONGEST_HEAD = 32 << 10
_BLOCK = 256 << 10
# Bytes that are read and forgotten behind an answer that came before the end of its request, and for how long (s): who
# sends all before it reads would otherwise see a reset in the place of the answer (RFC 9112 9.6).
_FORGOTTEN, _FORGETTING = 64 << 20, 5.0

Fields = Sequence[tuple[str, str]]


class Ended(NodeError):
    """The connection is over: closed by its peer, or broken."""


class TooSlow(NodeError):
    """The peer sends too slowly, or nothing."""


class Refused(NodeError):
    """A request that is not served: answered with `status` and the message, and recorded."""

    def __init__(self, status: int, reason: str, fields: Fields = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.fields = fields


class Connection(Protocol):
    """A socket, or one that is secured."""

    def recv_into(self, buffer: memoryview, /) -> int: ...

    def sendall(self, data: bytes, /) -> None: ...

    def settimeout(self, seconds: float | None, /) -> None: ...

    def shutdown(self, how: int, /) -> None: ...


@dataclass(frozen=True)
class Request:
    """The head of a request: its method, the path of its target, and its fields by their names in small letters."""

    method: str
    path: str
    fields: Mapping[str, str]


class Exchange:
    """Serves requests that come on `connection`, one after the other, by the listener's times and pace."""

    def __init__(self, connection: Connection, settings: Listener) -> None:
        self._connection = connection
        self._settings = settings
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEAD)
        self._buffer = memoryview(bytearray(_BLOCK))
        self._has_heard = False
        self._is_first = True
        self._method = ""

    @property
    def has_heard(self) -> bool:
        """Whether anything of a next request has come."""
        return self._has_heard

    def request(self) -> Request | None:
        """The next request's head; None where the peer asks for nothing more.

        Raises Ended, TooSlow, or Refused where it is none; then the connection is of no more use.
        """
        self._has_heard = bool(self._http.trailing_data[0])
        soon = self._has_heard or self._is_first
        self._is_first = False
        end = time.monotonic() + (self._settings.artim if soon else self._settings.idle)
        while True:
            event = self._event()
            if isinstance(event, h11.Request):
                return self._judged(event)
            if isinstance(event, h11.ConnectionClosed):
                return None
            if not self._receive(end - time.monotonic()) and not self._has_heard:
                return None
            if not self._has_heard:
                self._has_heard, end = True, time.monotonic() + self._settings.artim

    def body(self) -> Iterator[bytes]:
        """The body of the request in pieces; raises Ended, TooSlow, or Refused where it is none by the book."""
        if self._http.they_are_waiting_for_100_continue:
            self._send(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
        behind = 0.0
        while True:
            event = self._event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return
            elif isinstance(event, h11.ConnectionClosed):
                raise Ended("the connection was closed within a request")
            else:
                before = time.monotonic()
                got = self._receive(self._settings.idle)
                waited = time.monotonic() - before
                # Only waiting counts, and what comes fast is no credit for later, as with the listener.
                behind = max(0.0, behind + waited - got / self._settings.message_rate)
                if behind > self._settings.message_time:
                    raise TooSlow(f"a request is {behind:.0f} s behind {self._settings.message_rate} bytes a second")

    def answer(self, status: int, fields: Fields = (), body: bytes = b"") -> bool:
        """Answer the request; whether another may follow. Raises Ended."""
        states = self._http.states
        if states[h11.SERVER] not in (h11.SEND_RESPONSE, h11.IDLE):
            return False
        whole = self._http.their_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)
        usual = [("date", formatdate(usegmt=True)), ("content-length", str(len(body)))]
        closing = [] if whole else [("connection", "close")]
        head = h11.Response(status_code=status, headers=[*usual, *fields, *closing])
        parts = [self._http.send(head)]
        if body and self._method != "HEAD":
            parts.append(self._http.send(h11.Data(data=body)))
        self._send(b"".join(part or b"" for part in (*parts, self._http.send(h11.EndOfMessage()))))
        if set(self._http.states.values()) == {h11.DONE}:
            self._http.start_next_cycle()
            return True
        return False

    def part(self) -> None:
        """Take leave: what still comes is forgotten for a while, so that the answer is read before the end."""
        with suppress(OSError, NodeError):
            self._connection.shutdown(socket.SHUT_WR)
            end, left = time.monotonic() + _FORGETTING, _FORGOTTEN
            while left > 0 and (got := self._receive_raw(end - time.monotonic())):
                left -= got

    def _judged(self, event: h11.Request) -> Request:
        fields: dict[str, str] = {}
        for name, value in event.headers:
            key, text = name.decode("ascii"), value.decode("latin-1")
            fields[key] = f"{fields[key]}, {text}" if key in fields else text
        if {"content-length", "transfer-encoding"} <= fields.keys():
            # Whoever stands between may believe the other one (RFC 9112 6.3).
            raise Refused(400, "both Content-Length and Transfer-Encoding are given")
        path = event.target.decode("ascii", "replace").partition("?")[0]
        self._method = event.method.decode("ascii", "replace")
        return Request(self._method, path, fields)

    def _event(self) -> object:
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            if self._http.trailing_data[1]:
                raise Ended("the connection was closed within a request") from error
            raise Refused(error.error_status_hint, "it is no HTTP/1.1 by the book") from error

    def _receive(self, seconds: float) -> int:
        got = self._receive_raw(seconds)
        self._http.receive_data(bytes(self._buffer[:got]))
        return got

    def _receive_raw(self, seconds: float) -> int:
        if seconds <= 0:
            raise TooSlow("nothing came in time")
        try:
            self._connection.settimeout(seconds)
            return self._connection.recv_into(self._buffer)
        except TimeoutError as error:
            raise TooSlow("nothing came in time") from error
        except OSError as error:
            raise Ended("the connection is lost") from error

    def _send(self, data: bytes | None) -> None:
        try:
            self._connection.settimeout(self._settings.idle)
            self._connection.sendall(data or b"")
        except TimeoutError as error:
            raise TooSlow("the answer was not taken in time") from error
        except OSError as error:
            raise Ended("the connection is lost") from error
