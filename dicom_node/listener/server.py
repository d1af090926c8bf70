"""The listener itself: accepting connections, a thread for each, and closing time."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from config.settings import Listener as Settings
from config.settings import Spool
from dicom_node.listener.association import AcceptorState, Connection
from dicom_node.listener.events import ListenerEvents, NoEvents
from dicom_node.listener.policy import AssociationPolicy
from dicom_node.listener.provided import services
from dicom_node.listener.services import Service
from dicom_node.spool import SpoolWriter
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


class Listener:
    """The provider of C-STORE, C-ECHO and `services` at `settings.host` and `settings.port`.

    Raises Unavailable at `start` where the port cannot be had, ConfigurationError where a caller's address is none.
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
        self._acceptor = AcceptorState(settings, policy, writer, events or NoEvents(), self._services)
        self._connections: dict[Connection, threading.Thread] = {}
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

    @property
    def associations(self) -> int:
        """Associations that are open now."""
        return self._acceptor.running

    def let_in(self, settings: Settings) -> None:
        """Go by the callers of these settings from the next association on."""
        self._acceptor.policy = AssociationPolicy(settings, self._services)

    def start(self) -> None:
        """Listen, and return."""
        self._socket = _listening_socket(self._settings)
        self._port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, args=(self._socket,), name="listener", daemon=True)
        self._thread.start()
        log.info("listening on %s port %d as %s", self._settings.host, self.port, self._settings.aet)

    def stop(self, grace: float) -> None:
        """Accept nothing more, give associations `grace` seconds to end, then abort them; returns when all is over."""
        self._stopping.set()
        if self._socket is not None and self._thread is not None:
            # Closing alone does not wake the thread that waits in accept.
            self._socket.shutdown(socket.SHUT_RDWR)
            self._thread.join()
            self._socket.close()
            self._socket = None
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

    def _accept(self, listening: socket.socket) -> None:
        listening.settimeout(_TURN)
        for _ in loop_until(self._stopping):
            try:
                self._accept_one(listening)
            except Exception:
                # The boundary of a thread: a defect here may cost a connection, never the listener.
                log.exception("a connection was not served")
                time.sleep(_BREATH)

    def _accept_one(self, listening: socket.socket) -> None:
        self._acceptor.warnings.tell()
        try:
            accepted, address = listening.accept()
        except TimeoutError:
            self._turned = time.monotonic()
            return
        except OSError as error:
            if not self._stopping.is_set():
                # Out of file descriptors, or a connection that ended in the queue: neither is the listener's end.
                self._acceptor.warnings.warn(f"cannot accept a connection: {error.strerror}")
                time.sleep(_BREATH)
            return
        self._turned = time.monotonic()
        accepted.settimeout(None)
        try:
            self._welcome(accepted, plain_address(address[0]))
        except BaseException:
            accepted.close()
            raise

    def _welcome(self, accepted: socket.socket, address: str) -> None:
        if len(self._connections) >= self._settings.max_associations + _SPARE and not self._make_room():
            self._acceptor.warnings.warn(f"connection from {address} closed: too many connections")
            self._acceptor.events.refused("busy")
            accepted.close()
            return
        try:
            connection = Connection(self._acceptor, accepted, address)
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


def _listening_socket(settings: Settings) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
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
        raise Unavailable(f"cannot listen on {settings.host} port {settings.port}: {error}") from error
    return made
