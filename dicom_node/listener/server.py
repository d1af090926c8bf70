"""The door itself: accepting connections, a thread for each, and closing time."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from config.settings import Listener as Settings
from config.settings import Spool
from dicom_node.listener.association import AcceptorState, Connection
from dicom_node.listener.events import ListenerEvents, NoEvents
from dicom_node.listener.policy import AssociationPolicy, plain_address
from dicom_node.spool import SpoolWriter
from domain.errors import Unavailable

log = logging.getLogger(__name__)

_BACKLOG = 128
# Connections beyond the associations: those that negotiate, are being rejected, or are slow to close.
_SPARE = 32
GRACE = 10.0  # s that associations have to end by themselves at the node's stop
_FAREWELL = 2.0  # s for an association that is aborted at the node's stop to write its end
LONGEST_STOP = GRACE + 2 * _FAREWELL  # s from the wish to the end, which whoever asks has to wait for


class Listener:
    """The C-STORE and C-ECHO provider at `settings.host` and `settings.port`.

    Raises Unavailable at `start` where the port cannot be had, ConfigurationError where a caller's address is none.
    """

    def __init__(self, settings: Settings, writer: SpoolWriter, events: ListenerEvents | None = None) -> None:
        self._settings = settings
        self._door = AcceptorState(settings, AssociationPolicy(settings), writer, events or NoEvents())
        self._connections: dict[Connection, threading.Thread] = {}
        self._lock = threading.Lock()
        self._stopping = False
        self._port = settings.port
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that it listens on once it has started (the settings' own may be 0)."""
        return self._port

    @property
    def associations(self) -> int:
        """Associations that are open now."""
        return self._door.running

    def start(self) -> None:
        """Listen, and return."""
        self._socket = _listening_socket(self._settings)
        self._port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, args=(self._socket,), name="listener", daemon=True)
        self._thread.start()
        log.info("listening on %s port %d as %s", self._settings.host, self.port, self._settings.aet)

    def stop(self, grace: float) -> None:
        """Accept nothing more, give associations `grace` seconds to end, then abort them; returns when all is over."""
        self._stopping = True
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
        while not self._stopping:
            try:
                accepted, address = listening.accept()
            except OSError as error:
                if not self._stopping:
                    # Out of file descriptors, or a connection that ended in the queue: neither is the listener's end.
                    log.error("cannot accept a connection: %s", error)
                    time.sleep(0.05)
                continue
            self._welcome(accepted, plain_address(address[0]))

    def _welcome(self, accepted: socket.socket, address: str) -> None:
        if len(self._connections) >= self._settings.max_associations + _SPARE:
            log.warning("connection from %s closed: too many connections", address)
            self._door.events.refused("busy")
            accepted.close()
            return
        try:
            connection = Connection(self._door, accepted, address)
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
            log.error("no thread for a connection from %s: %s", address, error)
            with self._lock:
                del self._connections[connection]
            accepted.close()

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
    """Run listener process `index` with its log under `root` (`<data>/spool`) until `stop` is set.

    `ready` is called once it listens, with what readiness and metrics may ask. Raises Unavailable, ConfigurationError.
    """
    writer = SpoolWriter(root, index, spool)
    try:
        listener = Listener(settings, writer, events)
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
