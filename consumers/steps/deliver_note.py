"""Rejection notes as leased work: each to the destination that has what it rejects, with the patience of a delivery."""

import uuid
from collections.abc import Callable, Sequence

from audit.actions import Action
from audit.trail import Transaction
from config import metrics
from consumers.destinations import ProfiledDestination
from consumers.leased_work import Claimed, why_ended
from consumers.reachability import Reachability
from consumers.steps import stuck
from dicom_node.scu.kinds import send
from dicom_node.scu.store import Outgoing, Verdict
from domain.clock import Clock, SystemClock
from domain.errors import NodeError, Permanent, Retryable
from domain.ids import StudyId
from domain.profiles import KEY_OBJECT_SELECTION, TakenBack
from domain.rejections import Cause
from domain.retry import RetryPolicy
from domain.states import DeliveryEvent, DeliveryState
from store import rejections
from store.database import Connection
from store.leases import Condition, LeaseTable
from store.objects import ObjectStore
from store.pauses import NOTES_GO_ON
from store.rejections import IS_WRITTEN, REJECTIONS, Rejection
from store.studies import note_progress

_LONGEST = 3600.0  # s
_BY_HAND = "its profile sends no rejection notes: what it has is to be taken out there by hand"


class _Notes:
    """What becomes of a note, whoever it is for. What is handed over is the peer's C-STORE status."""

    rows: LeaseTable[DeliveryState, DeliveryEvent] = REJECTIONS
    due: Sequence[Condition] = (IS_WRITTEN, NOTES_GO_ON)

    def __init__(self, policy: RetryPolicy, clock: Clock | None) -> None:
        self.policy = policy
        self._clock = clock or SystemClock()

    def load(self, connection: Connection, row: uuid.UUID) -> Rejection:
        """The note as it stands."""
        return rejections.get(connection, row)

    def together(self, first: Rejection) -> tuple[int, Condition]:
        """One at a time."""
        return 1, REJECTIONS.bound_for(first.destination)

    def longest(self, rows: int) -> float:
        """As a delivery."""
        return _LONGEST

    def overtaken(self, connection: Connection, item: Rejection) -> str:
        """A note is always wanted."""
        return ""

    def began(self, transaction: Transaction, item: Rejection) -> None:
        """Say so."""
        transaction.record(Action.DELIVERY_STARTED, item.study_id, **about(item))

    def succeeded(self, transaction: Transaction, item: Rejection, result: int) -> str:
        """It has arrived."""
        state = REJECTIONS.move(transaction.connection, item.id, DeliveryEvent.STORE, reason="stored")
        transaction.record(
            Action.NOTE_DELIVERED, item.study_id, **about(item), objects=[[item.sop_uid, f"{result:04X}"]]
        )
        return state.value

    def failure(self, error: NodeError) -> DeliveryEvent:
        """What will never go is refused."""
        return DeliveryEvent.FAIL if isinstance(error, Retryable) else DeliveryEvent.REFUSE

    def retried(self, transaction: Transaction, item: Rejection, reason: str, said: str) -> None:
        """Say why and when."""
        told = f"rejection note to {item.destination}: {said}"
        note_progress(transaction.connection, item.study_id, told, self._clock.now())
        transaction.record(Action.DELIVERY_FAILED, item.study_id, **about(item), reason=reason)

    def taken_back(self, transaction: Transaction, item: Rejection, reason: str) -> None:
        """Say that its sender was lost."""
        transaction.record(Action.DELIVERY_LOST, item.study_id, **about(item), reason=reason)

    def cancelled(self, transaction: Transaction, item: Rejection, reason: str) -> None:
        """Say why."""
        told = f"rejection note to {item.destination}: {reason}"
        note_progress(transaction.connection, item.study_id, told, self._clock.now())
        transaction.record(Action.DELIVERY_CANCELLED, item.study_id, **about(item), reason=reason)

    def ended(self, transaction: Transaction, item: Rejection, error: NodeError) -> str:
        """Of wrong results a person has to tell the destination; superseded ones lie beside those that say so."""
        connection, now = transaction.connection, self._clock.now()
        reason = why_ended(item, error)
        state = REJECTIONS.move(connection, item.id, self.failure(error), reason=reason)
        transaction.record(Action.DELIVERY_FAILED, item.study_id, **about(item), reason=reason, state=state.value)
        told = f"rejection note to {item.destination}: {reason}"
        if item.cause is Cause.WITHDRAWN:
            stuck.stop(transaction, item.study_id, stuck.Cause.DELIVERY, told, now)
        else:
            note_progress(connection, item.study_id, told, now)
        return state.value

    def abandoned(self, transaction: Transaction, row: uuid.UUID, study: StudyId, error: NodeError) -> None:
        """The study is stuck until a person has looked."""
        said = {"note": str(row), "reason": str(error), "state": DeliveryState.REFUSED.value}
        transaction.record(Action.DELIVERY_FAILED, study, **said)
        stuck.stop(transaction, study, stuck.Cause.DELIVERY, str(error), self._clock.now())

    def settled(self, item: Rejection, state: str, seconds: float, error: NodeError | None = None) -> None:
        """Count the attempt; the object was counted when its answer came."""
        metrics.deliveries.labels(item.destination, state).inc()


