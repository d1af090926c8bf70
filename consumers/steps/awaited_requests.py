"""Studies that would be complete, and wait for what was requested of them, since models are chosen by that."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from domain.clock import Clock
from domain.completeness import Verdict
from domain.ids import StudyId
from store import procedures
from store.database import Connection
from store.studies import OpenStudy

_READ_AGAIN = 5.0  # s


class AwaitedRequests:
    """Lets studies that would be complete wait for what was requested of them, where models are chosen by that.

    `sources` are the names of the worklists; `wanted` says whether any rule or package asks. None waits longer than
    `seconds` from the first look at which it would have been complete.
    """

    def __init__(self, sources: Collection[str], seconds: float, wanted: Callable[[], bool], clock: Clock) -> None:
        self._sources = sorted(set(sources))
        self._seconds = seconds
        self._wanted = wanted
        self._clock = clock
        self._since: dict[StudyId, float] = {}
        self._known = False
        self._read_again = -math.inf

    def __call__(
        self, connection: Connection, found: Sequence[OpenStudy], said: Mapping[StudyId, Verdict]
    ) -> Mapping[StudyId, Verdict]:
        """What is to be said of these studies with that in mind."""
        whole = {one.uid: one.id for one in found if said[one.id].complete and not one.revision}
        if not (self._sources and whole):
            return said
        waiting = {whole[uid] for uid in procedures.unanswered(connection, whole, self._sources)}
        if not (waiting and self._is_wanted()):
            return said
        now = self._clock.monotonic()
        for study in waiting:
            self._since.setdefault(study, now)
        left = {one: self._since[one] + self._seconds - now for one in waiting}
        held = {one: Verdict(False, "waiting for what was requested (worklist)", s) for one, s in left.items() if s > 0}
        return {**said, **held}

    def _is_wanted(self) -> bool:
        """Read anew now and then: it is asked at every look, and rules and packages change seldom."""
        now = self._clock.monotonic()
        if now >= self._read_again:
            self._known, self._read_again = self._wanted(), now + _READ_AGAIN
        return self._known

    def keep(self, found: Sequence[OpenStudy]) -> None:
        """Forget all other studies."""
        ids = {one.id for one in found}
        self._since = {study: since for study, since in self._since.items() if study in ids}
