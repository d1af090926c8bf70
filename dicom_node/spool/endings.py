"""Associations that stored nothing and ended badly: the first of a kind by itself, then by number.

Whoever may associate may also break off a thousand times a minute. Each end is recorded, for the index closes the
association by it; what is counted here only gets no entry of its own.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from dicom_node.spool.association_writer import Peer
from dicom_node.spool.records import Close
from dicom_node.tally import Tally, times
from domain.json_records import JsonObject

log = logging.getLogger(__name__)

Record = Callable[[Peer, JsonObject], None]
_MANY = Peer("", "", "")


@dataclass(frozen=True)
class Ending:
    """Whose association ended how, and why."""

    peer: Peer
    how: Close
    reason: str


class Endings:
    """Logs and has recorded how many ended so; usable from all threads. `record` keeps one entry."""

    def __init__(self, record: Record, now: Callable[[], float] = time.monotonic) -> None:
        self._record = record
        self._tally: Tally[Ending] = Tally(_of_many, now)

    def count(self, ending: Ending) -> bool:
        """One more; True where it is the first of its kind, which its own end tells."""
        return self._tally.count(ending)

    def tell(self, *, at_once: bool = False) -> None:
        """What was counted since, once a minute."""
        for ending, number in self._tally.due(at_once=at_once).items():
            peer = ending.peer
            extra = {"calling": peer.calling, "address": peer.address, "count": number}
            log.info("association %s: %s%s", ending.how, ending.reason, times(number), extra=extra)
            self._record(peer, {"how": ending.how.value, "reason": ending.reason, "count": number})


def _of_many(ending: Ending) -> Ending:
    return Ending(_MANY, ending.how, "further callers and reasons")
