"""What could not be recorded, counted: a full spool shall not fill the disk with its log."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable

from dicom_node.tally import Tally

log = logging.getLogger(__name__)


class Shortage:
    """Counts what the spool had no room for; usable from all threads."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._tally: Tally[tuple[str, str]] = Tally(lambda kind: ("the spool cannot be written", kind[1]), now)

    def count(self, what: str, reason: str, number: int = 1) -> None:
        """So many of `what` (in the plural) were not recorded, because of `reason`."""
        if self._tally.count((reason, what), number):
            log.warning("%s: not recorded: %s %s", reason, number, what)

    def tell(self, *, at_once: bool = False) -> None:
        """Write what there is to write where the last lines are old enough."""
        lines: defaultdict[str, list[str]] = defaultdict(list)
        for (reason, what), number in sorted(self._tally.due(at_once=at_once).items()):
            lines[reason].append(f"{number} {what}")
        for reason, counted in lines.items():
            log.warning("%s: not recorded: %s", reason, ", ".join(counted))
