"""What the node tells the service manager that started it (sd_notify(3)); nothing where none did."""

import os
import socket
from contextlib import suppress


def notify(state: str) -> None:
    """Say `READY=1`, `STATUS=...` or the like to whom NOTIFY_SOCKET names. Nothing depends on its being heard."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place.startswith(("/", "@")):
        return
    # A name in the abstract namespace begins with NUL, unix(7).
    address = "\0" + place[1:] if place.startswith("@") else place
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        manager.sendto(state.encode(), address)
