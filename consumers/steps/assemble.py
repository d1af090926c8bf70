"""Declares studies complete. The decision is `domain.completeness.decide`; here are facts, lock and announcement."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice

from audit.actions import Action
from audit.trail import Ledger, Transaction
from consumers.steps import stuck
from consumers.steps.arrivals import Arrivals
from consumers.steps.awaited_requests import AwaitedRequests
from consumers.steps.shelve import shelve
from domain.clock import Clock, SystemClock
from domain.completeness import SettlePolicy, Verdict
from domain.errors import Retryable
from domain.events import Event, StudyAmended, StudyCompleted
from domain.habits import habits
from domain.identity import ConflictKind, disagreeing
from domain.ids import StudyId
from domain.pacing import ShareOfTime
from domain.turns import Turns
from store import callers, conflicts, outbox, priors, studies
from store.database import Connection, is_for_data
from store.studies import OpenStudy

_NOTHING = "nothing that came of it can be read: dicom-node quarantine list"
_CORRECTION = "it is a correction of another study, whose images bear its SOP Instance UIDs: dicom-node conflicts list"
_SET_ASIDE = "images of it wait that correct such as were set aside: dicom-node conflicts list, then conflicts adopt"
_TAKEN_AWAY = "its images were corrected and are another study's now"

_log = logging.getLogger(__name__)


#: The group of consumers that chooses models for what is complete.
ROUTING = "routing"
#: How many studies may be complete before models are chosen for them: enough that whoever chooses never waits, and few,
#: for nobody can be let past them.
AHEAD = 8
# Studies of one transaction: its statements are shared, its locks are held briefly.
_TOGETHER = 16
# Of the time at most that looking at every open study takes, where many wait for their turn.
_SHARE = 0.2
# s after which a study is one that waits, and not one of which more is just coming in.
_QUIET = 0.5
# s until another look at whether models were chosen for those that are ahead.
_SOON = 0.05


class Assembler:
    """Looks at every open study and completes those that are due; senders take turns (domain.turns).

    `ahead` is how many studies may be complete whose models are not chosen yet, None: any number. Those are in a line
    that nobody can overtake; the others wait here.

    All state is in the database, so that a restart changes nothing; since when nothing has happened to a study is
    measured by `Arrivals`. `awaits` has the last word where a study waits for what was requested of it.
    """

    def __init__(
        self,
        ledger: Ledger,
        policy: SettlePolicy,
        clock: Clock | None = None,
        ahead: int | None = None,
        awaits: AwaitedRequests | None = None,
    ) -> None:
        self._ledger = ledger
        self._policy = policy
        self._clock = clock or SystemClock()
        self._ahead = ahead
        self._arrivals = Arrivals(policy, self._clock)
        self._awaits = awaits or AwaitedRequests((), 0.0, lambda: False, self._clock)
        self._line = _Line()
        self._announced: set[uuid.UUID] = set()
        self._again_at: float | None = None  # when a study may be due of those that are not
        self._pace = ShareOfTime(self._clock, _SHARE)

    def step(self) -> float | None:
        """Complete what is due; in how many seconds to look again, None: when something happens. Raises Unavailable."""
        if not self._pace.left():
            with self._pace.taken():
                self._look_at_all()
        while due := self._line.first(min(self._room(), _TOGETHER)):
            self._settle(due)
            self._line.remove(due)
            # However fast models are chosen: who has come meanwhile is to be seen before the line has ended.
            if self._ahead is not None and not self._pace.left():
                break
        self._line.note_who_waits(self._ledger)
        return self._again_in()

    def _look_at_all(self) -> None:
        begun = self._clock.monotonic()
        with self._ledger.database.transaction() as connection:
            found = studies.open_studies(connection)
            said = self._awaits(connection, found, self._arrivals.look(connection, found))
            self._awaits.keep(found)
            _let_say(connection, found, said)
        verdicts = [(study, said[study.id]) for study in found]
        self._line.enter([study for study, verdict in verdicts if verdict.complete])
        self._line.leave([study for study, verdict in verdicts if not verdict.complete])
        again_in = min((verdict.again_in for _, verdict in verdicts if not verdict.complete), default=None)
        self._again_at = None if again_in is None else begun + again_in

    def _again_in(self) -> float | None:
        if self._line:
            return _SOON
        if self._again_at is None:
            # Of what happened meanwhile nobody may tell a second time.
            return self._pace.left() or None
        return max(self._again_at - self._clock.monotonic(), self._pace.left())

    def _room(self) -> int:
        """How many may be completed now."""
        if self._ahead is None:
            return _TOGETHER
        if self._announced:
            with self._ledger.database.transaction() as connection:
                self._announced = outbox.unhandled(connection, ROUTING, self._announced)
        return max(0, self._ahead - len(self._announced))

    def _settle(self, due: Sequence[OpenStudy]) -> None:
        """Complete them; a study that brings this to a defect is stuck, and the others go on."""
        try:
            self._complete([study.id for study in due])
        except Retryable:
            raise
        except Exception as error:
            if not is_for_data(error):
                raise
            if len(due) > 1:
                for study in due:
                    self._settle([study])
                return
            _log.error("a study cannot be completed", exc_info=error)
            reason = f"it cannot be completed: {type(error).__name__} in the node's own work"
            with self._ledger.transaction() as transaction:
                stuck.stop(transaction, due[0].id, stuck.Cause.INTAKE, reason, self._clock.now())

    def _complete(self, ids: Sequence[StudyId]) -> None:
        announced = []
        with self._ledger.transaction() as transaction:
            locked = studies.lock_open_studies(transaction.connection, ids)
            known = self._arrivals.verdicts(transaction.connection, locked)
            verdicts = self._awaits(transaction.connection, locked, known)
            ready = [(study, verdicts[study.id]) for study in locked if verdicts[study.id].complete]
            waiting = conflicts.those_that_wait(transaction.connection, ids)
            sizes = studies.sizes(transaction.connection, ids)
            fetched = priors.only_fetched(transaction.connection, ids)
            now = self._clock.now()
            for study, verdict in ready:
                if study.patient.two:
                    said = two_patients(study, _to_adopt(transaction, study))
                    stuck.stop_incomplete(transaction, study, stuck.Cause.PATIENT, said, now)
                elif study.id in waiting:
                    stuck.stop_incomplete(transaction, study, stuck.Cause.CORRECTION, _waits(transaction, study), now)
                elif study.id not in sizes:
                    _end_without_images(transaction, study, now)
                elif study.id in fetched:
                    shelve(transaction, study, now)
                else:
                    announced.append(_declare(transaction, study, sizes[study.id], verdict, now))
            self._note_habits(transaction, [study for study, _ in ready])
        self._announced.update(announced)

    def _note_habits(self, transaction: Transaction, ready: Sequence[OpenStudy]) -> None:
        """Keep how these were sent: for the next study of the same senders."""
        spans = callers.spans(transaction.connection, [study.id for study in ready])
        shown = [(spans.get(study.id, ()), study.revision == 0) for study in ready]
        callers.note_habits(transaction.connection, habits(shown, self._policy.hold))


class _Line:
    """The studies that are due, in the order in which it is their turn."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._waiting: dict[StudyId, tuple[int, OpenStudy]] = {}
        self._told: dict[StudyId, int | None] = {}  # what the database says of a study's turn, where it says any

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def enter(self, due: Sequence[OpenStudy]) -> None:
        """These are due, and no others; each has the turn that it was given once."""
        kept = {study.id: turn for study in due if (turn := self._turn_of(study)) is not None}
        for study in due:
            if study.id in kept:
                self._turns.keep(study.sender, kept[study.id])
        if kept:
            self._turns.serve(min(kept.values()))
        in_time = sorted(due, key=lambda study: study.last_event[0])
        given = {one.id: (kept[one.id] if one.id in kept else self._turns.give(one.sender), one) for one in in_time}
        # A turn, then who came first; a sender's own stay in the order in which they came.
        self._waiting = dict(sorted(given.items(), key=lambda item: item[1][0]))
        self._told = {study.id: study.turn for study in due if study.turn is not None}

    def leave(self, others: Sequence[OpenStudy]) -> None:
        """These are not due, whatever was said of them."""
        self._told.update({study.id: study.turn for study in others if study.turn is not None})

    def first(self, most: int) -> list[OpenStudy]:
        """Whose turn it is, so many at the most."""
        return [study for _, study in islice(self._waiting.values(), most)]

    def remove(self, served: Sequence[OpenStudy]) -> None:
        """They wait no more."""
        for study in served:
            turn, _ = self._waiting.pop(study.id)
            self._turns.serve(turn)
            self._told.pop(study.id, None)

    def note_who_waits(self, ledger: Ledger) -> None:
        """Have the database say of each study that waits when it is its turn, and of no other."""
        said = {study: turn for study, (turn, _) in self._waiting.items()}
        new: dict[StudyId, int | None] = {one: turn for one, turn in said.items() if self._told.get(one) != turn}
        new |= {one: None for one in self._told if one not in said}
        if new:
            with ledger.database.transaction() as connection:
                studies.let_wait(connection, new)
            self._told = dict(said)

    def _turn_of(self, study: OpenStudy) -> int | None:
        waits = self._waiting.get(study.id)
        return waits[0] if waits else study.turn


