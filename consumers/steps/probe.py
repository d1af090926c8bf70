"""Asks a destination now and then what it takes, and in between whether it is there, beside the deliveries."""

import logging
import threading
from collections.abc import Callable

from config.peers import Destination
from consumers.bus.outage import RetryUntilAvailable
from consumers.destinations import ProfiledDestination
from consumers.reachability import Reachability
from dicom_node.scu.kinds import echo, probe
from dicom_node.scu.probe import ProbeResult, asked
from dicom_node.scu.store import Echo, TakesNoEcho
from domain.clock import Clock, SystemClock
from domain.errors import Retryable
from domain.stopping import until_stopped
from store.database import Database

_log = logging.getLogger(__name__)
_LOOK = 1.0  # s between two looks at the clock

Probe = Callable[[Destination, str, float], ProbeResult]
EchoCall = Callable[[Destination, str, float], Echo]


class PeriodicProbe:
    """Asks `destination` at once, then `again` s after an answer and `retry` s after none.

    Each `every` s (0: never) a C-ECHO asks whether it is there; one that is back is asked at once what it takes.
    `timeout` (s) is for each of its answers. `alive` is called at each look at the clock.
    """

    def __init__(
        self,
        database: Database,
        destination: ProfiledDestination,
        our_aet: str,
        timeout: float,
        again: float,
        retry: float,
        clock: Clock | None = None,
        ask: Probe = probe,
        alive: Callable[[], None] = lambda: None,
        every: float = 0.0,
        reachability: Reachability | None = None,
        ask_echo: EchoCall = echo,
    ) -> None:
        self._database = database
        self._destination = destination
        self._our_aet = our_aet
        self._timeout = timeout
        self._again, self._retry = again, retry
        self._clock = clock or SystemClock()
        self._ask = ask
        self._alive = alive
        self._due: float | None = None
        self._every = every
        self._echo_due = 0.0
        self._reachability = reachability or Reachability(destination.name)
        self._ask_echo = ask_echo
        self._was_away = False

    def run(self, stop: threading.Event) -> None:
        """Ask until `stop` is set; outlives the database's absence."""
        available = RetryUntilAvailable(self._clock, stop, Retryable, alive=self._alive)

        def look() -> None:
            available.call(self.step)
            stop.wait(_LOOK)

        until_stopped(stop, look)

    def step(self) -> bool:
        """Ask, if it is time; whether it was. Raises Unavailable where the database does not answer."""
        if self._due is not None and self._clock.monotonic() < self._due and not self._is_back():
            return False
        seen = self._answer()
        self._note_reached(seen.error)
        with self._database.transaction() as connection:
            self._destination.note(connection, seen)
        self._due = self._clock.monotonic() + (self._retry if seen.error else self._again)
        said = {"error": seen.error} if seen.error else {"accepted": len(seen.accepted), "of": len(asked())}
        _log.info("asked what it takes", extra={"destination": self._destination.name, **said})
        return True

    def _is_back(self) -> bool:
        """Whether it is there by a C-ECHO, where one is due, and was not when it was last asked anything."""
        if not self._every or self._clock.monotonic() < self._echo_due:
            return False
        was_away = self._was_away
        try:
            self._ask_echo(self._destination.destination, self._our_aet, self._timeout)
        except TakesNoEcho:
            self._note_reached("")
        except Retryable as error:
            self._note_reached(str(error))
        else:
            self._note_reached("")
        return was_away and not self._was_away

    def _note_reached(self, error: str) -> None:
        self._was_away = bool(error)
        self._echo_due = self._clock.monotonic() + self._every
        if error:
            self._reachability.failed(error)
        else:
            self._reachability.answered()

    def _answer(self) -> ProbeResult:
        try:
            return self._ask(self._destination.destination, self._our_aet, self._timeout)
        except Exception as error:  # what one destination answers must cost no delivery to the others
            _log.error("what a destination answered was not understood", exc_info=error)
            return ProbeResult(error=f"{type(error).__name__} in the node's own work")
