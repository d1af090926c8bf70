"""Associations that became none, each recorded once and then by number: a flood of them fills neither log nor trail."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from dicom_node.spool.association_writer import Peer
from dicom_node.tally import Tally, times
from domain.json_records import JsonObject

log = logging.getLogger(__name__)

Record = Callable[[Peer, JsonObject], None]
_MANY = Peer("", "", "")


@dataclass(frozen=True)
class Refusal:
    """Whom we refused and why: result, source and code of an A-ASSOCIATE-RJ (PS3.8 table 9-21), None without one."""

    peer: Peer
    result: int | None
    source: int | None
    code: int | None
    reason: str


class Refusals:
    """Logs and has recorded what is refused; usable from all threads. `record` keeps one entry."""

    def __init__(self, record: Record, now: Callable[[], float] = time.monotonic) -> None:
        self._record = record
        self._tally: Tally[Refusal] = Tally(_of_many, now)

    def count(self, refusal: Refusal) -> None:
        """One more; the first of its kind is told at once."""
        if self._tally.count(refusal):
            self._tell(refusal, 1)

    def tell(self, *, at_once: bool = False) -> None:
        """What was counted since, once a minute."""
        for refusal, number in self._tally.due(at_once=at_once).items():
            self._tell(refusal, number)

    def _tell(self, refusal: Refusal, number: int) -> None:
        log.warning(
            "association from %s refused: %s%s",
            refusal.peer.address or "several addresses",
            refusal.reason,
            times(number),
            extra={"calling": refusal.peer.calling, "count": number},
        )
        codes: JsonObject = {"result": refusal.result, "source": refusal.source, "code": refusal.code}
        self._record(refusal.peer, {**codes, "reason": refusal.reason, "count": number})


def _of_many(refusal: Refusal) -> Refusal:
    """What further callers have in common where too many differ."""
    return Refusal(_MANY, refusal.result, refusal.source, refusal.code, "refused to further callers")
