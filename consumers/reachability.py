"""Whether a destination answers, as those who send to it and ask it find: a figure, and a line when that changes.

While it is away there is a line now and then with the number of tries, and one when it is back. So an administrator who
reads warnings alone knows since when, until when and why, and a week of outage fills no log.
"""

import logging
import threading
import time
from collections.abc import Callable

from config import metrics
from dicom_node.scu.store import Outcome

_log = logging.getLogger(__name__)
_EVERY = 900.0  # s between two lines on a destination that stays away


class Reachability:
    """Of the destination `name`; usable from all threads."""

    def __init__(self, name: str, now: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._now = now
        self._lock = threading.Lock()
        self._since: float | None = None  # when it was first found away
        self._told = 0.0
        self._tries = 0

    @property
    def is_away(self) -> bool:
        """Whether the last that was asked of it found it away."""
        return self._since is not None

    def note(self, outcome: Outcome) -> None:
        """What an object's outcome says: a peer that broke off in the middle is neither there nor away."""
        if outcome.unreached:
            self.failed(outcome.reason)
        elif outcome.status is not None or outcome.unaccepted:
            self.answered()

    def answered(self) -> None:
        """It gave an answer, whatever that was."""
        with self._lock:
            metrics.destination_reachable.labels(self._name).set(1)
            if self._since is not None:
                _log.warning("destination %s takes associations again", self._name, extra=self._outage())
            self._since = None

    def failed(self, reason: str) -> None:
        """No association could be had, because of `reason`: the network's words or the sender's own."""
        with self._lock:
            metrics.destination_reachable.labels(self._name).set(0)
            now = self._now()
            if self._since is None:
                self._since, self._told, self._tries = now, now, 0
                _log.warning("destination %s takes no association", self._name, extra={"reason": reason})
            self._tries += 1
            if now - self._told >= _EVERY:
                self._told = now
                _log.warning(
                    "destination %s still takes no association", self._name, extra={**self._outage(), "reason": reason}
                )

    def _outage(self) -> dict[str, object]:
        return {"away_s": round(self._now() - (self._since or 0.0)), "tries": self._tries}
