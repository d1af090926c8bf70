"""On results' writing: one delivery for each destination, of what its profile and its answers leave."""

from collections.abc import Sequence
from datetime import datetime

from audit.trail import Action, Transaction
from consumers.destinations import ProfiledDestination
from consumers.steps.request_results import request_results
from domain.clock import Clock, SystemClock
from domain.events import Event, ResultsWritten
from store import deliveries, jobs, results
from store.jobs import Job
from store.studies import note_progress


class DeliveryPlanner:
    """Handles results.written for `destinations`.

    Results that were written again, for a destination that has come to take others, are chosen from anew. Results that
    a newer revision's have overtaken go nowhere.
    """

    def __init__(self, destinations: Sequence[ProfiledDestination], clock: Clock | None = None) -> None:
        self._destinations = destinations
        self._clock = clock or SystemClock()

    def __call__(self, transaction: Transaction, event: Event) -> None:
        """Plan; a repeated event makes no second delivery."""
        connection, now = transaction.connection, self._clock.now()
        job = jobs.get(connection, event.of(ResultsWritten).job)
        deliveries.lock(connection, job.study_id)
        if results.newer_exist(connection, job):
            self._leave(transaction, job)
        elif late := [one.name for one in self._destinations if one.changed_since(connection, event.time)]:
            self._wait(transaction, job, late, now)
        else:
            self._plan(transaction, job, now)

    def _plan(self, transaction: Transaction, job: Job, now: datetime) -> None:
        connection = transaction.connection
        written = [one.form for one in results.results_of(connection, job.id)]
        planned = {}
        for one in self._destinations:
            choices = one.choose(connection, written)
            if deliveries.plan_delivery(connection, job, one.name, choices, now):
                planned[one.name] = deliveries.chosen_as_json(choices)
        names = [one.name for one in self._destinations]
        reason = (
            f"results wait to be sent to {', '.join(names)}" if names else "results kept; no destination is configured"
        )
        note_progress(connection, job.study_id, reason, now)
        transaction.record(
            Action.DELIVERY_PLANNED, job.study_id, job=str(job.id), destinations=list(planned), choices=planned
        )
        transaction.wake(deliveries.DELIVERIES_CHANNEL)

    def _leave(self, transaction: Transaction, job: Job) -> None:
        reason = "a newer revision of the study has results of this model"
        transaction.record(Action.DELIVERY_PLANNED, job.study_id, job=str(job.id), destinations=[], reason=reason)

    def _wait(self, transaction: Transaction, job: Job, late: Sequence[str], now: datetime) -> None:
        """Have the results written again, for destinations that answered otherwise since."""
        reason = f"results are written again: {', '.join(late)} came to take others meanwhile"
        note_progress(transaction.connection, job.study_id, reason, now)
        request_results(transaction, job, now)
        transaction.record(Action.DELIVERY_PLANNED, job.study_id, job=str(job.id), destinations=[], reason=reason)
