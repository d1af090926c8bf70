"""A log in a file that several processes share, and that is begun anew when it is full: FILE, FILE.1, FILE.2, ...

Each process appends whole lines (O_APPEND). The one that fills the file moves it on, behind a lock (flock(2)); the
others find another file under the name at their next line.
"""

import fcntl
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class SharedFileHandler(logging.Handler):
    """Writes records to `file`, of which `most` bytes are kept and `older` files of before.

    What cannot be written there, as on a full disk, goes to standard error. Raises OSError where it cannot be opened.
    """

    def __init__(self, file: Path, most: int, older: int) -> None:
        super().__init__()
        self._file = file
        self._most = most
        self._older = older
        file.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = self._opened()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; never raises."""
        line = f"{self.format(record)}\n"
        try:
            if not self._is_under_its_name():
                self._reopen()
            os.write(self._descriptor, line.encode("utf-8", "backslashreplace"))
            if os.fstat(self._descriptor).st_size >= self._most:
                self._move_on()
        except OSError:
            with suppress(OSError, ValueError):
                sys.stderr.write(line)

    def close(self) -> None:
        """Let go of the file."""
        with suppress(OSError):
            os.close(self._descriptor)
        super().close()

    def _opened(self) -> int:
        return os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _reopen(self) -> None:
        descriptor = self._opened()
        os.close(self._descriptor)
        self._descriptor = descriptor

    def _is_under_its_name(self) -> bool:
        """Whether nobody has moved the file away, such as another process of ours, or logrotate."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._file.stat())
        except FileNotFoundError:
            return False

    def _move_on(self) -> None:
        with _locked(self._file.with_name(f"{self._file.name}.lock")):
            if self._is_under_its_name():
                for number in range(self._older - 1, 0, -1):
                    with suppress(FileNotFoundError):
                        self._numbered(number).replace(self._numbered(number + 1))
                self._file.replace(self._numbered(1))
                if not self._older:
                    self._numbered(1).unlink()
        self._reopen()

    def _numbered(self, number: int) -> Path:
        return self._file.with_name(f"{self._file.name}.{number}")


_in_process = threading.Lock()  # flock(2) is between processes


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with _in_process, file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
