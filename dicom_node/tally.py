"""What comes in floods, counted: the first of a kind is told at once, the rest once a minute with their number.

A peer or a disk that fails a thousand times a second shall fill neither a log nor the trail, and nothing is left out:
the numbers told add up to what happened.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")

EVERY = 60.0  # s between tellings
# Kinds that are told apart at a time; peers choose words, so there may be any number.
_MOST = 50


class Tally(Generic[K]):
    """Counts kinds; usable from all threads. A kind beyond `most` counts as the one that `beyond` makes of it."""

    def __init__(self, beyond: Callable[[K], K], now: Callable[[], float] = time.monotonic, most: int = _MOST) -> None:
        self._beyond, self._now, self._most = beyond, now, most
        self._lock = threading.Lock()
        self._told_at = now()
        # What was counted and is not yet told, of each kind that this or the last minute has seen.
        self._counts: dict[K, int] = {}

    def count(self, kind: K, number: int = 1) -> bool:
        """`number` more of `kind`; True where they are the first and are to be told now, by the one who counts them."""
        with self._lock:
            if kind not in self._counts and len(self._counts) >= self._most:
                kind = self._beyond(kind)
            elif kind not in self._counts:
                self._counts[kind] = 0
                return True
            self._counts[kind] = self._counts.get(kind, 0) + number
            return False

    def due(self, *, at_once: bool = False) -> Mapping[K, int]:
        """What is to be told now, and how many of each; nothing before a minute is over, unless `at_once`."""
        with self._lock:
            now = self._now()
            if not at_once and now - self._told_at < EVERY:
                return {}
            self._told_at = now
            told = {kind: number for kind, number in self._counts.items() if number}
            self._counts = dict.fromkeys(told, 0)
            return told


class CountedLog:
    """Warnings that may come in floods. A text names no more than an address: each is a kind of its own."""

    def __init__(self, log: logging.Logger, now: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._tally: Tally[str] = Tally(lambda _: "further warnings of this kind", now)

    def warn(self, text: str) -> None:
        """Write `text`, or count it."""
        if self._tally.count(text):
            self._log.warning("%s", text)

    def tell(self) -> None:
        """What was counted since, once a minute."""
        for text, number in self._tally.due().items():
            self._log.warning("%s%s", text, times(number))


def times(number: int) -> str:
    """What follows a line that stands for `number` of them."""
    return f" ({number} times since the last line)" if number > 1 else ""
