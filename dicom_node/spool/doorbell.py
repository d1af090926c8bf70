"""Waking the reader: a datagram that may be lost, because the reader also looks by itself."""

import contextlib
import os
import select
import socket
import time
from pathlib import Path

_NAME = "doorbell"
_QUIET = 0.02  # s; waking another process costs the listener as much as a tenth of an instance
_LONGEST = 100  # bytes of a Unix socket's path; the kernel takes 108 with its end


class Bell:
    """The listener's end; `ring` never blocks and never fails."""

    def __init__(self, root: Path) -> None:
        self._place = _Place(root)
        self._socket = _socket()
        self._quiet_until = 0.0

    def ring(self, urgent: bool = True) -> None:
        """Wake the reader if there is one; what is not urgent (one more instance) wakes it every 20 ms at the most."""
        now = time.monotonic()
        if not urgent and now < self._quiet_until:
            return
        self._quiet_until = now + _QUIET
        # No reader, or one with enough wake-ups in its queue: both are as well.
        with contextlib.suppress(OSError):
            self._socket.sendto(b"\1", self._place.address)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()
        self._place.close()


class DoorbellListener:
    """The reader's end."""

    def __init__(self, root: Path) -> None:
        (root / _NAME).unlink(missing_ok=True)
        self._place = _Place(root)
        self._socket = _socket()
        self._socket.bind(self._place.address)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def wait(self, seconds: float) -> None:
        """Return at the next ring, or after `seconds`; all rings so far are then heard."""
        self._poll.poll(max(0.0, seconds) * 1000)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(16)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()
        self._place.close()


class _Place:
    """The doorbell's address, short enough for the kernel however deep the folder lies."""

    def __init__(self, root: Path) -> None:
        path = root.absolute() / _NAME
        self._folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY) if len(bytes(path)) > _LONGEST else None
        self.address = str(path) if self._folder is None else f"/proc/self/fd/{self._folder}/{_NAME}"

    def close(self) -> None:
        if self._folder is not None:
            os.close(self._folder)


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made
