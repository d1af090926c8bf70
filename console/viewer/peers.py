"""Whose program is at the other end of a connection on loopback: what the kernel says of it (proc(5), net/tcp)."""

import contextlib
import socket
import sys
from pathlib import Path

_Address = tuple[str, int]
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_MAPPED = "0000000000000000FFFF0000"  # ::ffff:0:0/96 as the table writes it


def owner(peer: _Address, own: _Address) -> int | None:
    """The number of the user whose socket is bound to `peer` and connected to `own` (IPv4, each with its port).

    None where the kernel does not tell, as that of another system or of a container with a network of its own.
    """
    ends = [_written(*peer), _written(*own)]
    for table, prefix in zip(_TABLES, ("", _MAPPED if sys.byteorder == "little" else ""), strict=True):
        with contextlib.suppress(OSError):
            found = _found(table.read_text("ascii"), [prefix + one for one in ends])
            if found is not None:
                return found
    return None


def _found(table: str, ends: list[str]) -> int | None:
    for line in table.splitlines():
        columns = line.split()
        if columns[1:3] == ends:
            return int(columns[7])
    return None


def _written(address: str, port: int) -> str:
    """As the kernel writes it: the address as a number of this machine, in hexadecimal."""
    return f"{int.from_bytes(socket.inet_aton(address), sys.byteorder):08X}:{port:04X}"