class NotesTo(_Notes):
    """The handler of the notes to one destination. `timeout` (s) is for each of its answers."""

    def __init__(
        self,
        objects: ObjectStore,
        destination: ProfiledDestination,
        our_aet: str,
        policy: RetryPolicy,
        timeout: float,
        clock: Clock | None = None,
        reachability: Reachability | None = None,
    ) -> None:
        super().__init__(policy, clock)
        self._reachability = reachability or Reachability(destination.name)
        self.scope: Sequence[Condition] = (REJECTIONS.bound_for(destination.name),)
        self._objects = objects
        self._destination = destination
        self._our_aet = our_aet
        self._timeout = timeout

    def overtaken(self, connection: Connection, item: Rejection) -> str:
        """Its profile may want none."""
        profile = self._destination.profile
        wanted = profile.withdraw if item.cause is Cause.WITHDRAWN else profile.supersede
        return _BY_HAND if wanted is TakenBack.NONE else ""

    def run(self, claimed: Sequence[Claimed[Rejection]], sign: Callable[[], None]) -> Sequence[int | NodeError]:
        """Send it."""
        return [self._sent(one.item) for one in claimed]

    def _sent(self, item: Rejection) -> int | NodeError:
        path = self._objects.path(item.object_key)
        note = Outgoing(path, KEY_OBJECT_SELECTION, item.sop_uid, item.transfer_syntax)
        (outcome,) = send([note], self._destination.destination, self._our_aet, self._timeout)
        metrics.delivery_objects.labels(item.destination, outcome.verdict.value).inc()
        self._reachability.note(outcome)
        if outcome.verdict is Verdict.STORED:
            return outcome.status or 0
        return Retryable(outcome.reason) if outcome.verdict is Verdict.RETRY else Permanent(outcome.reason)


class NotesToNobody(_Notes):
    """The handler of notes to destinations that are not among those that are configured."""

    def __init__(self, destinations: Sequence[str], policy: RetryPolicy, clock: Clock | None = None) -> None:
        super().__init__(policy, clock)
        self.scope: Sequence[Condition] = (REJECTIONS.bound_elsewhere(destinations),)

    def run(self, claimed: Sequence[Claimed[Rejection]], sign: Callable[[], None]) -> Sequence[int | NodeError]:
        """Say what to do."""
        said = "is no longer configured; configure it, or: dicom-node destinations forget"
        return [Permanent(f"{said} {one.item.destination}") for one in claimed]


def about(note: Rejection) -> dict[str, str | int]:
    """What the trail says of a note."""
    named = {"note": str(note.id), "delivery": str(note.delivery_id), "destination": note.destination}
    return {**named, "cause": note.cause.value, "attempt": note.attempts}
