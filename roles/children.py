"""Child processes that are started again when they die, each with its own backoff."""

import logging
import math
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from config.retries import PROCESSES

_log = logging.getLogger(__name__)
_SOUND = 30.0  # s of life after which earlier deaths are forgotten


class Process(Protocol):
    """What is looked after. It leads a process group of its own, so that a terminal's Ctrl-C does not reach it."""

    pid: int

    def wait(self) -> int:
        """Wait for its end. The exit code, negative for a signal."""
        ...


class Child:
    """One process that `start` makes, again and again."""

    def __init__(self, name: str, start: Callable[[], Process], now: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._now = now
        self._make = start
        self._process: Process | None = None
        self._started = 0.0
        self._failures = 0
        self._due = 0.0
        self._renewed_by = 0.0  # when it is killed that was told to begin anew and has not ended; 0: it was not told

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    def look_after(self) -> None:
        """Start the process when it is due; called often."""
        if self._process is not None and self._is_over(self._process):
            code, renewed = self._bury(self._process), bool(self._renewed_by)
            self._renewed_by = 0.0
            if not renewed:
                self._note_death(code)
        if self._process is None and self._now() >= self._due:
            self._start()

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self._process is not None:
            # By its number, which stays its own until it is waited for.
            os.kill(self._process.pid, signal.SIGTERM)

    def renew(self, grace: float) -> None:
        """End the process within `grace` s and start another, which is no death of it."""
        if self._process is not None:
            self._renewed_by = self._now() + grace
            self.ask_to_stop()

    def retire(self, grace: float) -> None:
        """End the process within `grace` s, for good."""
        self._due = math.inf
        self.renew(grace)

    def hang_up(self) -> None:
        """Send SIGHUP."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGHUP)

    def await_end(self, deadline: float) -> None:
        """Wait until `deadline` (time.monotonic), then kill what is left of its whole group."""
        if self._process is None:
            return
        while not _ended(self._process) and time.monotonic() < deadline:
            time.sleep(0.02)
        if not _ended(self._process):
            _log.warning("%s did not stop in time and is killed", self.name)
        self._bury(self._process)

    def _is_over(self, process: Process) -> bool:
        """Whether it has ended, or is to be ended by force."""
        return _ended(process) or 0 < self._renewed_by <= self._now()

    def _start(self) -> None:
        self._process = self._make()
        self._started = self._now()

    def _bury(self, process: Process) -> int:
        # Before it is waited for: until then its group's number cannot belong to anybody else.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        self._process = None
        return process.wait()

    def _note_death(self, code: int) -> None:
        now = self._now()
        self._failures = 1 if now - self._started >= _SOUND else self._failures + 1
        delay = PROCESSES.delay(self._failures) or 0.0
        self._due = now + delay
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        _log.warning("%s %s; it is started again in %g s", self.name, how, delay)


def buried(process: Process) -> bool:
    """Whether it has ended; then nothing is left of it."""
    return _ended(process) and process.wait() is not None


def _ended(process: Process) -> bool:
    """Whether it has ended, without waiting for it yet."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
