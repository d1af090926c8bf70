"""Waiting that can be told to stop: for a delay, and for a server that does not answer."""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from config.retries import SERVERS
from domain.clock import Clock
from domain.errors import Retryable, Unavailable
from domain.stopping import Stopped, loop_until

T = TypeVar("T")

_log = logging.getLogger(__name__)
_SLICE = 0.5  # s; how soon a wait notices that it should stop


class RetryUntilAvailable:
    """Waits for servers for ever, ever longer between tries, and logs the change and not each try: that a server which
    was away is back and refuses us wants another person than the outage did.

    `waiting_for` says what is missing at this moment, empty when nothing is. What counts as missing is `missing`:
    Unavailable, or every Retryable for a caller who has nothing else to do. `failed` is told of each try that failed,
    `back` of the one that did not; `alive` is called when a call has come back, and again and again in a wait.
    """

    def __init__(
        self,
        clock: Clock,
        stop: threading.Event,
        missing: type[Retryable] = Unavailable,
        failed: Callable[[Retryable], None] = lambda error: None,
        back: Callable[[], None] = lambda: None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._stop = stop
        self._missing = missing
        self._failed = failed
        self._back = back
        self._alive = alive
        self.waiting_for = ""
        self._told: set[type[Retryable]] = set()

    def call(self, call: Callable[[], T]) -> T:
        """What `call` returns, tried again for as long as its server is missing; raises Stopped when told to stop."""
        failures = 0
        while True:
            try:
                answer = call()
            except self._missing as error:
                failures += 1
                self._note_missing(error)
                self.pause(SERVERS.delay(failures) or SERVERS.longest)
            else:
                self._note_back()
                self._alive()
                return answer

    def pause(self, seconds: float) -> None:
        """Wait for `seconds` s, whatever becomes of the wall clock; raises Stopped when told to stop."""
        end = self._clock.monotonic() + seconds
        for _ in loop_until(self._stop):
            self._alive()
            left = end - self._clock.monotonic()
            if left <= 0:
                return
            self._clock.sleep(min(left, _SLICE))
        raise Stopped("told to stop while waiting")

    def _note_missing(self, error: Retryable) -> None:
        if type(error) not in self._told:
            _log.warning("waiting for a server", extra={"reason": str(error)})
        self._told.add(type(error))
        self.waiting_for = str(error)
        self._failed(error)

    def _note_back(self) -> None:
        if self.waiting_for:
            _log.info("the server answers again")
            self._back()
        self.waiting_for = ""
        self._told.clear()
