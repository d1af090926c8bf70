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
        if at < self._latest and _later(self._latest, at):
            self.first = self.first or number
            self.count += 1
        self._latest = at

    def __str__(self) -> str:
        said = "its time lies before that of the entry before it: a clock was set back"
        return f"entry {self.first}: {said} ({self.count} times in all)"


def _later(one: str, other: str) -> bool:
    """Whether `one` is later than clocks differ; what is no moment is later than nothing."""
    try:
        return datetime.fromisoformat(one) - datetime.fromisoformat(other) > TOLERANCE
    except (ValueError, TypeError, OverflowError):
        return False
