"""One connection that we ask for, and the state of HTTP on it: what is sent, what is answered, and by when."""

import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Self

import h11

from dicom_node.outside import words
from dicom_node.pace import Pace
from domain.errors import Retryable

_LONGEST_HEAD = 64 << 10
_BLOCK = 256 << 10
_LEAVE = 2.0  # s for an answer that came before all was sent
_QUOTED = 200  # letters of a peer's own words
_OF_ANOTHER_LENGTH = "what was to be sent is of another length by now"


@dataclass(frozen=True)
class Answer:
    """What a peer answered: its status, its fields by their names in small letters, and the body.

    `body` is empty where it is read piece by piece (`HttpClient.streamed`).
    """

    status: int
    fields: Mapping[str, str]
    body: bytes = b""

    @property
    def kind(self) -> str:
        """The media type of the body, in small letters and without parameters."""
        return self.fields.get("content-type", "").partition(";")[0].strip().lower()

    def expect(self, *statuses: int) -> Self:
        """This answer; raises Retryable with what it means where its status is none of `statuses`."""
        if self.status not in statuses:
            raise Retryable(explained(self))
        return self


def explained(answer: Answer) -> str:
    """What an answer other than the wanted one means, and what to do."""
    status = answer.status
    if 300 <= status < 400:
        return f"it points to another address (HTTP {status}), which is not followed: give the address that it has"
    return f"{_MEANINGS.get(status, 'it answered otherwise than it should')} (HTTP {status})"


_MEANINGS = {
    400: "it does not understand the request: check the URL, and that its path is the service's",
    401: "it does not know us: check user and password_file, or token_file",
    403: "it does not let us do this: ask who runs it for the right",
    404: "it has nothing at this address: check the URL",
    405: "it does not offer this at its address: check the URL",
    406: "it cannot answer in a form that we read",
    413: "it takes nothing as large as this",
    415: "it does not take this media type",
    429: "it is asked too often",
    500: "it failed",
    501: "it does not offer this",
    502: "what stands before it does not reach it",
    503: "it is not ready",
    504: "what stands before it had no answer in time",
    507: "it has no room",
}


def quoted(answer: Answer) -> str:
    """A peer's own words about a refusal, as they may be shown; "" where it gave none that are text."""
    text = answer.body[: _QUOTED * 4].decode("utf-8", "replace") if answer.kind.startswith("text/plain") else ""
    return words(text, _QUOTED)


class Closed(Retryable):
    """The peer closed the connection before it answered."""


class Connection:
    """One connection and the state of HTTP on it."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self._socket = connection
        self._timeout = timeout
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)

    def close(self) -> None:
        """Without ceremony: HTTP says in its messages where they end."""
        with suppress(OSError):
            self._socket.close()

    def is_reusable(self) -> bool:
        """Whether another request may follow; then this is ready for it."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    def exchange(self, head: h11.Request, body: Iterable[bytes | memoryview]) -> Answer:
        """Send a request, and read the head of its answer."""
        with _network_errors():
            early = self._send(head, body)
            return self._head(_LEAVE if early else self._timeout)

    def _send(self, head: h11.Request, body: Iterable[bytes | memoryview]) -> bool:
        """Whether the peer answers, or closes, before it has all of it: to one that says no the rest is of no use."""
        pace, held = Pace(self._timeout), self._http.send(head) or b""
        for piece in body:
            if not piece:
                continue
            left = pace.begin()
            if not self._pushed(max(0.001, left), held, *self._of_body(piece)):
                return True
            held = b""
            pace.moved(len(piece))
            if self._hears():
                return True
        return not self._pushed(max(0.001, pace.left), held, self._end_of_body())

    def _of_body(self, piece: bytes | memoryview) -> list[bytes]:
        try:
            return self._http.send_with_data_passthrough(h11.Data(data=piece)) or []  # type: ignore[arg-type]
        except h11.LocalProtocolError as error:
            raise Retryable(_OF_ANOTHER_LENGTH) from error

    def _end_of_body(self) -> bytes:
        try:
            return self._http.send(h11.EndOfMessage()) or b""
        except h11.LocalProtocolError as error:
            raise Retryable(_OF_ANOTHER_LENGTH) from error

    def _pushed(self, seconds: float, *parts: bytes | memoryview) -> bool:
        """False where the peer takes nothing more; raises TimeoutError where a part takes longer than `seconds`."""
        self._socket.settimeout(seconds)
        try:
            for part in parts:
                if part:
                    self._socket.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def _hears(self) -> bool:
        """Whether something of an answer is there; it is not waited for."""
        self._socket.settimeout(0)
        try:
            self._receive()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        return True

    def _head(self, seconds: float) -> Answer:
        end = time.monotonic() + seconds
        try:
            while not isinstance(event := self._next(end), h11.Response):
                pass  # an interim one, as 100 (RFC 9110 15.2)
        except h11.RemoteProtocolError as error:
            if self._http.trailing_data == (b"", True):
                raise Closed("the connection was closed instead of an answer") from error
            raise
        fields: dict[str, str] = {}
        for name, value in event.headers:
            key, text = name.decode("ascii"), value.decode("latin-1")
            fields[key] = f"{fields[key]}, {text}" if key in fields else text
        if fields.get("content-encoding", "identity").lower() != "identity":
            raise Retryable("its answer is compressed, which was not asked for")
        return Answer(event.status_code, fields)

    def pieces(self) -> Iterator[bytes]:
        """The body of the answer; raises Retryable where it ends before its end."""
        pace = Pace(self._timeout)
        with _network_errors():
            while True:
                event = self._next(time.monotonic() + pace.begin())
                if isinstance(event, h11.EndOfMessage):
                    return
                if not isinstance(event, h11.Data):
                    raise Retryable("the answer ended before its end")
                pace.moved(len(event.data))
                yield bytes(event.data)

    def _next(self, end: float) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            self._receive()
        return event

    def _receive(self) -> None:
        try:
            self._http.receive_data(self._socket.recv(_BLOCK))
        except ConnectionResetError:
            self._http.receive_data(b"")
        except RuntimeError as error:  # of h11: more after the end
            raise Retryable("the peer does not speak HTTP") from error


@contextmanager
def _network_errors() -> Iterator[None]:
    try:
        yield
    except h11.RemoteProtocolError as error:  # whose words quote what the peer sent
        raise Retryable("the peer does not speak HTTP, or broke off in the middle of its answer") from error
    except TimeoutError as error:
        raise Retryable("the peer did not answer in time") from error
    except OSError as error:
        raise Retryable(f"the connection broke: {words(str(error.strerror or error))}") from error