def _let_say(connection: Connection, found: Sequence[OpenStudy], said: Mapping[StudyId, Verdict]) -> None:
    """Have the row of each study say what it waits for, once it does; while images come in, that is what it says."""
    waiting = {
        study.id: (said[study.id].reason, study.last_event[0])
        for study in found
        if study.silent > _QUIET and not said[study.id].complete and said[study.id].reason != study.reason
    }
    if waiting:
        studies.let_say(connection, waiting)


def _waits(transaction: Transaction, study: OpenStudy) -> str:
    return _CORRECTION if conflicts.wait_under_others(transaction.connection, study.id) else _SET_ASIDE


def two_patients(study: OpenStudy, correction: int | None = None) -> str:
    """Why a study stops whose images name two patients, and what to do, a `correction` first; it names neither."""
    differ = disagreeing(study.patient.named, study.patient.same)
    first = "" if correction is None else f"dicom-node conflicts adopt {correction}, or else "
    shown = f"{first}dicom-node patients list {str(study.id)[:8]}"
    return f"its images name two patients (they differ in {', '.join(differ)}): {shown}"


def _to_adopt(transaction: Transaction, study: OpenStudy) -> int | None:
    """The newest conflict of a merge under the same study that waits, None where none does."""
    waiting = conflicts.corrections(transaction.connection, conflicts.concerning(study.id))
    return max((one.id for one in waiting if one.kind is ConflictKind.PATIENT), default=None)


