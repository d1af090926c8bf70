"""Results on their way to each destination: planned on their writing, sent with patience, each object's status kept."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from audit.trail import Action, Ledger, Transaction
from config import metrics
from config.settings import Destination
from dicom_node.sender import Outcome, Outgoing, Verdict, send
from domain.clock import Clock, SystemClock
from domain.events import Event, EventType
from domain.retry import RetryPolicy
from domain.states import DeliveryEvent, StudyEvent
from store import jobs, results
from store.assembly import note_progress
from store.log import move_study
from store.objects import ObjectStore
from store.results import Delivery, Result


class DeliveryPlanner:
    """Handles results.written: one delivery for each destination that is configured."""

    def __init__(self, destinations: Sequence[Destination], clock: Clock | None = None) -> None:
        self._destinations = destinations
        self._clock = clock or SystemClock()

    def __call__(self, transaction: Transaction, event: Event) -> None:
        """Plan; a repeated event plans nothing twice."""
        connection, now = transaction.connection, self._clock.now()
        job = jobs.get(connection, uuid.UUID(event.data["job"]))
        names = [one.name for one in self._destinations]
        planned = [name for name in names if results.plan_delivery(connection, job, name, now)]
        reason = (
            f"results wait to be sent to {', '.join(names)}" if names else "results kept; no destination is configured"
        )
        note_progress(connection, job.study_id, reason, now)
        transaction.record(Action.DELIVERY_PLANNED, job.study_id, job=str(job.id), destinations=planned)
        transaction.wake(results.DELIVERIES_CHANNEL)


class Deliverer:
    """Sends what is due, one delivery at a time. `owner` names this process for its leases."""

    def __init__(
        self,
        ledger: Ledger,
        objects: ObjectStore,
        destinations: Sequence[Destination],
        our_aet: str,
        policy: RetryPolicy,
        timeout: float,
        owner: str,
        clock: Clock | None = None,
    ) -> None:
        self._ledger = ledger
        self._objects = objects
        self._destinations: Mapping[str, Destination] = {one.name: one for one in destinations}
        self._our_aet = our_aet
        self._policy = policy
        self._timeout = timeout
        self._owner = owner
        self._clock = clock or SystemClock()

    def take_back(self, own: bool = False) -> None:
        """Make deliveries pending again whose sender died; with `own` those of an earlier life of this process."""
        while True:
            with self._ledger.transaction() as transaction:
                now = self._clock.now()
                lost = results.pick_lost(transaction.connection, self._owner if own else None, now)
                if lost is None:
                    return
                reason = "its sender was lost; waits to be sent again"
                results.move(transaction.connection, lost, [DeliveryEvent.SENDER_LOST], now, reason, not_before=now)
                transaction.record(Action.DELIVERY_FAILED, lost.study_id, **_about(lost), reason=reason)

    def step(self) -> bool:
        """Send one delivery that is due; False where none is. Raises Unavailable where the database does not answer."""
        delivery = self._claim()
        if delivery is None:
            return False
        destination = self._destinations.get(delivery.destination)
        if destination is None:
            self._refused(delivery, "is no longer configured")
            return True
        outcomes = [self._note(delivery, outcome) for outcome in self._send(delivery, destination)]
        missing = [outcome for outcome in outcomes if outcome.verdict is not Verdict.STORED]
        again = [outcome for outcome in missing if outcome.verdict is Verdict.RETRY]
        if again:
            self._failed(delivery, again[0].reason)
        elif missing:
            self._refused(delivery, missing[0].reason)
        else:
            self._stored(delivery)
        return True

    def _claim(self) -> Delivery | None:
        with self._ledger.transaction() as transaction:
            # Longer than any pause that the sender allows; each object's outcome begins the lease anew.
            lease = 4 * self._timeout
            delivery = results.claim(transaction.connection, self._owner, self._clock.now(), lease)
            if delivery:
                transaction.record(Action.DELIVERY_STARTED, delivery.study_id, **_about(delivery))
            return delivery

    def _send(self, delivery: Delivery, destination: Destination) -> Iterator[Outcome]:
        with self._ledger.database.transaction() as connection:
            unsent = results.unsent(connection, delivery.id)
        return send([self._outgoing(one) for one in unsent], destination, self._our_aet, self._timeout)

    def _outgoing(self, one: Result) -> Outgoing:
        return Outgoing(self._objects.path(one.object_key), one.sop_class, one.sop_uid, one.transfer_syntax)

    def _note(self, delivery: Delivery, outcome: Outcome) -> Outcome:
        stored = outcome.verdict is Verdict.STORED
        now = self._clock.now()
        with self._ledger.database.transaction() as connection:
            uid = outcome.sent.sop_instance
            results.note_object(connection, delivery.id, uid, stored, outcome.status, now)
            results.renew(connection, delivery.id, self._owner, now + timedelta(seconds=4 * self._timeout))
        metrics.deliveries.labels(delivery.destination, outcome.verdict.value).inc()
        return outcome

    def _stored(self, delivery: Delivery) -> None:
        with self._ledger.transaction() as transaction:
            connection, now = transaction.connection, self._clock.now()
            results.move(connection, delivery, [DeliveryEvent.STORE], now, "stored")
            note_progress(connection, delivery.study_id, f"results delivered to {delivery.destination}", now)
            objects = [[uid, f"{status or 0:04X}"] for uid, _, status in results.objects_of(connection, delivery.id)]
            transaction.emit(Event(EventType.RESULTS_DELIVERED, delivery.study_id, now, _announced(delivery)))
            transaction.record(Action.DELIVERED, delivery.study_id, **_about(delivery), objects=objects)

    def _failed(self, delivery: Delivery, reason: str) -> None:
        """Try again later, or give up where the policy's days are over."""
        now = self._clock.now()
        age = now - (delivery.first_attempt or now)
        delay = self._policy.delay(delivery.attempts, age)
        if delay is None:
            self._give_up(delivery, DeliveryEvent.FAIL, f"{reason}; given up after {age.days} days", "failed")
            return
        with self._ledger.transaction() as transaction:
            happened = [DeliveryEvent.FAIL, DeliveryEvent.RETRY]
            due = now + timedelta(seconds=delay)
            again = f"{reason}; attempt {delivery.attempts}, next in {delay:g} s"
            results.move(transaction.connection, delivery, happened, now, again, not_before=due)
            note_progress(transaction.connection, delivery.study_id, f"{delivery.destination}: {again}", now)
            transaction.record(Action.DELIVERY_FAILED, delivery.study_id, **_about(delivery), reason=reason)

    def _refused(self, delivery: Delivery, reason: str) -> None:
        self._give_up(delivery, DeliveryEvent.REFUSE, reason, "refused")

    def _give_up(self, delivery: Delivery, happened: DeliveryEvent, reason: str, state: str) -> None:
        with self._ledger.transaction() as transaction:
            connection, now = transaction.connection, self._clock.now()
            results.move(connection, delivery, [happened], now, reason)
            said = f"{delivery.destination}: {reason}"
            revision = jobs.get(connection, delivery.job_id).revision
            stuck = move_study(connection, delivery.study_id, StudyEvent.FAILED, said, now, revision)
            data = {**_announced(delivery), "state": state}
            transaction.emit(Event(EventType.DELIVERY_FAILED, delivery.study_id, now, data))
            transaction.record(
                Action.DELIVERY_FAILED, delivery.study_id, **_about(delivery), reason=reason, state=state
            )
            if stuck:
                transaction.record(Action.STUDY_STUCK, delivery.study_id, reason=said)


def _announced(delivery: Delivery) -> dict[str, Any]:
    return {"job": str(delivery.job_id), "delivery": str(delivery.id), "destination": delivery.destination}


def _about(delivery: Delivery) -> dict[str, Any]:
    return {**_announced(delivery), "attempt": delivery.attempts}
