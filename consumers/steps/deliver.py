"""Deliveries as leased work: results to one destination, sent with patience, each object's status kept.

Each destination has a holder of its own, so that a silent archive holds up its own results and nobody else's.
"""

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from audit.actions import Action
from audit.trail import Ledger, Transaction
from config import metrics
from config.retries import REWRITES
from consumers.destinations import ProfiledDestination
from consumers.leased_work import Claimed, LeaseLost, why_ended
from consumers.reachability import Reachability
from consumers.steps import of_results, stuck, supersede
from dicom_node.scu.kinds import probe, send
from dicom_node.scu.store import Outcome, Outgoing, Verdict
from dicom_node.tally import CountedLog
from domain.clock import Clock, SystemClock
from domain.errors import NodeError, Permanent, Retryable
from domain.events import Event
from domain.ids import StudyId
from domain.profiles import TakenBack
from domain.retry import RetryPolicy
from domain.states import DeliveryEvent, DeliveryState
from store import commitment_requests, deliveries
from store.database import Connection
from store.deliveries import DELIVERIES, OF_ONE_PATIENT, Delivery
from store.leases import Condition, LeaseTable
from store.objects import ObjectStore
from store.pauses import DELIVERIES_GO_ON
from store.results import Result
from store.studies import note_progress

_log = logging.getLogger(__name__)
_LONGEST = 3600.0  # s
_NOTHING = "the findings give nothing that its profile shows"


@dataclass(frozen=True)
class Stored:
    """Everything that was to go is at the destination."""


@dataclass(frozen=True)
class TakesOthers:
    """The destination takes other forms than those that were sent; `refused` is what it said to these."""

    refused: str


Sent = Stored | TakesOthers


