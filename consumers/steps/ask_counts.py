"""Asks the archive that a study came from how many images it has: then one knows when all have come.

Only who sent a study is asked. An archive that somebody else feeds has what was never meant for the node (dose reports,
other series), and each study would wait for that in vain.

An archive that still receives the study itself says each time a larger number, which is no expectation yet: the same
answer is wanted twice, some seconds apart.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from audit.actions import Action
from audit.trail import Ledger
from config.peers import Source
from consumers.steps.archives import Archives
from dicom_node.scu import sources
from dicom_node.scu.archived import Counts
from domain.clock import Clock, SystemClock
from domain.errors import Retryable
from domain.ids import StudyId
from domain.pacing import ShareOfTime
from store import expectations, priors, studies
from store.database import is_for_data
from store.expectations import Said
from store.index import STUDIES_CHANNEL
from store.studies import OpenStudy

_log = logging.getLogger(__name__)

# s of silence before an archive is asked, and between two questions about a study.
_SILENT, _BETWEEN = 1.0, 2.0
_MOST_QUESTIONS = 20  # about a study that does not come to rest
_QUESTION = 10.0  # s that one may take: a study waits for no archive, and others wait behind the question
_AT_ONCE = 16  # questions of one turn
# s between two looks at all that is open, and of the time at most that they take.
_LOOK, _SHARE = 0.5, 0.05


@dataclass
class _Asked:
    """What was answered about a study that has looked like this since."""

    last_event: tuple[datetime, datetime | None]
    times: int = 0
    at: float = float("-inf")
    counts: Counts | None = None
    known: bool = False


@dataclass
class CountAsker:
    """Looks at every study that is not complete; `archives` are the sources that are asked for counts.

    What was answered is in the database; what is remembered here is asked again after a restart.
    """

    ledger: Ledger
    archives: Sequence[Source]
    our_aet: str
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        self._archives = Archives(self.archives, self.clock, "counts")
        self._asked: dict[StudyId, _Asked] = {}
        self._pace = ShareOfTime(self.clock, _SHARE, _LOOK)

    def step(self) -> float:
        """Ask about what has become silent; in how many seconds to look again.

        Raises Unavailable where the database does not answer; an archive that does not costs nobody anything.
        """
        if left := self._pace.left():
            return left
        with self._pace.taken(), self.ledger.database.transaction() as connection:
            found = studies.open_studies(connection)
            ids = [study.id for study in found]
            senders = studies.senders(connection, ids) if ids else {}
            fetched = priors.only_fetched(connection, ids) if ids else set()
        self._asked = {one.id: self._of(one) for one in found}
        asked = 0
        for study in found:
            source = _sent_by(senders.get(study.id, ()), self._archives.asked())
            if source and study.id not in fetched and self._is_due(study) and asked < _AT_ONCE:
                self._ask(study, source)
                asked += 1
        return self._pace.left()

    def _of(self, study: OpenStudy) -> _Asked:
        known = self._asked.get(study.id)
        return known if known and known.last_event == study.last_event else _Asked(study.last_event)

    def _is_due(self, study: OpenStudy) -> bool:
        asked = self._asked[study.id]
        silent = study.silent >= _SILENT and self.clock.monotonic() - asked.at >= _BETWEEN
        return silent and not asked.known and asked.times < _MOST_QUESTIONS

    def _ask(self, study: OpenStudy, source: Source) -> None:
        asked = self._asked[study.id]
        try:
            counts = sources.counts(source, self.our_aet, study.uid, _QUESTION)
        except Retryable as error:
            self._archives.leave(source, error)
            counts = None
        except Exception as error:  # what one study, or one archive, brings this to costs no other
            if not is_for_data(error):
                raise
            _log.error("an archive's counts cannot be read", exc_info=error, extra={"study": study.id})
            counts, asked.known = None, True
        same = counts is not None and counts == asked.counts
        asked.times, asked.at, asked.counts = asked.times + 1, self.clock.monotonic(), counts
        if same and counts is not None and counts.instances:
            asked.known = True
            self._note(study, source, counts)

    def _note(self, study: OpenStudy, source: Source, counts: Counts) -> None:
        who = f"{source.name} says"
        of_series = [Said(study.uid, who, uid, instances=number) for uid, number in counts.by_series.items()]
        with self.ledger.transaction() as transaction:
            said = [Said(study.uid, who, instances=counts.instances, series=counts.series), *of_series]
            expectations.note(transaction.connection, said)
            numbers = {"instances": counts.instances, "series": counts.series}
            transaction.record(Action.COUNTED, study.id, source=source.name, **numbers)
            transaction.wake(STUDIES_CHANNEL)


def _sent_by(senders: Sequence[tuple[str, str]], archives: Sequence[Source]) -> Source | None:
    """The archive that all of a study came from, by what it calls or from where; None where there is no such one."""
    for one in archives:
        if senders and all(one.calling == calling or one.endpoint[0] == address for calling, address in senders):
            return one
    return None
