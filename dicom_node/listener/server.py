"""The listener itself: accepting connections, a thread for each, and closing time."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.settings import Listener as Settings
from config.settings import Spool
from dicom_node.listener.association import AcceptorState, Connection
from dicom_node.listener.events import ListenerEvents, NoEvents
from dicom_node.listener.policy import AssociationPolicy
from dicom_node.listener.provided import services
from dicom_node.listener.services import Service
from dicom_node.listener.users import Users
from dicom_node.spool import SpoolWriter
from dicom_node.tls.acceptor import TlsAcceptor
from domain.addresses import plain_address
from domain.errors import ConfigurationError, Unavailable
from domain.stopping import loop_until

log = logging.getLogger(__name__)

_BACKLOG = 128
_BREATH = 0.05  # s to wait where accepting fails
# Connections beyond the associations: those that negotiate, are being rejected, or are slow to close.
_SPARE = 32
_YIELD = 0.5  # s for a connection that is cut to be gone
GRACE = 10.0  # s that associations have to end by themselves at the node's stop
_FAREWELL = 2.0  # s for an association that is aborted at the node's stop to write its end
_LAST_RECORDS = 2.0  # s for the spool to take what is left to record
# s that `serve` takes at most to return once it is told to stop: whoever ends the process by force waits longer.
LONGEST_STOP = GRACE + 2 * _FAREWELL + _LAST_RECORDS
_TURN = 1.0  # s between signs of life of the thread that accepts
_STUCK = 10.0  # s without one after which it is taken for stuck


@dataclass
class _Port:
    """A port that connections come by, with TLS or without; `turned` is when its thread last came round."""

    listening: socket.socket
    tls: TlsAcceptor | None
    thread: threading.Thread | None = None
    turned: float = field(default_factory=time.monotonic)

    @property
    def port(self) -> int:
        return int(self.listening.getsockname()[1])

    @property
    def is_accepting(self) -> bool:
        alive = self.thread is not None and self.thread.is_alive()
        return alive and time.monotonic() - self.turned < _STUCK


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
        self._stopping = threading.Event()
        self._tls = TlsAcceptor(settings.tls) if settings.tls.certificate else None
        self._opened: list[_Port] = []
        self._ports: dict[bool, int] = {}

    @property
    def is_accepting(self) -> bool:
        """Whether the threads that accept connections live and come round."""
        return bool(self._opened) and all(opened.is_accepting for opened in self._opened)

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
        ports: list[tuple[int, TlsAcceptor | None]] = [(settings.port, None)] if settings.plain else []
        if self._tls is not None:
            ports.append((settings.tls.port, self._tls))
        for port, tls in ports:
            opened = _Port(_listening_socket(settings, port), tls)
            self._opened.append(opened)
            self._ports[tls is not None] = opened.port
        for opened in self._opened:
            opened.thread = threading.Thread(target=self._accept, args=(opened,), name="listener", daemon=True)
            opened.thread.start()
            with_tls = " with TLS" if opened.tls else ""
            log.info("listening on %s port %d%s as %s", settings.host, opened.port, with_tls, settings.aet)

    def stop(self, grace: float) -> None:
        """Accept nothing more, give associations `grace` seconds to end, then abort them; returns when all is over."""
        self._stopping.set()
        for opened in self._opened:
            if opened.thread is not None:
                # Closing alone does not wake the thread that waits in accept.
                opened.listening.shutdown(socket.SHUT_RDWR)
                opened.thread.join()
            opened.listening.close()
        self._opened = []
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

    def _accept(self, opened: _Port) -> None:
        opened.listening.settimeout(_TURN)
        for _ in loop_until(self._stopping):
            try:
                self._accept_one(opened)
            except Exception:
                # The boundary of a thread: a defect here may cost a connection, never the listener.
                log.exception("a connection was not served")
                time.sleep(_BREATH)

    def _accept_one(self, opened: _Port) -> None:
        self._acceptor.warnings.tell()
        try:
            accepted, address = opened.listening.accept()
        except TimeoutError:
            opened.turned = time.monotonic()
            return
        except OSError as error:
            if not self._stopping.is_set():
                # Out of file descriptors, or a connection that ended in the queue: neither is the listener's end.
                self._acceptor.warnings.warn(f"cannot accept a connection: {error.strerror}")
                time.sleep(_BREATH)
            return
        opened.turned = time.monotonic()
        accepted.settimeout(None)
        try:
            self._welcome(accepted, plain_address(address[0]), opened.tls)
        except BaseException:
            accepted.close()
            raise

    def _welcome(self, accepted: socket.socket, address: str, tls: TlsAcceptor | None) -> None:
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


def _listening_socket(settings: Settings, port: int) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            settings.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, proto)
    except OSError as error:
        raise Unavailable(f"listener.host {settings.host!r}: {error}") from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if settings.processes > 1:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise Unavailable(f"cannot listen on {settings.host} port {port}: {error}") from error
    return made
