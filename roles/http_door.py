"""A server of HTTP that costs its process little, whoever calls: one thread, few connections, a short time for each.

A connection has one request and `TIME` s for all of it, so that neither who sends byte by byte nor who never reads
holds it. Where all places are taken the oldest one goes, of the address that has most of them: a probe is done within
milliseconds, and one caller's flood takes no place of another's.
"""

import logging
import selectors
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address, ip_network

from domain.addresses import plain_address
from domain.stopping import loop_until
from roles.http_messages import END, LONGEST_HEAD

# Connections at once; the descriptors of the process are for those who send images.
PLACES = 16
TIME = 5.0  # s from a connection's first moment to its end
_BACKLOG = 128  # a queue costs no descriptors
_BREATH = 0.05  # s to wait where accepting fails, as without a descriptor
_BLOCK = 65_536
# Bytes that are read and forgotten after the answer, so that it arrives before the connection is reset (RFC 9112 9.6).
_FORGOTTEN = 1 << 20

_log = logging.getLogger(__name__)

#: The answer to the bytes of a request's line and fields; None where they are longer than may be.
Respond = Callable[[bytes | None], bytes]


class HttpDoor:
    """Listens at `host` and `port` until it is closed; raises OSError where it cannot.

    `respond` is called by the one thread, so that everybody waits while it is at it.
    """

    def __init__(self, host: str, port: int, respond: Respond, places: int = PLACES, seconds: float = TIME) -> None:
        self._listening = _bound(host, port)
        self._respond = respond
        self._places = places
        self._seconds = seconds
        self._clients: dict[socket.socket, _Client] = {}  # the oldest first
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listening.getsockname()[1])

    def close(self) -> None:
        """End every connection and listen no more."""
        self._closing.set()
        self._listening.shutdown(socket.SHUT_RDWR)  # wakes who waits for a connection
        self._thread.join()

    def _serve(self) -> None:
        for _ in loop_until(self._closing):
            try:
                self._turn()
            except Exception:  # the boundary of a thread: a defect may cost an answer, never the door
                _log.exception("the health door failed once")
                time.sleep(_BREATH)
        for client in list(self._clients.values()):
            self._drop(client)
        self._selector.close()
        self._listening.close()

    def _turn(self) -> None:
        ready = self._selector.select(self._until_next_end())
        for key, _ in ready:
            client = key.data
            if client is not None and client.socket in self._clients:
                self._go_on(client)
        if any(key.data is None for key, _ in ready) and not self._closing.is_set():
            self._accept()
        self._end_late()

    def _until_next_end(self) -> float | None:
        oldest = next(iter(self._clients.values()), None)
        return None if oldest is None else max(0.0, oldest.end - time.monotonic())

    def _end_late(self) -> None:
        now = time.monotonic()
        for client in [one for one in self._clients.values() if one.end <= now]:
            self._drop(client)

    def _accept(self) -> None:
        if len(self._clients) >= self._places:
            self._drop(self._most_dispensable())
        try:
            accepted, address = self._listening.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:
            time.sleep(_BREATH)
            return
        accepted.setblocking(False)
        client = _Client(accepted, _origin(address[0]), time.monotonic() + self._seconds, self._respond)
        self._clients[accepted] = client
        self._selector.register(accepted, selectors.EVENT_READ, client)
        self._go_on(client)  # what it asks has mostly come with it

    def _most_dispensable(self) -> "_Client":
        held = Counter(client.origin for client in self._clients.values())
        (most, _), *_ = held.most_common(1)
        return next(client for client in self._clients.values() if client.origin == most)

    def _go_on(self, client: "_Client") -> None:
        wants = 0
        try:
            wants = client.go_on()
        except BlockingIOError:
            wants = client.wants
        except OSError:
            pass  # it is gone
        finally:
            if wants:
                self._selector.modify(client.socket, wants, client)
            else:
                self._end(client)

    def _drop(self, client: "_Client") -> None:
        """At once, with what it was sent and has not read: the kernel would keep that for it."""
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._end(client)

    def _end(self, client: "_Client") -> None:
        self._clients.pop(client.socket, None)
        self._selector.unregister(client.socket)
        client.socket.close()


class _Client:
    """One connection: its request is read, then its answer written, then whatever still comes is forgotten."""

    def __init__(self, connection: socket.socket, origin: object, end: float, respond: Respond) -> None:
        self.socket = connection
        self.origin = origin
        self.end = end
        self.wants = selectors.EVENT_READ
        self._respond = respond
        self._head = bytearray()
        self._answer = memoryview(b"")
        self._forgotten = 0

    def go_on(self) -> int:
        """Do what can be done now; what it waits for then, 0 where it is over. Raises BlockingIOError, OSError."""
        if self._answer:
            return self._write()
        return self._forget() if self._forgotten else self._read()

    def _read(self) -> int:
        received = self.socket.recv(LONGEST_HEAD + len(END) - len(self._head))
        if not received:
            return 0
        self._head += received
        head, end, _ = self._head.partition(END)
        if not end and len(self._head) < LONGEST_HEAD + len(END):
            return self.wants
        self._answer = memoryview(self._respond(bytes(head) if end else None))
        self.wants = selectors.EVENT_WRITE
        return self._write()

    def _write(self) -> int:
        self._answer = self._answer[self.socket.send(self._answer) :]
        if self._answer:
            return self.wants
        self.socket.shutdown(socket.SHUT_WR)
        self._forgotten, self.wants = 1, selectors.EVENT_READ
        return self._forget()

    def _forget(self) -> int:
        received = self.socket.recv(_BLOCK)
        self._forgotten += len(received)
        return self.wants if received and self._forgotten < _FORGOTTEN else 0


def _origin(address: str) -> object:
    """Whom an address stands for: with IPv6 a caller has as many as it likes, all of one network."""
    plain = ip_address(plain_address(address))
    return plain if plain.version == 4 else ip_network((int(plain), 64), strict=False)


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens at the first of the host's addresses that this machine has; raises OSError."""
    error: OSError | None = None
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in sorted(found, key=lambda one: one[0] != socket.AF_INET):
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setblocking(False)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError as failed:
            listening.close()
            error = error or failed
        else:
            return listening
    raise error or OSError(f"{host} has no address")