class _Deliveries:
    """What becomes of a delivery, whoever it is for."""

    rows: LeaseTable[DeliveryState, DeliveryEvent] = DELIVERIES
    due: Sequence[Condition] = (OF_ONE_PATIENT, DELIVERIES_GO_ON)

    def __init__(self, policy: RetryPolicy, clock: Clock | None, supersede: TakenBack = TakenBack.NONE) -> None:
        self.policy = policy
        self._clock = clock or SystemClock()
        self._supersede = supersede
        self._commits = False  # whether its destination is asked to keep what it was sent
        self._undelivered = CountedLog(_log)

    def load(self, connection: Connection, row: uuid.UUID) -> Delivery:
        """The delivery as it stands."""
        return deliveries.get(connection, row)

    def together(self, first: Delivery) -> tuple[int, Condition]:
        """One at a time."""
        return 1, DELIVERIES.bound_for(first.destination)

    def longest(self, rows: int) -> float:
        """An object of some gigabytes over a slow line; each that has an answer is a sign of life."""
        return _LONGEST

    def overtaken(self, connection: Connection, item: Delivery) -> str:
        """An older result never comes over a newer one, and where there is nothing to send nothing is delivered."""
        if item.withdrawn:
            return "the results were withdrawn"
        if deliveries.is_overtaken(connection, item):
            return "newer results are there already"
        return "" if item.choices or deliveries.objects_of(connection, item.id) else _NOTHING

    def began(self, transaction: Transaction, item: Delivery) -> None:
        """Say so."""
        transaction.record(Action.DELIVERY_STARTED, item.study_id, **about(item))

    def succeeded(self, transaction: Transaction, item: Delivery, result: Sent) -> str:
        """It has arrived, or waits for results in other forms."""
        if isinstance(result, TakesOthers):
            return self._write_again(transaction, item, result.refused)
        connection, now = transaction.connection, self._clock.now()
        objects = [[uid, f"{status or 0:04X}"] for uid, _, status in deliveries.objects_of(connection, item.id)]
        if not objects:
            return self.ended(transaction, item, Permanent("none of the results that were chosen is there to be sent"))
        state = DELIVERIES.move(connection, item.id, DeliveryEvent.STORE, reason="stored")
        self._reject(transaction, deliveries.superseded(connection, item))
        what = "results" if item.job_id else "impression"
        note_progress(connection, item.study_id, f"{what} delivered to {item.destination}", now)
        transaction.emit(Event(of_results.delivered(item), item.study_id, now))
        transaction.record(Action.DELIVERED, item.study_id, **about(item), objects=objects)
        if self._commits:
            commitment_requests.request(connection, item)
        return state.value

    def _write_again(self, transaction: Transaction, item: Delivery, refused: str) -> str:
        """Wait for results in the forms that the destination takes now; their plan brings the next attempt forward."""
        connection, now, times = transaction.connection, self._clock.now(), item.rewritten + 1
        if REWRITES.delay(times) is None:
            return self.ended(transaction, item, Permanent(f"{refused}; {times} times it had come to take others"))
        reason = f"{refused}; results are written for what it takes now"
        events = (DeliveryEvent.FAIL, DeliveryEvent.RETRY)
        waits = {"delay": REWRITES.longest, "rewritten": times}
        state = DELIVERIES.move(connection, item.id, *events, reason=reason, **waits)
        note_progress(connection, item.study_id, f"{item.destination}: {reason}", now)
        of_results.write_again(transaction, of_results.behind(connection, item), now)
        transaction.record(Action.DELIVERY_FAILED, item.study_id, **about(item), reason=reason)
        return state.value

    def failure(self, error: NodeError) -> DeliveryEvent:
        """What will never go is refused."""
        return DeliveryEvent.FAIL if isinstance(error, Retryable) else DeliveryEvent.REFUSE

    def retried(self, transaction: Transaction, item: Delivery, reason: str, said: str) -> None:
        """Say why and when."""
        if not self._is_away():
            self._tell(item, reason)
        note_progress(transaction.connection, item.study_id, f"{item.destination}: {said}", self._clock.now())
        transaction.record(Action.DELIVERY_FAILED, item.study_id, **about(item), reason=reason)

    def taken_back(self, transaction: Transaction, item: Delivery, reason: str) -> None:
        """Say that its sender was lost, with what it had in hand."""
        deliveries.note_unanswered(transaction.connection, item.id)
        transaction.record(Action.DELIVERY_LOST, item.study_id, **about(item), reason=reason)

    def cancelled(self, transaction: Transaction, item: Delivery, reason: str) -> None:
        """Say why."""
        if reason == _NOTHING:
            said = f"nothing goes to {item.destination}: {reason}"
            note_progress(transaction.connection, item.study_id, said, self._clock.now())
            self._reject(transaction, deliveries.superseded(transaction.connection, item))
        elif not item.withdrawn:
            self._reject(transaction, [item])
        transaction.record(Action.DELIVERY_CANCELLED, item.study_id, **about(item), reason=reason)

    def ended(self, transaction: Transaction, item: Delivery, error: NodeError) -> str:
        """The study is stuck until a person has looked."""
        connection, now = transaction.connection, self._clock.now()
        reason = why_ended(item, error)
        self._tell(item, reason)
        state = DELIVERIES.move(connection, item.id, self.failure(error), reason=reason)
        transaction.emit(Event(of_results.undelivered(item, state.value), item.study_id, now))
        transaction.record(Action.DELIVERY_FAILED, item.study_id, **about(item), reason=reason, state=state.value)
        said = f"{item.destination}: {reason}"
        stuck.stop(transaction, item.study_id, stuck.Cause.DELIVERY, said, now, item.revision)
        return state.value

    def _reject(self, transaction: Transaction, older: Sequence[Delivery]) -> None:
        """Have rejection notes made of what is out of these, by the destination's profile."""
        if self._supersede is TakenBack.IOCM:
            supersede.reject(transaction, older, self._clock.now())

    def abandoned(self, transaction: Transaction, row: uuid.UUID, study: StudyId, error: NodeError) -> None:
        """The study is stuck until a person has looked."""
        said = {"delivery": str(row), "reason": str(error), "state": DeliveryState.REFUSED.value}
        transaction.record(Action.DELIVERY_FAILED, study, **said)
        stuck.stop(transaction, study, stuck.Cause.DELIVERY, str(error), self._clock.now())

    def settled(self, item: Delivery, state: str, seconds: float, error: NodeError | None = None) -> None:
        """Count the attempt; each object was counted when its answer came."""
        metrics.deliveries.labels(item.destination, state).inc()
        self._undelivered.tell()

    def _tell(self, item: Delivery, reason: str) -> None:
        self._undelivered.warn(f"results were not delivered to {item.destination}: {reason}")

    def _is_away(self) -> bool:
        """Whether it was said already that nothing gets there."""
        return False


