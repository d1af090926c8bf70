"""pynetdicom's connections, closed for certain.

Its own way leaves a socket open whose peer has gone first: it shuts the socket down, which then fails, and closes it
only where that did not. Whoever collects the garbage next is warned of it.
"""

import contextlib
import socket
from typing import Any

from pynetdicom.transport import AssociationSocket


def _shut(connection: Any) -> None:
    if isinstance(connection.socket, socket.socket):
        with contextlib.suppress(OSError):
            connection.socket.shutdown(socket.SHUT_RDWR)
        connection.socket.close()


def close_for_certain() -> None:
    """From now on every connection of this process is closed at its end."""
    AssociationSocket._shutdown_socket = _shut
