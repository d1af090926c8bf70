"""The door for HTTP: accepting connections, a thread for each, and closing time."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from config.settings import Listener, Spool
from config.web import Web
from dicom_node.listener.events import ListenerEvents, NoEvents
from dicom_node.spool import SpoolWriter
from dicom_node.spool.numbers import SpoolNumber
from dicom_node.tls.acceptor import TlsAcceptor
from dicom_node.web.callers import Callers
from dicom_node.web.service import WebState
from dicom_node.web.visit import Visit
from domain.addresses import plain_address
from domain.errors import ConfigurationError, Unavailable
from domain.stopping import loop_until

log = logging.getLogger(__name__)

GRACE = 10.0  # s that requests have to end by themselves at the node's stop
_FAREWELL = 2.0  # s for a request that is broken off at the node's stop to be answered
_BACKLOG = 128
_BREATH = 0.05  # s to wait where accepting fails
_TURN = 1.0  # s between signs of life of the thread that accepts
_STUCK = 10.0  # s without one after which it is taken for stuck
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class WebDoor:
    """STOW-RS at `settings.host` and `settings.port`, by the limits of `listener`.

    Raises ConfigurationError where a secret or certificate cannot be used, Unavailable at `start` without the port.
    """

    def __init__(
        self, settings: Web, listener: Listener, writer: SpoolWriter, events: ListenerEvents | None = None
    ) -> None:
        self._settings = settings
        self._state = WebState(listener, settings.max_request, Callers(settings), writer, events or NoEvents())
        self._tls = TlsAcceptor(settings.tls, "web.tls") if settings.tls.certificate else None
        self._connections: dict[Visit, threading.Thread] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._port = settings.port
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._turned = time.monotonic()

    @property
    def is_accepting(self) -> bool:
        """Whether the thread that accepts connections lives and comes round."""
        alive = self._thread is not None and self._thread.is_alive()
        return alive and time.monotonic() - self._turned < _STUCK

    @property
    def port(self) -> int:
        """The port that it listens on once it has started (the settings' own may be 0)."""
        return self._port

    def let_in(self, settings: Web) -> None:
        """Go by these callers and certificates from now on; raises ConfigurationError, and then none changes."""
        self._state.callers = Callers(settings)
        if self._tls is not None and settings.tls.certificate:
            self._tls.take(settings.tls)

    def start(self) -> None:
        """Listen, and return."""
        self._socket = _listening_socket(self._settings)
        self._port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, args=(self._socket,), name="web", daemon=True)
        self._thread.start()
        log.info("listening on %s port %d for STOW-RS", self._settings.host, self.port)

    def stop(self, grace: float) -> None:
        """Accept nothing more, give requests `grace` seconds to end, then break them off; returns when all is over."""
        self._state.stopping = True
        self._stopping.set()
        if self._socket is not None and self._thread is not None:
            self._socket.shutdown(socket.SHUT_RDWR)  # closing alone does not wake the thread that waits in accept
            self._thread.join()
            self._socket.close()
            self._socket = None
        for visit in self._visits():
            if not visit.is_storing:
                visit.interrupt()
        self._join(time.monotonic() + grace)
        for how in (Visit.interrupt, Visit.cut):
            for visit in self._visits():
                how(visit)
            self._join(time.monotonic() + _FAREWELL)

    def _join(self, deadline: float) -> None:
        for thread in self._visits().values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _visits(self) -> "dict[Visit, threading.Thread]":
        with self._lock:
            return dict(self._connections)

    def _accept(self, listening: socket.socket) -> None:
        listening.settimeout(_TURN)
        for _ in loop_until(self._stopping):
            try:
                self._accept_one(listening)
            except Exception:
                # The boundary of a thread: a defect here may cost a connection, never the door.
                log.exception("a connection was not served")
                time.sleep(_BREATH)

    def _accept_one(self, listening: socket.socket) -> None:
        self._state.warnings.tell()
        try:
            accepted, address = listening.accept()
        except TimeoutError:
            self._turned = time.monotonic()
            return
        except OSError as error:
            if not self._stopping.is_set():
                self._state.warnings.warn(f"cannot accept a connection: {error.strerror}")
                time.sleep(_BREATH)
            return
        self._turned = time.monotonic()
        try:
            self._welcome(accepted, plain_address(address[0]))
        except BaseException:
            accepted.close()
            raise

    def _welcome(self, accepted: socket.socket, address: str) -> None:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self._connections) >= self._settings.max_connections and not self._make_room():
            self._state.warnings.warn(f"connection from {address} told to come again: too many connections")
            self._state.events.refused("http-busy")
            accepted.settimeout(0.0)
            with accepted, suppress(OSError):
                accepted.send(_BUSY)
            return
        visit = Visit(self._state, accepted, address, self._tls.context() if self._tls else None)
        thread = threading.Thread(target=self._serve, args=(visit,), name=f"web-{address}", daemon=True)
        with self._lock:
            self._connections[visit] = thread
        try:
            thread.start()
        except RuntimeError as error:
            self._state.warnings.warn(f"no thread for a connection: {error}")
            with self._lock:
                del self._connections[visit]
            accepted.close()

    def _make_room(self) -> bool:
        """Cut the oldest connection that asks for nothing now: those that say nothing shall keep out none that do."""
        for visit, thread in self._visits().items():
            if not visit.is_storing:
                visit.cut()
                thread.join(_BREATH * 10)
                return not thread.is_alive()
        return False

    def _serve(self, visit: "Visit") -> None:
        try:
            visit.run()
        finally:
            with self._lock:
                del self._connections[visit]


def serve(
    settings: Web,
    listener: Listener,
    spool: Spool,
    root: Path,
    *,
    stop: threading.Event,
    events: ListenerEvents | None = None,
    ready: Callable[[WebDoor, SpoolWriter], None] | None = None,
    grace: float = GRACE,
) -> None:
    """Run the door with its spool under `root` (`<data>/spool`) until `stop` is set.

    `ready` is called once it listens, with what readiness and metrics may ask. Raises Unavailable, ConfigurationError.
    """
    try:
        writer = SpoolWriter(root, SpoolNumber.WEB, spool)
    except OSError as error:
        raise ConfigurationError(f"{root} cannot be used as spool: {error.strerror}") from error
    try:
        door = WebDoor(settings, listener, writer, events)
        door.start()
        if ready is not None:
            ready(door, writer)
        stop.wait()
        door.stop(grace)
    finally:
        writer.close()


def _listening_socket(settings: Web) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, proto)
    except OSError as error:
        raise Unavailable(f"web.host {settings.host!r}: {error}") from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise Unavailable(f"cannot listen on {settings.host} port {settings.port}: {error}") from error
    return made
