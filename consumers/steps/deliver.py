"""Results on their way to each destination: planned on their writing, sent with patience, each object's status kept."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from audit.trail import Action, Ledger, Transaction
from config import metrics
from config.settings import Destination
from consumers.destinations import ProfiledDestination
from consumers.steps import stuck
from consumers.steps.request_results import request_results
from dicom_node.scu.probe import probe
from dicom_node.scu.store import Outcome, Outgoing, Verdict, send
from domain.clock import Clock, SystemClock
from domain.events import DeliveryFailed, Event, ResultsDelivered, ResultsWritten
from domain.retry import RetryPolicy
from domain.states import DeliveryEvent
from store import jobs, results
from store.jobs import Job
from store.objects import ObjectStore
from store.results import Delivery, Result
from store.studies import note_progress


class DeliveryPlanner:
    """Handles results.written: one delivery for each of `destinations`, of what its profile and its answers leave.

    Results that were written again, for a destination that has come to take others, are chosen from anew.
    """

    def __init__(self, destinations: Sequence[ProfiledDestination], clock: Clock | None = None) -> None:
        self._destinations = destinations
        self._clock = clock or SystemClock()

    def __call__(self, transaction: Transaction, event: Event) -> None:
        """Plan; a repeated event makes no second delivery."""
        connection, now = transaction.connection, self._clock.now()
        job = jobs.get(connection, event.of(ResultsWritten).job)
        if late := [one.name for one in self._destinations if one.changed_since(connection, event.time)]:
            self._wait(transaction, job, late, now)
            return
        written = [one.form for one in results.results_of(connection, job.id)]
        planned = {}
        for one in self._destinations:
            choices = one.choose(connection, written)
            if results.plan_delivery(connection, job, one.name, choices, now):
                planned[one.name] = results.chosen_as_json(choices)
        names = [one.name for one in self._destinations]
        reason = (
            f"results wait to be sent to {', '.join(names)}" if names else "results kept; no destination is configured"
        )
        note_progress(connection, job.study_id, reason, now)
        transaction.record(
            Action.DELIVERY_PLANNED, job.study_id, job=str(job.id), destinations=list(planned), choices=planned
        )
        transaction.wake(results.DELIVERIES_CHANNEL)

    def _wait(self, transaction: Transaction, job: Job, late: Sequence[str], now: datetime) -> None:
        """Have the results written again, for destinations that answered otherwise since."""
        reason = f"results are written again: {', '.join(late)} came to take others meanwhile"
        note_progress(transaction.connection, job.study_id, reason, now)
        request_results(transaction, job, now)
        transaction.record(Action.DELIVERY_PLANNED, job.study_id, job=str(job.id), destinations=[], reason=reason)


class Deliverer:
    """Sends what is due, one delivery at a time. `owner` names this process for its leases."""

    def __init__(
        self,
        ledger: Ledger,
        objects: ObjectStore,
        destinations: Sequence[ProfiledDestination],
        our_aet: str,
        policy: RetryPolicy,
        timeout: float,
        owner: str,
        clock: Clock | None = None,
    ) -> None:
        self._ledger = ledger
        self._objects = objects
        self._recipients: Mapping[str, ProfiledDestination] = {one.name: one for one in destinations}
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
        recipient = self._recipients.get(delivery.destination)
        if recipient is None:
            self._refused(delivery, "is no longer configured")
            return True
        outcomes = [self._note(delivery, outcome) for outcome in self._send(delivery, recipient.destination)]
        if any(outcome.unaccepted for outcome in outcomes) or self._nothing_chosen(delivery):
            self._ask_anew(delivery, recipient, next((one.reason for one in outcomes if one.unaccepted), ""))
        else:
            self._ended(delivery, outcomes)
        return True

    def _ended(self, delivery: Delivery, outcomes: Sequence[Outcome]) -> None:
        missing = [outcome for outcome in outcomes if outcome.verdict is not Verdict.STORED]
        again = [outcome for outcome in missing if outcome.verdict is Verdict.RETRY]
        if again:
            self._failed(delivery, again[0].reason)
        elif missing:
            self._refused(delivery, missing[0].reason)
        else:
            self._stored(delivery)

    def _nothing_chosen(self, delivery: Delivery) -> bool:
        """Whether there is something that it should show and it gets nothing: not for findings that give nothing."""
        return bool(delivery.choices) and not any(one["sop_class"] for one in delivery.choices)

    def _ask_anew(self, delivery: Delivery, recipient: ProfiledDestination, refused: str) -> None:
        """Ask what the destination takes now. What it has come to take is written; else it is refused for good."""
        seen = probe(recipient.destination, self._our_aet, self._timeout)
        with self._ledger.transaction() as transaction:
            recipient.note(transaction.connection, seen, self._clock.now())
            changed = recipient.changed_since(transaction.connection, delivery.planned_at)
            if not seen.error and changed:
                self._write_again(transaction, delivery, refused or "nothing could be shown there")
        if seen.error:
            self._failed(delivery, seen.error)
        elif not changed:
            left_out = "; ".join(f"{one['kind']} {one['why']}" for one in delivery.choices)
            self._refused(delivery, refused or f"nothing can be shown there: {left_out}")

    def _write_again(self, transaction: Transaction, delivery: Delivery, refused: str) -> None:
        """Wait for results in the forms that the destination takes now; their plan brings the next attempt forward."""
        connection, now = transaction.connection, self._clock.now()
        reason = f"{refused}; results are written for what it takes now"
        due = now + timedelta(seconds=self._policy.longest)
        results.move(connection, delivery, [DeliveryEvent.FAIL, DeliveryEvent.RETRY], now, reason, not_before=due)
        note_progress(connection, delivery.study_id, f"{delivery.destination}: {reason}", now)
        request_results(transaction, jobs.get(connection, delivery.job_id), now)
        transaction.record(Action.DELIVERY_FAILED, delivery.study_id, **_about(delivery), reason=reason)

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
        objects = [self._outgoing(one) for one in unsent]
        return send(objects, destination, self._our_aet, self._timeout, together=True)

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
            objects = [[uid, f"{status or 0:04X}"] for uid, _, status in results.objects_of(connection, delivery.id)]
            reason = "stored" if objects else "the findings give nothing that its profile shows"
            results.move(connection, delivery, [DeliveryEvent.STORE], now, reason)
            note_progress(connection, delivery.study_id, f"results delivered to {delivery.destination}", now)
            data = ResultsDelivered(delivery.job_id, delivery.id, delivery.destination)
            transaction.emit(Event(data, delivery.study_id, now))
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
            data = DeliveryFailed(delivery.job_id, delivery.id, delivery.destination, state)
            transaction.emit(Event(data, delivery.study_id, now))
            transaction.record(
                Action.DELIVERY_FAILED, delivery.study_id, **_about(delivery), reason=reason, state=state
            )
            said = f"{delivery.destination}: {reason}"
            revision = jobs.get(connection, delivery.job_id).revision
            stuck.stop(transaction, delivery.study_id, stuck.Cause.DELIVERY, said, now, revision)


def _about(delivery: Delivery) -> dict[str, Any]:
    return {
        "job": str(delivery.job_id),
        "delivery": str(delivery.id),
        "destination": delivery.destination,
        "attempt": delivery.attempts,
    }
