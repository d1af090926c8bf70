"""A port that listens, and the thread that accepts what comes by it: for both doors, DICOM's and HTTP's."""

import logging
import socket
import threading
import time
from collections.abc import Callable

from dicom_node.tally import CountedLog
from domain.addresses import plain_address
from domain.errors import Unavailable
from domain.stopping import loop_until

log = logging.getLogger(__name__)

_BACKLOG = 128
_BREATH = 0.05  # s to wait where accepting fails
_TURN = 1.0  # s between signs of life of the thread that accepts
_STUCK = 10.0  # s without one after which it is taken for stuck

#: Serves a connection from an address, in a thread of its own; what it raises costs that connection.
Welcome = Callable[[socket.socket, str], None]


class AcceptingPort:
    """Open once it is made; raises Unavailable where it cannot be. `setting` names its host in words.

    With `shared` other processes may have it too, and the kernel divides what comes among them.
    """

    def __init__(self, host: str, port: int, setting: str, warnings: CountedLog, *, shared: bool = False) -> None:
        self._listening = _opened(host, port, setting, shared=shared)
        self._warnings = warnings
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._turned = time.monotonic()
        self.number = int(self._listening.getsockname()[1])

    @property
    def is_accepting(self) -> bool:
        """Whether its thread lives and comes round."""
        alive = self._thread is not None and self._thread.is_alive()
        return alive and time.monotonic() - self._turned < _STUCK

    def start(self, welcome: Welcome, name: str) -> None:
        """Accept, in a thread of this name."""
        self._thread = threading.Thread(target=self._accept, args=(welcome,), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Accept nothing more, and close."""
        self._stopping.set()
        if self._thread is not None:
            self._listening.shutdown(socket.SHUT_RDWR)  # closing alone does not wake the thread that waits in accept
            self._thread.join()
        self._listening.close()

    def _accept(self, welcome: Welcome) -> None:
        self._listening.settimeout(_TURN)
        for _ in loop_until(self._stopping):
            try:
                self._accept_one(welcome)
            except Exception:
                # The boundary of a thread: a defect here may cost a connection, never the door.
                log.exception("a connection was not served")
                time.sleep(_BREATH)

    def _accept_one(self, welcome: Welcome) -> None:
        self._warnings.tell()
        try:
            accepted, address = self._listening.accept()
        except TimeoutError:
            self._turned = time.monotonic()
            return
        except OSError as error:
            if not self._stopping.is_set():
                # Out of file descriptors, or a connection that ended in the queue: neither is the door's end.
                self._warnings.warn(f"cannot accept a connection: {error.strerror}")
                time.sleep(_BREATH)
            return
        self._turned = time.monotonic()
        accepted.settimeout(None)
        try:
            welcome(accepted, plain_address(address[0]))
        except BaseException:
            accepted.close()
            raise


def _opened(host: str, port: int, setting: str, *, shared: bool) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, proto)
    except OSError as error:
        raise Unavailable(f"{setting} {host!r}: {error}") from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise Unavailable(f"cannot listen on {host} port {port}: {error}") from error
    return made
