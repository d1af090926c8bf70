"""Waiting that can be told to stop: for a delay, and for a server that does not answer."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from domain.clock import Clock
from domain.errors import NodeError, Unavailable
from domain.retry import RetryPolicy

T = TypeVar("T")

_log = logging.getLogger(__name__)
# Without an end: a server that is away for days costs no work.
_OUTAGE = RetryPolicy(first=0.2, factor=2, longest=10)
_SLICE = 0.5  # s; how soon a wait notices that it should stop


class Stopped(NodeError):
    """The process was told to stop; what was not committed is delivered again."""


class RetryUntilAvailable:
    """Waits for servers for ever, ever longer between tries, and logs the change and not each try.

    `waiting_for` says what is missing at this moment, empty when nothing is.
    """

    def __init__(self, clock: Clock, stop: threading.Event) -> None:
        self._clock = clock
        self._stop = stop
        self.waiting_for = ""

    def call(self, call: Callable[[], T]) -> T:
        """What `call` returns, tried again for as long as it raises Unavailable; raises Stopped when told to stop."""
        failures = 0
        while True:
            try:
                answer = call()
            except Unavailable as error:
                failures += 1
                self._missing(error)
                self.pause(_OUTAGE.delay(failures) or _OUTAGE.longest)
            else:
                self._back()
                return answer

    def pause(self, seconds: float) -> None:
        """Wait for `seconds` s; raises Stopped when told to stop."""
        end = self._clock.now() + timedelta(seconds=seconds)
        while not self._stop.is_set():
            left = (end - self._clock.now()).total_seconds()
            if left <= 0:
                return
            self._clock.sleep(min(left, _SLICE))
        raise Stopped("told to stop while waiting")

    def _missing(self, error: Unavailable) -> None:
        if not self.waiting_for:
            _log.warning("waiting for a server", extra={"reason": str(error)})
        self.waiting_for = str(error)

    def _back(self) -> None:
        if self.waiting_for:
            _log.info("the server answers again")
        self.waiting_for = ""
