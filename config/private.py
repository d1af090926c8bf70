"""Whom the node's files are for: their owner alone; what is made for others says so where it is made."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OTHERS = 0o077  # permission bits of everybody but the owner
# What the node makes in its data folder. Other names are somebody else's, and are left as they are.
OWN = re.compile(
    r"(run|spool|objects|work|engines|seal|access|(identity|deidentification)\.(key|\d+)|database(\.(keys|new))?"
    r"|postgresql-[\w.-]+)"
)
_TOP = 2  # parts of the path of /etc, /srv, /mnt: the system's, also while they are empty
_SYSTEMS = tuple(map(Path, ("/bin", "/boot", "/dev", "/lib", "/proc", "/sbin", "/sys", "/usr")))
_LARGEST = 1 << 16


def is_for_the_node(folder: Path) -> bool:
    """Whether a command that gives this folder to somebody touches nothing but the node's: it holds no other names."""
    try:
        place = folder.resolve()
        inside = [one.name for one in place.iterdir()]
    except OSError:
        return False
    return len(place.parts) > _TOP and not _is_the_systems(place) and all(map(OWN.fullmatch, inside))


def is_for_a_secret(file: Path) -> bool:
    """Whether the file looks made for a secret, one line of its own, and is none of the system's: it may be closed."""
    try:
        place = file.resolve()
        with place.open("rb") as opened:
            lines = opened.read(_LARGEST).strip().count(b"\n")
    except OSError:
        return False
    return not lines and place.parent != Path("/etc") and not _is_the_systems(place)


def _is_the_systems(place: Path) -> bool:
    return any(place.is_relative_to(one) for one in _SYSTEMS)


def started_by_systemd() -> bool:
    """Whether this very process is a service's (systemd.exec(5)): it may write where its unit says, and no more."""
    return os.environ.get("SYSTEMD_EXEC_PID") == str(os.getpid())


def keep_to_owner() -> None:
    """What this process and its children write from now on is for their user alone: images and names are among it."""
    os.umask(OTHERS)


@contextmanager
def readable_by_others() -> Iterator[None]:
    """What is written within may be read by others, as model packages and public keys are to be."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)