def _end_without_images(transaction: Transaction, study: OpenStudy, now: datetime) -> None:
    """What had images before a correction is complete without them; a study that never had any cannot go on."""
    if conflicts.were_taken_away(transaction.connection, study.id):
        # Nobody is told that models are to be chosen: what was begun on these images was withdrawn with them.
        revision = studies.complete(transaction.connection, study, _TAKEN_AWAY, now)
        transaction.record(Action.STUDY_AMENDED, study.id, study_uid=study.uid, reason=_TAKEN_AWAY, revision=revision)
    else:
        stuck.stop_incomplete(transaction, study, stuck.Cause.INTAKE, _NOTHING, now)


def _declare(
    transaction: Transaction, study: OpenStudy, size: tuple[int, int], verdict: Verdict, now: datetime
) -> uuid.UUID:
    """Complete a study of this size; the id of the event that says so."""
    revision = studies.complete(transaction.connection, study, verdict.reason, now, verdict.lacks)
    event = _event(study.id, revision, size, now)
    transaction.emit(event)
    action = Action.STUDY_COMPLETED if revision == 1 else Action.STUDY_AMENDED
    transaction.record(action, study.id, study_uid=study.uid, reason=verdict.reason, **event.data.encode())
    return event.id


def announce(transaction: Transaction, study: StudyId, revision: int, now: datetime) -> None:
    """Say that this revision of the study is complete, so that models are chosen for it."""
    transaction.emit(_event(study, revision, studies.size(transaction.connection, study), now))


def _event(study: StudyId, revision: int, size: tuple[int, int], now: datetime) -> Event:
    kind = StudyCompleted if revision == 1 else StudyAmended
    return Event(kind(revision, *size), study, now)
