"""A file that checkpoints are appended to, a line each: on another machine's disk, or one that forgets nothing."""

import os
from pathlib import Path

from audit.outside import claims_in, line_of
from audit.witnesses import Offered, refuse_other
from domain.errors import Retryable

_TAIL = 1 << 16  # bytes in which the last line lies


class File:
    """Appends and syncs. What the file had last is looked at before."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def give(self, offered: Offered) -> tuple[str, ...]:
        """See `audit.witnesses.Outlet`."""
        line = line_of(str(offered.note))
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            with os.fdopen(descriptor, "r+b") as opened:
                tail = _tail(descriptor)
                if (last := _last(tail)) == str(offered.note):
                    return ()
                refuse_other(offered, last, str(self._file))
                # Behind a line that a loss of power cut short.
                begin = "" if tail[-1:] in (b"", b"\n") else "\n"
                opened.write(f"{begin}{line}\n".encode("ascii"))
                opened.flush()
                os.fsync(descriptor)
        except OSError as error:
            raise Retryable(f"{self._file} cannot be written: {error.strerror}") from error
        return ()


def _tail(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, _TAIL, max(0, size - _TAIL))


def _last(tail: bytes) -> str:
    found = [one.note for one in claims_in(tail.decode("utf-8", "replace"), "")]
    return found[-1] if found else ""
