"""How long a demonstration waits: as long as something changes. It says what it waits for, and ends with that."""

import time
from collections.abc import Callable

from domain.errors import Unavailable

START = 300.0  # s that the start of a server may take without any progress
_SAY_EVERY = 15.0  # s without news after which somebody who watches is told what is waited for


class StallWatch:
    """Looks at what is waited for, in words; a change of the words is progress.

    `limit` (s) is how long nothing may change.
    """

    def __init__(self, limit: float, say: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._say = say
        self._now = now
        self._what = ""
        self._since = self._said = now()

    def look(self, what: str) -> None:
        """Note that `what` is still waited for; raises Unavailable with it once that has been too long."""
        now = self._now()
        if what != self._what:
            self._what, self._since, self._said = what, now, now
        if now - self._since >= self._limit:
            raise Unavailable(f"nothing has changed for {self._limit:g} s: {what}")
        if now - self._said >= _SAY_EVERY:
            self._said = now
            self._say(f"still waiting after {now - self._since:.0f} s: {what}")