class DeliveryTo(_Deliveries):
    """The handler of the deliveries to one destination. `timeout` (s) is for each of its answers."""

    def __init__(
        self,
        ledger: Ledger,
        objects: ObjectStore,
        destination: ProfiledDestination,
        our_aet: str,
        policy: RetryPolicy,
        timeout: float,
        clock: Clock | None = None,
        reachability: Reachability | None = None,
    ) -> None:
        super().__init__(policy, clock, destination.profile.supersede)
        self._reachability = reachability or Reachability(destination.name)
        self.scope: Sequence[Condition] = (DELIVERIES.bound_for(destination.name),)
        self._commits = destination.destination.commit != "off"
        self._ledger = ledger
        self._objects = objects
        self._destination = destination
        self._our_aet = our_aet
        self._timeout = timeout

    def _is_away(self) -> bool:
        return self._reachability.is_away

    def run(self, claimed: Sequence[Claimed[Delivery]], sign: Callable[[], None]) -> Sequence[Sent | NodeError]:
        """Send what the destination has not stored yet."""
        return [self._sent(one, sign) for one in claimed]

    def _sent(self, one: Claimed[Delivery], sign: Callable[[], None]) -> Sent | NodeError:
        outcomes = []
        for outcome in self._send(one.item):
            outcomes.append(self._note(one, outcome))
            sign()
        unaccepted = [outcome.reason for outcome in outcomes if outcome.unaccepted]
        if unaccepted or _nothing_chosen(one.item):
            return self._ask_anew(one.item, next(iter(unaccepted), ""))
        return _verdict(outcomes)

    def _send(self, delivery: Delivery) -> Iterator[Outcome]:
        with self._ledger.database.transaction() as connection:
            unsent = deliveries.unsent(connection, delivery.id)
        objects = [self._outgoing(one) for one in unsent]
        return send(objects, self._destination.destination, self._our_aet, self._timeout, together=True)

    def _outgoing(self, one: Result) -> Outgoing:
        return Outgoing(self._objects.path(one.object_key), one.sop_class, one.sop_uid, one.transfer_syntax)

    def _note(self, one: Claimed[Delivery], outcome: Outcome) -> Outcome:
        with self._ledger.database.transaction() as connection:
            if not DELIVERIES.fence(connection, one.lease):
                raise LeaseLost(f"delivery {one.item.id} is somebody else's by now")
            uid, stored = outcome.sent.sop_instance, outcome.verdict is Verdict.STORED
            deliveries.note_object(connection, one.item.id, uid, stored, outcome.status, outcome.unanswered)
        metrics.delivery_objects.labels(one.item.destination, outcome.verdict.value).inc()
        self._reachability.note(outcome)
        return outcome

    def _ask_anew(self, delivery: Delivery, refused: str) -> Sent | NodeError:
        """Ask what the destination takes now. What it has come to take is written; else it is refused for good."""
        seen = probe(self._destination.destination, self._our_aet, self._timeout)
        with self._ledger.database.transaction() as connection:
            self._destination.note(connection, seen)
            changed = self._destination.changed_since(connection, delivery.planned_at)
        if seen.error:
            return Retryable(seen.error)
        if changed:
            return TakesOthers(refused or "nothing could be shown there")
        left_out = "; ".join(f"{one.kind} {one.why}" for one in delivery.choices)
        return Permanent(refused or f"nothing can be shown there: {left_out}")


class DeliveryToNobody(_Deliveries):
    """The handler of deliveries to destinations that are not among those that are configured."""

    def __init__(self, destinations: Sequence[str], policy: RetryPolicy, clock: Clock | None = None) -> None:
        super().__init__(policy, clock)
        self.scope: Sequence[Condition] = (DELIVERIES.bound_elsewhere(destinations),)

    def run(self, claimed: Sequence[Claimed[Delivery]], sign: Callable[[], None]) -> Sequence[Sent | NodeError]:
        """Say what to do."""
        said = "is no longer configured; configure it, or: dicom-node destinations forget"
        return [Permanent(f"{said} {one.item.destination}") for one in claimed]


def _nothing_chosen(delivery: Delivery) -> bool:
    """Whether there is something that it should show and it gets nothing: not for findings that give nothing."""
    return bool(delivery.choices) and not any(one.sop_class for one in delivery.choices)


def _verdict(outcomes: Sequence[Outcome]) -> Sent | NodeError:
    missing = [outcome for outcome in outcomes if outcome.verdict is not Verdict.STORED]
    again = [outcome for outcome in missing if outcome.verdict is Verdict.RETRY]
    if again:
        return Retryable(again[0].reason)
    return Permanent(missing[0].reason) if missing else Stored()


def about(delivery: Delivery) -> dict[str, str | int]:
    """What the trail says of a delivery."""
    where = {"delivery": str(delivery.id), "destination": delivery.destination}
    return {**of_results.named(delivery), **where, "attempt": delivery.attempts}
