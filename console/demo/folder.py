"""The folder that a demonstration lies in: its own, one at a time, with what earlier ones found put aside."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from domain.errors import ConfigurationError

_MARK = "made-by-the-demonstration"


@contextmanager
def fresh(data: Path) -> Iterator[Path]:
    """`data` for a new demonstration alone. What an earlier one found is put aside; its servers' data are removed."""
    if data.exists() and not (data / _MARK).exists() and any(data.iterdir()):
        raise ConfigurationError(f"{data} holds something else than a demonstration: give another --data")
    data.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        data.chmod(0o711)  # the node's PostgreSQL is then another user, who must pass here
    with _alone(data):
        _put_aside(data)
        yield data


@contextmanager
def kept(data: Path) -> Iterator[Path]:
    """What a demonstration has left in `data`, as it is, while no other runs; ConfigurationError where none was."""
    if not (data / _MARK).exists():
        raise ConfigurationError(f"no demonstration has been in {data}: run `make demo` first")
    with _alone(data):
        yield data


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    mark = os.open(data / _MARK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ConfigurationError(f"another demonstration, or its viewer, runs in {data}") from error
    finally:
        os.close(mark)


def _put_aside(data: Path) -> None:
    for name in ("node", "archive", "study"):
        shutil.rmtree(data / name, ignore_errors=True)
    found = data / "findings"
    if found.exists():
        when = datetime.fromtimestamp(found.stat().st_mtime).strftime("%Y-%m-%d-%H%M%S")
        (data / "earlier").mkdir(exist_ok=True)
        found.rename(data / "earlier" / when)
