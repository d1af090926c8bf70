"""On results' writing: one delivery for each destination, of what its profile and its answers leave."""

from collections.abc import Sequence
from datetime import datetime

from audit.trail import Action, Transaction
from config.retries import REWRITES
from consumers.destinations import ProfiledDestination
from consumers.steps.announced import finished_job
from consumers.steps.request_results import request_results
from domain.clock import Clock, SystemClock
from domain.errors import Unfounded
from domain.events import Event, ResultsWritten
from store import deliveries, results
from store.jobs import Job
from store.studies import note_progress


class DeliveryPlanner:
    """Handles results.written for `destinations`.

    Results that were written again, for a destination that has come to take others, are chosen from anew; a destination
    that has come to since they were written waits for others, as long as it does not do so every time. Results that a
    newer revision's have overtaken, or that were withdrawn, go nowhere.
    """

    def __init__(self, destinations: Sequence[ProfiledDestination], clock: Clock | None = None) -> None:
        self._destinations = destinations
        self._clock = clock or SystemClock()

    def __call__(self, transaction: Transaction, event: Event) -> None:
        """Plan; a repeated event makes no second delivery. Raises Unfounded where the job has no such results."""
        connection, now = transaction.connection, self._clock.now()
        job = finished_job(connection, event)
        if event.of(ResultsWritten).objects > len(results.results_of(connection, job.id)):
            raise Unfounded("the job has fewer results")
        deliveries.lock(connection, job.study_id)
        if job.withdrawn_at:
            self._leave(transaction, job, "the results were withdrawn")
        elif results.newer_exist(connection, job):
            self._leave(transaction, job, "a newer revision of the study has results of this model")
        else:
            self._plan(transaction, job, event.time, now)

    def _plan(self, transaction: Transaction, job: Job, written_for: datetime, now: datetime) -> None:
        """`written_for` is the moment of the answers that the results were written for."""
        connection = transaction.connection
        written = [one.form for one in results.results_of(connection, job.id)]
        choices, late = {}, []
        for one in self._destinations:
            chosen = one.choose(connection, written)
            planned = deliveries.plan_delivery(connection, job, one.name, chosen, REWRITES)
            if planned and one.changed_since(connection, written_for) and REWRITES.delay(planned.rewritten + 1):
                deliveries.hold_back(connection, planned, written_for, REWRITES.longest)
                late.append(one.name)
            elif planned:
                choices[one.name] = deliveries.chosen_as_json(chosen)
        reason = self._reason(late)
        if late:
            request_results(transaction, job, now)
        if self._destinations and not late and not choices:
            # Where all of it was cancelled before it was planned, that is what the study goes on saying.
            reason = deliveries.why_cancelled(connection, job) or reason
        note_progress(connection, job.study_id, reason, now)
        details = {"destinations": list(choices), "choices": choices, "reason": reason}
        transaction.record(Action.DELIVERY_PLANNED, job.study_id, job=str(job.id), **details)
        transaction.wake(deliveries.DELIVERIES_CHANNEL)

    def _reason(self, late: Sequence[str]) -> str:
        if late:
            return f"results are written again: {', '.join(late)} came to take others meanwhile"
        names = ", ".join(one.name for one in self._destinations)
        return f"results wait to be sent to {names}" if names else "results kept; no destination is configured"

    def _leave(self, transaction: Transaction, job: Job, reason: str) -> None:
        transaction.record(Action.DELIVERY_PLANNED, job.study_id, job=str(job.id), destinations=[], reason=reason)
