"""A process that is a copy of this one, as it stands: what is imported already need not be imported again.

Only a process of one thread may be copied, for a lock that another thread held would never be released in the copy. So
the supervisor has no thread, and imports nothing that starts one (NumPy's BLAS, CUDA).
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from config import defects

_PR_SET_NAME = 15  # prctl(2)
_ASKED_TO_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Fork:
    """`main` in a process of its own, which leads a process group and ends with what `main` returns."""

    def __init__(self, name: str, main: Callable[[], int]) -> None:
        # Kept back until the copy has put its parent's handlers away: a signal that they took would be lost.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED_TO_STOP)
        try:
            _flush()
            self.pid = os.fork()
            if self.pid == 0:
                _run(name, main)
            with suppress(OSError):  # whoever of the two comes first
                os.setpgid(self.pid, self.pid)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def wait(self) -> int:
        """Wait for its end. The exit code, negative for a signal."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _run(name: str, main: Callable[[], int]) -> NoReturn:
    """Never returns: what the parent has on its stack is not for the copy to clean up."""
    code = 1
    try:
        _become(name)
        code = main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException as error:
        sys.stderr.write(defects.trace(error) + "\n")  # never Python's own: it quotes what libraries were given
    finally:
        _flush()
        os._exit(code)


def _become(name: str) -> None:
    with suppress(OSError):
        os.setpgid(0, 0)
    _close_inherited()
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode())  # what `ps` and `top` call it
    for number in _ASKED_TO_STOP:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKED_TO_STOP)


def _close_inherited() -> None:
    """All but output and errors: the parent's lock on the data folder would outlive the parent."""
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, not paths
        if int(entry) > 2:
            with suppress(OSError):  # the listing's own
                os.close(int(entry))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _flush() -> None:
    """What is in a buffer would otherwise be written twice, or never."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
