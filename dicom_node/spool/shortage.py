"""What could not be recorded, counted, and said once a minute: a full spool shall not fill the disk with its log."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

log = logging.getLogger(__name__)

_EVERY = 60.0  # s between lines


class Shortage:
    """Counts what the spool had no room for; usable from all threads."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._reason = ""
        self._last: float | None = None

    def count(self, what: str, reason: str) -> None:
        """`what` (in the plural) was not recorded, because of `reason`."""
        with self._lock:
            self._counts[what] += 1
            self._reason = reason
        self.tell()

    def tell(self) -> None:
        """Write the line where there is one to write and the last is old enough."""
        with self._lock:
            now = self._now()
            if not self._counts or (self._last is not None and now - self._last < _EVERY):
                return
            self._last = now
            counted = ", ".join(f"{number} {what}" for what, number in sorted(self._counts.items()))
            self._counts.clear()
        log.warning("%s: not recorded: %s", self._reason, counted)
