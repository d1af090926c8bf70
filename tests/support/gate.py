"""A gate in front of an archive: it can keep back the archive's answers in the middle of an association."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from tests.support.processes import free_port

_CHUNK = 1 << 16
# Command Field (0000,0100) of a C-STORE-RQ (PS3.7 9.3.1.1).
_STORE = b"\0\0\0\1\2\0\0\0\1\0"


class Gate:
    """Hands bytes on between callers and a loopback port.

    While it withholds, a caller's association is accepted and what it sends arrives, but no later answer comes back:
    the archive has stored an object and the caller does not know it.
    """

    def __init__(self, port: int) -> None:
        self.port = free_port()
        #: Set once the answer to a C-STORE was kept back.
        self.withheld = threading.Event()
        self._archive = port
        self._open = threading.Event()
        self._open.set()
        self._door = socket.create_server(("127.0.0.1", self.port))

    def withhold(self) -> None:
        """Keep back every answer from now on but the first of an association."""
        self.withheld.clear()
        self._open.clear()

    def release(self) -> None:
        """Let answers pass again."""
        self._open.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, name="gate", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()
        _hang_up(self._door)  # wakes the thread that accepts
        self._door.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the door was closed
            while True:
                caller, _ = self._door.accept()
                threading.Thread(target=self._connect, args=(caller,), name="gate", daemon=True).start()

    def _connect(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._archive)) as archive:
            stores = threading.Event()
            back = threading.Thread(target=self._answers, args=(archive, caller, stores), name="gate", daemon=True)
            back.start()
            self._questions(caller, archive, stores)
            back.join()

    def _questions(self, caller: socket.socket, archive: socket.socket, stores: threading.Event) -> None:
        tail = b""
        with contextlib.suppress(OSError):
            while chunk := caller.recv(_CHUNK):
                if _STORE in tail + chunk:
                    stores.set()
                tail = chunk[-len(_STORE) :]
                archive.sendall(chunk)
        _hang_up(caller, archive)

    def _answers(self, archive: socket.socket, caller: socket.socket, stores: threading.Event) -> None:
        first = True
        with contextlib.suppress(OSError):
            while chunk := archive.recv(_CHUNK):
                if not first and not self._open.is_set():
                    # Questions whether an archive keeps what it has, and what it takes, are held back as well.
                    if stores.is_set():
                        self.withheld.set()
                    self._open.wait()
                first = False
                caller.sendall(chunk)
        _hang_up(caller, archive)


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
