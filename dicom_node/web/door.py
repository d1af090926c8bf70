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
from dicom_node.accepting import AcceptingPort
from dicom_node.listener.events import ListenerEvents, NoEvents
from dicom_node.spool import SpoolWriter
from dicom_node.spool.numbers import SpoolNumber
from dicom_node.tls.acceptor import TlsAcceptor
from dicom_node.web.callers import Callers
from dicom_node.web.service import WebState
from dicom_node.web.visit import Visit
from domain.errors import ConfigurationError

log = logging.getLogger(__name__)

GRACE = 10.0  # s that requests have to end by themselves at the node's stop
_FAREWELL = 2.0  # s for a request that is broken off at the node's stop to be answered
_YIELD = 0.5  # s for a connection that is cut to be gone
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
        self._port = settings.port
        self._opened: AcceptingPort | None = None

    @property
    def is_accepting(self) -> bool:
        """Whether the thread that accepts connections lives and comes round."""
        return self._opened is not None and self._opened.is_accepting

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
        self._opened = AcceptingPort(self._settings.host, self._settings.port, "web.host", self._state.warnings)
        self._port = self._opened.number
        self._opened.start(self._welcome, "web")
        log.info("listening on %s port %d for STOW-RS", self._settings.host, self.port)

    def stop(self, grace: float) -> None:
        """Accept nothing more, give requests `grace` seconds to end, then break them off; returns when all is over."""
        self._state.stopping = True
        if self._opened is not None:
            self._opened.stop()
            self._opened = None
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
                thread.join(_YIELD)
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
