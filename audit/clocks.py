"""Entries whose time lies before that of the entry before: a clock was set back. No proof of anything, worth a look."""

from datetime import datetime, timedelta

#: By which the clocks of a node's hosts may differ.
TOLERANCE = timedelta(seconds=1)
# Canonical text has its members in the order of their names, and none before `at` that may hold more than a text. In
# UTC with microseconds, as the node writes it, the order of texts is that of time.
_MEMBER, _LENGTH = '"at":"', 32


class Backwards:
    """Watches entries as they pass; `first` is the number of the first one that lies back, `count` how many do."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.count = 0
        self._latest = ""

    def see(self, number: int, entry: str) -> None:
        """The next entry."""
        begin = entry.find(_MEMBER) + len(_MEMBER)
        at = entry[begin : begin + _LENGTH]
        if at < self._latest and later(self._latest, at, TOLERANCE):
            self.first = self.first or number
            self.count += 1
        self._latest = at

    @property
    def latest(self) -> str:
        """The moment of the last entry, as it has it."""
        return self._latest

    def __str__(self) -> str:
        said = "its time lies before that of the entry before it: a clock was set back"
        return f"entry {self.first}: {said} ({self.count} times in all)"


def later(one: str, other: str, by: timedelta) -> bool:
    """Whether `one` lies so far behind `other`; what is no moment is later than nothing."""
    try:
        return datetime.fromisoformat(one) - datetime.fromisoformat(other) > by
    except (ValueError, TypeError, OverflowError):
        return False
