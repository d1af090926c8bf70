"""Connections that we ask for: how one is made, and the least pace at which a peer has to take and to give."""

import socket
import time

from domain.errors import Unavailable

# Bytes a second: half of an ISDN channel. What is slower than this is as good as not there.
_SLOWEST = 4 << 10


def connected(host: str, port: int, timeout: float) -> socket.socket:
    """A connection to `host`, whose small pieces leave at once; raises Unavailable where nobody answers."""
    where = f"{host}:{port}"
    try:
        connection = socket.create_connection((host, port), timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except TimeoutError as error:
        raise Unavailable(f"no connection to {where}: no answer in time") from error
    except UnicodeError as error:
        raise Unavailable(f"no connection to {where}: that is no name of a host") from error
    except OSError as error:
        raise Unavailable(f"no connection to {where}: {error.strerror or error}") from error
    return connection


class Pace:
    """How long a peer may take over the next piece, so that it never falls `behind` s behind the least pace.

    A peer that was fast has no credit for it later, so that one that stops in the middle is noticed as soon as at the
    beginning.
    """

    def __init__(self, behind: float) -> None:
        self._behind = behind
        self._began = 0.0
        self.left = behind

    def begin(self) -> float:
        """A piece begins to move; the s that are left for it."""
        self._began = time.monotonic()
        return self.left

    def moved(self, size: int) -> None:
        """A piece of `size` bytes has moved since `begin`."""
        self.left = min(self._behind, self.left + size / _SLOWEST - (time.monotonic() - self._began))
