"""A line to a server that breaks after so many of its answers, so that a test can break it at every one."""

import socket
import threading
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self


class CutLine:
    """Passes connections on to `host`:`port`; `limit` answers come through (None: all), then every connection ends.

    `answers` counts what the server sent since it was last set to 0.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._open = ExitStack()
        self._lock = threading.Lock()
        self.limit: int | None = None
        self.answers = 0

    def __enter__(self) -> Self:
        self._door = self._open.enter_context(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._open.close()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._door.getsockname()[1])

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                threading.Thread(target=self._pass_on, args=(near,), daemon=True).start()

    def _pass_on(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._server) as far:
            asking = threading.Thread(target=_pump, args=(near, far), daemon=True)
            asking.start()
            with suppress(OSError):
                while (answer := far.recv(1 << 16)) and self._comes_through():
                    near.sendall(answer)
            _hang_up(near, far)
            asking.join()

    def _comes_through(self) -> bool:
        with self._lock:
            self.answers += 1
            return self.limit is None or self.answers <= self.limit


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(1 << 16):
            target.sendall(part)
    _hang_up(source, target)


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
