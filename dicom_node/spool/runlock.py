"""Who writes, and who reads: files that are locked for as long as their process lives."""

import fcntl
import os
import time
from pathlib import Path
from uuid import UUID

from domain.errors import Unavailable

# A reader that looks whether the lock is held holds it for an instant itself.
_RETRY_FOR = 1.0


class ProcessLock:
    """A file locked until `close` or the end of the process; raises Unavailable if another process holds it."""

    def __init__(self, path: Path, text: str = "") -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._fd)
        except OSError as error:
            os.close(self._fd)
            raise Unavailable(f"{path} is held by another process") from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode(), 0)

    def close(self) -> None:
        """Unlock."""
        os.close(self._fd)


def _lock(fd: int) -> None:
    deadline = time.monotonic() + _RETRY_FOR
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def living_run(path: Path) -> UUID | None:
    """The run that the lock at `path` names if a living process holds it."""
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(fd, 36, 0).decode("ascii", "replace")
        return UUID(text) if len(text) == 36 else None
    finally:
        os.close(fd)
    return None
