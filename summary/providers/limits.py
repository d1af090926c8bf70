"""What keeps a provider from being asked too often: buckets, a day's budget, a breaker, and keys that rest.

All are plain values over a clock that is passed in (seconds that never step); none of them waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

_MINUTE, _DAY = 60.0, 86400.0


@dataclass
class Bucket:
    """So many a minute, evenly filled up: a token bucket whose size is a minute's worth. None: no limit."""

    a_minute: int | None
    at: float
    left: float = field(init=False)

    def __post_init__(self) -> None:
        self.left = float(self.a_minute or 0)

    def wait(self, wanted: int, now: float) -> float:
        """Seconds until `wanted` may be taken; what is more than a minute's worth waits for a full bucket."""
        if self.a_minute is None:
            return 0.0
        self._fill(now)
        return max(0.0, (min(wanted, self.a_minute) - self.left) * _MINUTE / self.a_minute)

    def take(self, taken: int, now: float) -> None:
        """Count what was used; more than there was is owed."""
        if self.a_minute is not None:
            self._fill(now)
            self.left -= taken

    def _fill(self, now: float) -> None:
        assert self.a_minute is not None
        self.left = min(float(self.a_minute), self.left + (now - self.at) * self.a_minute / _MINUTE)
        self.at = now


@dataclass
class Budget:
    """So many tokens in a day from the first one on. None: no limit."""

    a_day: int | None
    began: float
    spent: int = 0

    def allows(self, wanted: int, now: float) -> bool:
        """Whether `wanted` more may be used."""
        if now - self.began >= _DAY:
            self.began, self.spent = now, 0
        return self.a_day is None or self.spent + wanted <= self.a_day

    def take(self, taken: int) -> None:
        """Count what was used."""
        self.spent += taken


class BreakerState(StrEnum):
    """Whether a provider is asked."""

    CLOSED = "closed"  # it is
    OPEN = "open"  # it is not, for a while
    HALF_OPEN = "half-open"  # one call tries it


@dataclass
class Breaker:
    """Opens after `most` failures in a row for `rest` s; then one call decides. Each time in vain it rests longer."""

    most: int = 3
    rest: float = 30.0
    longest: float = 900.0
    failures: int = 0
    opened: float | None = None
    times: int = 0

    def state(self, now: float) -> BreakerState:
        """What it is now."""
        if self.opened is None:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if now >= self.opened + self.pause else BreakerState.OPEN

    @property
    def pause(self) -> float:
        """Seconds that it rests now."""
        return min(self.longest, self.rest * 2.0 ** min(max(0, self.times - 1), 16))

    def succeeded(self) -> None:
        """A call was answered, if with a refusal."""
        self.failures, self.opened, self.times = 0, None, 0

    def failed(self, now: float) -> None:
        """A call was not."""
        self.failures += 1
        if self.opened is not None or self.failures >= self.most:
            self.opened, self.times = now, self.times + 1


@dataclass
class Keys:
    """Several keys of one account or of several, taken in turn. A provider without keys has one that is empty."""

    keys: Sequence[str]
    turn: int = 0
    resting: dict[str, float] = field(default_factory=dict)

    def next(self, now: float) -> str | None:
        """The key whose turn it is, of those that do not rest; None where all do."""
        keys = self.keys or ("",)
        for step in range(len(keys)):
            key = keys[(self.turn + step) % len(keys)]
            if self.resting.get(key, 0.0) <= now:
                self.turn = (self.turn + step + 1) % len(keys)
                return key
        return None

    def rest(self, key: str, until: float) -> None:
        """Leave it alone until then."""
        self.resting[key] = until
