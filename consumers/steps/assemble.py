"""Declares studies complete. The decision is `domain.completeness.decide`; here are facts, lock and announcement."""

from datetime import datetime

from audit.trail import Action, Ledger, Transaction
from domain.clock import Clock, SystemClock
from domain.completeness import SettlePolicy, decide
from domain.events import Event, EventType
from domain.states import STUDY, StudyEvent, StudyState, advance
from store.studies import OpenStudy, lock_open_study, open_studies, set_state, size


class Assembler:
    """Looks at every open study and completes those that are due. All state is in the database."""

    def __init__(self, ledger: Ledger, policy: SettlePolicy, clock: Clock | None = None) -> None:
        self._ledger = ledger
        self._policy = policy
        self._clock = clock or SystemClock()

    def step(self) -> datetime | None:
        """Complete what is due; when the next one may be (None: when something happens). Raises Unavailable."""
        with self._ledger.database.transaction() as connection:
            waiting = open_studies(connection)
        verdicts = [(study, decide(study.facts, self._policy, self._clock.now())) for study in waiting]
        for study, verdict in verdicts:
            if verdict.complete:
                self._complete(study)
        return min((verdict.ask_again for _, verdict in verdicts if verdict.ask_again), default=None)

    def _complete(self, seen: OpenStudy) -> None:
        with self._ledger.transaction() as transaction:
            study = lock_open_study(transaction.connection, seen.id)
            if study is None:
                return
            verdict = decide(study.facts, self._policy, self._clock.now())
            if verdict.complete:
                self._announce(transaction, study, verdict.reason)

    def _announce(self, transaction: Transaction, study: OpenStudy, reason: str) -> None:
        now, revision = self._clock.now(), study.revision + 1
        state = advance(STUDY, study.state, StudyEvent.SETTLED)
        set_state(transaction.connection, study.id, state, reason, now, revision)
        series, instances = size(transaction.connection, study.id)
        amended = study.state is StudyState.AMENDED
        data = {"revision": revision, "series": series, "instances": instances}
        kind = EventType.STUDY_AMENDED if amended else EventType.STUDY_COMPLETED
        transaction.emit(Event(kind, study.id, now, data))
        transaction.record(Action.STUDY_COMPLETED, study.id, study_uid=study.uid, reason=reason, **data)
