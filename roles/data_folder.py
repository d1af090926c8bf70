"""The data folder is its owner's alone: made so, and closed again where an earlier version left it open.

Two levels are looked at: what protects an object is the folder above it, and of objects there may be a million.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from config.places import unusable
from config.private import OTHERS, OWN, readable_by_others
from domain.errors import ConfigurationError

DATABASE = "database"

_PASS = 0o011


def prepare(data: Path) -> None:
    """Make DATA if it is not there, and close it and the node's own part of it to everybody but their owner.

    What belongs to another user is left as it is, and so is a folder that holds more than the node's own:
    `open_to_others` says so to `doctor`. Raises ConfigurationError where it cannot be made.
    """
    try:
        with readable_by_others():  # folders above it are not the node's own
            data.parent.mkdir(parents=True, exist_ok=True)
        data.mkdir(mode=0o700, exist_ok=True)
        inside = list(data.iterdir())
    except OSError as error:
        said = unusable(data.absolute()) or f"{data} cannot be used as data folder: {error.strerror}"
        raise ConfigurationError(f"data: {said}") from error
    if all(OWN.fullmatch(one.name) for one in inside):
        _close(data, _allowed(data))
    for one in inside:
        if OWN.fullmatch(one.name):
            _close(one)


def open_to_others(data: Path) -> Iterator[Path]:
    """DATA and what lies in it, as far as users may read or change it whom it does not belong to."""
    if _mode(data) & OTHERS & ~_allowed(data):
        yield data
    with suppress(OSError):
        yield from sorted(one for one in data.iterdir() if _mode(one) & OTHERS)


def _allowed(data: Path) -> int:
    """Others may pass root's DATA, and see nothing of it: one of them runs its database, or soon will."""
    with suppress(OSError):
        return _PASS if data.stat().st_uid == 0 else 0
    return 0


def _close(place: Path, allowed: int = 0) -> None:
    """Only the owner's own: root would otherwise close what others have linked here."""
    with suppress(OSError):
        found = place.lstat()
        surplus = found.st_mode & OTHERS & ~allowed
        if surplus and found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode):
            place.chmod(stat.S_IMODE(found.st_mode) & ~surplus)


def _mode(place: Path) -> int:
    """Permission bits of what a link leads to; 0 where there is nothing."""
    with suppress(OSError):
        return stat.S_IMODE(place.stat().st_mode)
    return 0
