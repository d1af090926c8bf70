"""How often what grows with all that is open may be done."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from domain.clock import Clock


class ShareOfTime:
    """When work may begin again that may take `share` of the time at the most, and rests for `least` s in any case."""

    def __init__(self, clock: Clock, share: float, least: float = 0.0) -> None:
        self._clock = clock
        self._rest = 1 / share - 1
        self._least = least
        self._due = -math.inf

    def left(self) -> float:
        """Seconds until it may begin; 0 where it may now."""
        return max(0.0, self._due - self._clock.monotonic())

    @contextmanager
    def taken(self) -> Iterator[None]:
        """The work; what raises may begin again at once."""
        begun = self._clock.monotonic()
        yield
        now = self._clock.monotonic()
        self._due = now + max(self._least, (now - begun) * self._rest)
