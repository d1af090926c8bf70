"""Which files a process may read and write, and that it speaks to nobody: Landlock (landlock(7)), Linux 5.13 and later.

What is not named is refused: files, TCP (Linux 6.7), signals to and sockets of processes outside (Linux 6.12).
"""

import os
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from inference_worker.walls import kernel

_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE, _MAKE_DIR, _MAKE_FILE = 0b11 << 4, 1 << 7, 1 << 8
_REFER, _TRUNCATE, _DEVICE_CONTROL = 1 << 13, 1 << 14, 1 << 15
_OF_FILES = _WRITE_FILE | _READ_FILE | _TRUNCATE | _DEVICE_CONTROL
# Execution is never granted: libraries are mapped, which is reading.
_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE | _MAKE_DIR | _MAKE_FILE | _REFER | _TRUNCATE
_DEVICE = _READ_FILE | _WRITE_FILE | _DEVICE_CONTROL
# Number of rights of files that each version knows, bind and connect of TCP, scopes of abstract sockets and signals.
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_RIGHTS_SINCE = 16
_TCP, _TCP_SINCE = 0b11, 4
_SCOPES, _SCOPES_SINCE = 0b11, 6


@dataclass(frozen=True)
class Places:
    """What may be read, of what the names may be listed, what may be written, and which devices may be driven."""

    read: Iterable[Path] = ()
    listed: Iterable[Path] = ()
    write: Iterable[Path] = ()
    devices: Iterable[Path] = ()

    def by_right(self) -> tuple[tuple[int, Iterable[Path]], ...]:
        """Each kind with its rights."""
        return (_READ, self.read), (_READ_DIR, self.listed), (_WRITE, self.write), (_DEVICE, self.devices)


def version() -> int:
    """Which version of Landlock this kernel has, 0 for none."""
    try:
        return kernel.call("landlock_create_ruleset", 0, 0, _VERSION)
    except OSError:
        return 0


def enclose(places: Places) -> None:
    """Refuse this thread, for ever, all but what `places` name; raises OSError."""
    known = version()
    if not known:
        raise OSError(38, "this kernel has no Landlock")
    rights = (1 << _RIGHTS.get(known, _RIGHTS_SINCE)) - 1
    tcp, scopes = _TCP * (known >= _TCP_SINCE), _SCOPES * (known >= _SCOPES_SINCE)
    attributes = struct.pack("QQQ", rights, tcp, scopes)
    size = 24 if scopes else 16 if tcp else 8  # an older kernel refuses what it does not know
    ruleset = kernel.call("landlock_create_ruleset", attributes, size, 0)
    try:
        for granted, named in places.by_right():
            for place in named:
                _grant(ruleset, place, granted & rights)
        kernel.call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _grant(ruleset: int, place: Path, rights: int) -> None:
    try:
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # what is not there needs no right
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_FILES
        kernel.call("landlock_add_rule", ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)
