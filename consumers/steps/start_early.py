"""Starts models on series that are whole while others of their study arrive (docs/decisions/0037).

No event tells of it: an early start is owed to nobody, so that none may stand in anybody's line, be a dead letter or be
handled after all. What is started is a job that `steps/early` says more of.
"""

import logging
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from audit.actions import Action
from audit.trail import Ledger, Transaction
from config import metrics
from consumers.steps.route import Router, rules_for, wanted_by
from domain.clock import Clock, SystemClock
from domain.early import LEFT_BEHIND, early_series, is_whole
from domain.errors import Retryable
from domain.events import Event, InferenceRequested
from domain.ids import StudyId
from domain.instances import series_facts
from domain.pacing import ShareOfTime
from domain.routing import SeriesFacts
from models.registry import Package
from store import arrivals, early, expectations, routing, studies
from store.arrivals import ArrivedSeries
from store.database import is_for_data
from store.jobs import JOBS_CHANNEL
from store.routing import WantedJob
from store.studies import OpenStudy

_log = logging.getLogger(__name__)

#: How many early jobs may wait or run: a worker is never without one, and no backlog grows of what is a guess.
MOST = 8
# A study that was complete so often is amended by a slow sender: models wait for all of it (config.retries.AMENDMENTS).
_REVISIONS = 2
# s between two looks at what arrives, and of the time at most that they take.
_LOOK = 0.5
_SHARE = 0.05


@dataclass
class _Seen:
    """How many instances of a series were there at the last look, and since when it is so many."""

    instances: int
    since: float
    offered: bool = False  # to the models, so many


class EarlyStarter:
    """Looks at what arrives and starts models on series that were left behind whole.

    Since when nothing of a series came is measured here, by a clock that never steps, and anew after a restart.
    """

    def __init__(self, ledger: Ledger, router: Router, clock: Clock | None = None, most: int = MOST) -> None:
        self._ledger = ledger
        self._router = router
        self._clock = clock or SystemClock()
        self._most = most
        self._seen: dict[StudyId, dict[uuid.UUID, _Seen]] = {}
        self._pace = ShareOfTime(self._clock, _SHARE, _LOOK)

    def step(self) -> float | None:
        """Start what may be; in how many seconds to look again, None: when something happens. Raises Unavailable."""
        if not self._pace.left():
            with self._pace.taken():
                self._look(self._clock.monotonic())
        return self._pace.left() if self._seen else None

    def _look(self, now: float) -> None:
        with self._ledger.database.transaction() as connection:
            arriving = early.arriving(connection, _REVISIONS)
        self._note(arriving, now)
        for study, series in self._seen.items():
            if any(not series[one].offered for one in _left_behind(series, now)):
                self._offer(study, now)

    def _note(self, arriving: Mapping[StudyId, Mapping[uuid.UUID, int]], now: float) -> None:
        before, self._seen = self._seen, {}
        for study, counts in arriving.items():
            known = before.get(study, {})
            self._seen[study] = {
                one: known[one] if one in known and known[one].instances == count else _Seen(count, now)
                for one, count in counts.items()
            }

    def _offer(self, study: StudyId, now: float) -> None:
        """Ask the models about what was left behind and is on its way by no association.

        A study that brings this to a defect waits for its completion, and the others go on.
        """
        seen = self._seen[study]
        with self._ledger.database.transaction() as connection:
            came = {one.id: one for one in arrivals.series_of(connection, [study]).get(study, ()) if one.id}
        left = [one for one in _left_behind(seen, now) if one in came and not came[one].on_its_way]
        if all(seen[one].offered for one in left):
            return
        for one in left:
            seen[one].offered = True
        try:
            self._start(study, {str(one): came[one] for one in left})
        except Retryable:
            raise
        except Exception as error:
            if not is_for_data(error):
                raise
            _log.error("no model can be started early on a study", exc_info=error, extra={"study": study})

    def _start(self, study_id: StudyId, left: Mapping[str, ArrivedSeries]) -> None:
        with self._ledger.transaction() as transaction:
            connection = transaction.connection
            room = self._most - early.under_way(connection)
            study = next(iter(studies.lock_open_studies(connection, [study_id])), None)
            if room <= 0 or study is None or study.patient.two or study.revision >= _REVISIONS:
                return
            series = series_facts(routing.instance_facts(connection, study.id, study.revision + 1))
            expected = expectations.of_studies(connection, [study.uid]).get(study.uid, {})
            whole = {
                one.series_id
                for one in series
                if one.series_id in left and is_whole(one, left[one.series_id].came, expected.get(one.series_uid, ()))
            }
            if whole:
                self._ask(transaction, study, series, whole, left, room)

    def _ask(
        self,
        transaction: Transaction,
        study: OpenStudy,
        series: Sequence[SeriesFacts],
        whole: Collection[str],
        left: Collection[str],
        room: int,
    ) -> None:
        coming = {one.series_id for one in series} - set(left)
        rules = self._router.rules()
        for package, barred in self._router.packages(transaction, rules):
            own = rules_for(package.manifest, rules) if rules is not None else None
            ways = [wanted_by(package.manifest)] if own is None else [wanted_by(package.manifest, r.when) for r in own]
            # A model that compares waits for an earlier study, which is asked for once this one is complete.
            unasked = barred or not room or package.manifest.priors
            chosen = "" if unasked else early_series(ways, series, coming, whole)
            if chosen and self._request(transaction, study, package, next(s for s in series if s.series_id == chosen)):
                room -= 1

    def _request(self, transaction: Transaction, study: OpenStudy, package: Package, series: SeriesFacts) -> bool:
        name, version = package.release
        (one,) = package.manifest.inputs
        series_id, revision = uuid.UUID(series.series_id), study.revision + 1
        inputs = {one.name: series.series_id}
        wanted = WantedJob(study.id, series_id, inputs, revision, name, version, package.digest)
        called = "a series" if series.number is None else f"series {series.number}"
        why = f"{called} was whole while others were arriving"
        job = routing.start_early(transaction.connection, wanted, why)
        if job is None:
            return False
        metrics.early_jobs.labels("asked for").inc()
        data = InferenceRequested(job, name, version, revision, series_id)
        transaction.emit(Event(data, study.id, self._clock.now()))
        said = {"job": str(job), "model": name, "version": version, "revision": revision, "reason": why}
        transaction.record(Action.STARTED_EARLY, study.id, **said)
        transaction.wake(JOBS_CHANNEL)
        return True


def _left_behind(series: Mapping[uuid.UUID, _Seen], now: float) -> list[uuid.UUID]:
    """Those of which nothing came for a while, and something of another since."""
    newest = max(one.since for one in series.values())
    return [each for each, one in series.items() if one.since < newest and now - one.since >= LEFT_BEHIND]
