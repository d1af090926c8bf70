"""Retry as a pure decision: an attempt and its age in, a delay or "no more" out. The loop waits."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with a ceiling and an end.

    `first` is the delay after the first failure (s); each next one is `factor` times longer, up to
    `longest` (s). Nothing is tried once `attempts` were made or `total` has passed since the first one.
    """

    first: float
    factor: float
    longest: float
    attempts: int | None = None
    total: timedelta | None = None

    def delay(self, failures: int, age: timedelta = timedelta()) -> float | None:
        """Seconds to wait after `failures` failed attempts, `age` after the first; None when it is over."""
        if self.attempts is not None and failures >= self.attempts:
            return None
        if self.total is not None and age >= self.total:
            return None
        # 64 doublings pass any ceiling that is meant, and keep the power finite.
        return min(self.longest, self.first * self.factor ** min(failures - 1, 64))
