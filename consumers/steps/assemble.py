"""Declares studies complete. The decision is `domain.completeness.decide`; here are facts, lock and announcement."""

import logging
from dataclasses import dataclass
from datetime import datetime

from audit.trail import Action, Ledger, Transaction
from consumers.steps import stuck
from domain.clock import Clock, SystemClock
from domain.completeness import SettlePolicy, StudyFacts, Verdict, decide
from domain.errors import Retryable
from domain.events import Event, StudyAmended, StudyCompleted
from domain.identity import disagreeing
from domain.ids import StudyId
from store import conflicts, studies
from store.database import is_for_data
from store.studies import OpenStudy, Patient

_NOTHING = "nothing that came of it can be read: dicom-node quarantine list"
_CORRECTION = "it is a correction of another study, whose images bear its SOP Instance UIDs: dicom-node conflicts list"
_TAKEN_AWAY = "its images were corrected and are another study's now"

_log = logging.getLogger(__name__)


class Assembler:
    """Looks at every open study and completes those that are due.

    All state but one is in the database: since when nothing has happened to a study is measured here, by a clock that
    never steps. After a restart it is measured anew, and a study waits for its settle time once more.
    """

    def __init__(self, ledger: Ledger, policy: SettlePolicy, clock: Clock | None = None) -> None:
        self._ledger = ledger
        self._policy = policy
        self._clock = clock or SystemClock()
        self._seen: dict[StudyId, _Seen] = {}

    def step(self) -> float | None:
        """Complete what is due; in how many seconds to look again, None: when something happens. Raises Unavailable."""
        with self._ledger.database.transaction() as connection:
            waiting = studies.open_studies(connection)
        self._seen = {study.id: self._look(study) for study in waiting}
        verdicts = [(study, self._verdict(study)) for study in waiting]
        for study, verdict in verdicts:
            if verdict.complete:
                self._complete_or_stop(study)
        return min((verdict.again_in for _, verdict in verdicts if not verdict.complete), default=None)

    def _look(self, study: OpenStudy) -> "_Seen":
        seen = self._seen.get(study.id)
        unchanged = seen is not None and seen.last_event == study.last_event
        return seen if seen and unchanged else _Seen(study.last_event, self._clock.monotonic())

    def _verdict(self, study: OpenStudy) -> Verdict:
        silence = self._clock.monotonic() - self._look(study).since
        return decide(StudyFacts(silence, study.held, study.modalities, study.synced), self._policy)

    def _complete_or_stop(self, study: OpenStudy) -> None:
        """Complete it; a study that brings this to a defect is stuck, and the next one goes on."""
        try:
            self._complete(study)
        except Retryable:
            raise
        except Exception as error:
            if not is_for_data(error):
                raise
            _log.error("a study cannot be completed", exc_info=error)
            reason = f"it cannot be completed: {type(error).__name__} in the node's own work"
            with self._ledger.transaction() as transaction:
                stuck.stop(transaction, study.id, stuck.Cause.INTAKE, reason, self._clock.now())

    def _complete(self, seen: OpenStudy) -> None:
        with self._ledger.transaction() as transaction:
            study = studies.lock_open_study(transaction.connection, seen.id)
            if study is None:
                return
            verdict, now = self._verdict(study), self._clock.now()
            if not verdict.complete:
                return
            if study.patient.two:
                stuck.stop_incomplete(transaction, study, stuck.Cause.PATIENT, two_patients(study.patient), now)
            elif conflicts.wait_for(transaction.connection, study.id):
                stuck.stop_incomplete(transaction, study, stuck.Cause.CORRECTION, _CORRECTION, now)
            elif not studies.size(transaction.connection, study.id)[1]:
                _end_without_images(transaction, study, now)
            else:
                _declare(transaction, study, verdict.reason, now)


def two_patients(patient: Patient) -> str:
    """Why a study stops whose images name two patients, and what to do; it names neither."""
    differ = disagreeing(patient.named, patient.same)
    return f"its images name two patients (they differ in {', '.join(differ)}): dicom-node patients list"


def _end_without_images(transaction: Transaction, study: OpenStudy, now: datetime) -> None:
    """What had images before a correction is complete without them; a study that never had any cannot go on."""
    if conflicts.were_taken_away(transaction.connection, study.id):
        # Nobody is told that models are to be chosen: what was begun on these images was withdrawn with them.
        revision = studies.complete(transaction.connection, study, _TAKEN_AWAY, now)
        transaction.record(Action.STUDY_AMENDED, study.id, study_uid=study.uid, reason=_TAKEN_AWAY, revision=revision)
    else:
        stuck.stop_incomplete(transaction, study, stuck.Cause.INTAKE, _NOTHING, now)


def _declare(transaction: Transaction, study: OpenStudy, reason: str, now: datetime) -> None:
    revision = studies.complete(transaction.connection, study, reason, now)
    data = announce(transaction, study.id, revision, now)
    action = Action.STUDY_COMPLETED if revision == 1 else Action.STUDY_AMENDED
    transaction.record(action, study.id, study_uid=study.uid, reason=reason, **data.encode())


@dataclass(frozen=True)
class _Seen:
    """What a study looked like at moment `since` of the clock that never steps, and has looked like ever since."""

    last_event: tuple[datetime, datetime | None]
    since: float


def announce(transaction: Transaction, study: StudyId, revision: int, now: datetime) -> StudyCompleted:
    """Say that this revision of the study is complete, so that models are chosen for it."""
    series, instances = studies.size(transaction.connection, study)
    kind = StudyCompleted if revision == 1 else StudyAmended
    data = kind(revision, series, instances)
    transaction.emit(Event(data, study, now))
    return data
