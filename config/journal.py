"""The journal of systemd by its own protocol: a record with its fields, so that `journalctl` can ask by each.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL: a datagram of NAME=VALUE lines; a value with an end of line in it follows
its name on a line of its own, behind its length (64 bits, little endian).
"""

import logging
import os
import socket
import struct
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TextIO

SOCKET = Path("/run/systemd/journal/socket")
# syslog(3): what `journalctl -p` asks by.
_PRIORITY = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}
_LONGEST = 8192  # letters of a field: a datagram has to fit into a socket's buffer
_PREFIX = "DICOM_NODE_"


def is_journal(stream: TextIO) -> bool:
    """Whether `stream` leads to the journal, as systemd says by device and inode (systemd.exec(5), JOURNAL_STREAM)."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


class JournalHandler(logging.Handler):
    """Hands records to the journal at `path`. `fields` gives what rides along beside message and priority.

    Where no datagram gets there, as from behind a wall, a line with its priority goes to standard error, which the
    journal reads too (sd-daemon(3)).
    """

    def __init__(
        self, role: str, fields: Callable[[logging.LogRecord], Mapping[str, object]], path: Path = SOCKET
    ) -> None:
        super().__init__()
        self._role = role
        self._fields = fields
        self._path = str(path)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over a record; never raises."""
        message = self.format(record)
        priority = _PRIORITY.get(record.levelno, 6)
        own: dict[str, object] = {"MESSAGE": message, "PRIORITY": priority, "SYSLOG_IDENTIFIER": "dicom-node"}
        told = {"role": self._role, **self._fields(record)}
        more = {f"{_PREFIX}{name.upper()}"[:64]: value for name, value in told.items()}
        data = b"".join(_field(name, str(value)[:_LONGEST]) for name, value in {**more, **own}.items())
        try:
            # One a record: a copy of this process would close a kept one's number, which is another's by then.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.sendto(data, self._path)
        except OSError:
            with suppress(OSError, ValueError):
                sys.stderr.write("".join(f"<{priority}>{line}\n" for line in message.split("\n")))


def _field(name: str, value: str) -> bytes:
    text = value.encode("utf-8", "backslashreplace")
    if b"\n" not in text:
        return b"%s=%s\n" % (name.encode(), text)
    return b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(text)), text)
