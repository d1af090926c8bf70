"""Who waits for a start is told what it waits for: soon, then less and less often."""

import math
import time
from collections.abc import Callable

_SILENCE = 3.0  # s of silence that somebody before a screen bears
_SHORT = 60.0  # s for which a wait is watched; a longer one is read in a log, where a line in three seconds is a flood
_LONG_SILENCE = 15.0  # s


class Wait:
    """One wait, from now on. `goes_on` may be called as often as its loop turns; `at_once` the first call is said."""

    def __init__(
        self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic, *, at_once: bool = False
    ) -> None:
        self._say, self._clock = say, clock
        self._begun = clock()
        self._heard = -math.inf if at_once else self._begun

    def goes_on(self, for_what: Callable[[], str]) -> None:
        """Say so, where nothing was said for long enough."""
        now = self._clock()
        if now - self._heard >= (_SILENCE if now - self._begun < _SHORT else _LONG_SILENCE):
            self._heard = now
            self._say(for_what())
