"""The listener itself: accepting connections, a thread for each, and closing time."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from config.settings import Listener as Settings
from config.settings import Spool
from dicom_node.accepting import AcceptingPort
from dicom_node.listener.association import AcceptorState, Connection
from dicom_node.listener.events import ListenerEvents, NoEvents
from dicom_node.listener.policy import AssociationPolicy
from dicom_node.listener.provided import services
from dicom_node.listener.services import Service
from dicom_node.listener.users import Users
from dicom_node.spool import SpoolWriter
from dicom_node.tls.acceptor import TlsAcceptor
from domain.errors import ConfigurationError

log = logging.getLogger(__name__)

# Connections beyond the associations: those that negotiate, are being rejected, or are slow to close.
_SPARE = 32
_YIELD = 0.5  # s for a connection that is cut to be gone
GRACE = 10.0  # s that associations have to end by themselves at the node's stop
_FAREWELL = 2.0  # s for an association that is aborted at the node's stop to write its end
_LAST_RECORDS = 2.0  # s for the spool to take what is left to record
# s that `serve` takes at most to return once it is told to stop: whoever ends the process by force waits longer.
LONGEST_STOP = GRACE + 2 * _FAREWELL + _LAST_RECORDS


class Listener:
    """The provider of C-STORE, C-ECHO and `services` at `settings.host`: at its port, at `settings.tls.port` with TLS.

    Raises Unavailable at `start` where a port cannot be had, ConfigurationError where a caller's address is none or
    a file of TLS cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        writer: SpoolWriter,
        events: ListenerEvents | None = None,
        services: Mapping[str, Service] | None = None,
    ) -> None:
        self._settings = settings
        self._services = services or {}
        policy = AssociationPolicy(settings, self._services)
        users = Users(settings.user_identity)
        self._acceptor = AcceptorState(settings, policy, writer, events or NoEvents(), self._services, users=users)
        self._connections: dict[Connection, threading.Thread] = {}
        self._lock = threading.Lock()
        self._tls = TlsAcceptor(settings.tls) if settings.tls.certificate else None
        self._opened: dict[TlsAcceptor | None, AcceptingPort] = {}
        self._ports: dict[bool, int] = {}

    @property
    def is_accepting(self) -> bool:
        """Whether the threads that accept connections live and come round."""
        return bool(self._opened) and all(port.is_accepting for port in self._opened.values())

    @property
    def port(self) -> int:
        """The port that it listens on once it has started (the settings' own may be 0): the one for TLS if it has no
        other."""
        return self._ports.get(False) or self._ports.get(True) or self._settings.port

    @property
    def tls_port(self) -> int | None:
        """The port for TLS, once it has started; None without TLS."""
        return self._ports.get(True)

    @property
    def associations(self) -> int:
        """Associations that are open now."""
        return self._acceptor.running

    def let_in(self, settings: Settings) -> None:
        """Go by the callers and the certificates of these settings from the next association on."""
        self._acceptor.policy = AssociationPolicy(settings, self._services)
        self._acceptor.users = Users(settings.user_identity)
        if self._tls is not None and settings.tls.certificate:
            self._tls.take(settings.tls)

    def start(self) -> None:
        """Listen, and return."""
        settings = self._settings
        wanted: list[tuple[int, TlsAcceptor | None]] = [(settings.port, None)] if settings.plain else []
        if self._tls is not None:
            wanted.append((settings.tls.port, self._tls))
        for number, tls in wanted:
            self._opened[tls] = self._open(number)
            self._ports[tls is not None] = self._opened[tls].number
        for tls, port in self._opened.items():
            port.start(partial(self._welcome, tls=tls), "listener")
            with_tls = " with TLS" if tls else ""
            log.info("listening on %s port %d%s as %s", settings.host, port.number, with_tls, settings.aet)

    def _open(self, number: int) -> AcceptingPort:
        settings, warnings = self._settings, self._acceptor.warnings
        return AcceptingPort(settings.host, number, "listener.host", warnings, shared=settings.processes > 1)

    def stop(self, grace: float) -> None:
        """Accept nothing more, give associations `grace` seconds to end, then abort them; returns when all is over."""
        for port in self._opened.values():
            port.stop()
        self._opened = {}
        self._join(time.monotonic() + grace)
        for connection in self._running():
            connection.interrupt()
        self._join(time.monotonic() + _FAREWELL)
        for connection in self._running():
            connection.cut()
        self._join(time.monotonic() + _FAREWELL)

    def _join(self, deadline: float) -> None:
        for thread in self._running().values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _running(self) -> dict[Connection, threading.Thread]:
        with self._lock:
            return dict(self._connections)

    def _welcome(self, accepted: socket.socket, address: str, *, tls: TlsAcceptor | None) -> None:
        if len(self._connections) >= self._settings.max_associations + _SPARE and not self._make_room():
            self._acceptor.warnings.warn(f"connection from {address} closed: too many connections")
            self._acceptor.events.refused("busy")
            accepted.close()
            return
        try:
            connection = Connection(self._acceptor, accepted, address, tls)
        except OSError as error:
            log.debug("connection from %s ended at once: %s", address, error)
            accepted.close()
            return
        thread = threading.Thread(target=self._serve, args=(connection,), name=f"association-{address}", daemon=True)
        with self._lock:
            self._connections[connection] = thread
        try:
            thread.start()
        except RuntimeError as error:
            self._acceptor.warnings.warn(f"no thread for a connection: {error}")
            with self._lock:
                del self._connections[connection]
            accepted.close()

    def _make_room(self) -> bool:
        """Cut the oldest connection without an association: those that say nothing shall keep out none that do."""
        for connection, thread in self._running().items():
            if not connection.is_associated:
                self._acceptor.warnings.warn("a connection without an association is cut: too many connections")
                self._acceptor.events.refused("busy")
                connection.cut()
                thread.join(_YIELD)
                return not thread.is_alive()
        return False

    def _serve(self, connection: Connection) -> None:
        try:
            connection.run()
        finally:
            with self._lock:
                del self._connections[connection]


def serve(
    settings: Settings,
    spool: Spool,
    root: Path,
    index: int,
    *,
    stop: threading.Event,
    events: ListenerEvents | None = None,
    ready: Callable[[Listener, SpoolWriter], None] | None = None,
    grace: float = GRACE,
) -> None:
    """Run listener process `index` with its spool under `root` (`<data>/spool`) until `stop` is set.

    `ready` is called once it listens, with what readiness and metrics may ask. Raises Unavailable, ConfigurationError.
    """
    try:
        writer = SpoolWriter(root, index, spool)
    except OSError as error:
        raise ConfigurationError(f"{root} cannot be used as spool: {error.strerror}") from error
    try:
        listener = Listener(settings, writer, events, services(root))
        listener.start()
        if ready is not None:
            ready(listener, writer)
        stop.wait()
        listener.stop(grace)
    finally:
        writer.close()
