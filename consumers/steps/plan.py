"""On results' writing: one delivery for each destination, of what its profile and its answers leave."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from audit.actions import Action
from audit.trail import Transaction
from config.retries import REWRITES
from consumers.destinations import ProfiledDestination
from consumers.steps import of_results
from consumers.steps.announced import finished_job, written_summary
from domain.clock import Clock, SystemClock
from domain.errors import Unfounded
from domain.events import Event, OfSummary, ResultsWritten, SummaryWritten
from domain.profiles import OF_A_RUN, OF_A_STUDY, ResultKind
from store import deliveries, results, summaries
from store.database import Connection
from store.jobs import Job
from store.studies import note_progress
from store.summaries import Summary

_NEWER = {
    Job: "a newer revision of the study has results of this model",
    Summary: "the study has a newer impression",
}


class DeliveryPlanner:
    """Handles results.written and summary.written for `destinations`.

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
        item = (
            written_summary(connection, event) if isinstance(event.data, OfSummary) else finished_job(connection, event)
        )
        if _announced(event) > len(results.results_of(connection, item)):
            raise Unfounded("there are fewer results")
        deliveries.lock(connection, item.study_id)
        if item.withdrawn_at:
            self._leave(transaction, item, "the results were withdrawn")
        elif _newer_exist(connection, item):
            self._leave(transaction, item, _NEWER[type(item)])
        elif isinstance(item, Job):
            self._plan(transaction, item, event.time, now)
        else:
            self._plan_impression(transaction, item, event.time, now)

    def _plan(self, transaction: Transaction, job: Job, written_for: datetime, now: datetime) -> None:
        connection = transaction.connection
        choices, late = self._chosen(transaction, job, OF_A_RUN, written_for, now)
        reason = self._reason(late)
        if self._destinations and not late and not choices:
            # Where all of it was cancelled before it was planned, that is what the study goes on saying.
            reason = deliveries.why_cancelled(connection, job) or reason
        note_progress(connection, job.study_id, reason, now)
        self._note(transaction, job, choices, reason)

    def _plan_impression(self, transaction: Transaction, one: Summary, written_for: datetime, now: datetime) -> None:
        """The study goes on saying where its results are."""
        choices, late = self._chosen(transaction, one, OF_A_STUDY, written_for, now)
        self._note(transaction, one, choices, self._reason(late))

    def _chosen(
        self,
        transaction: Transaction,
        item: Job | Summary,
        of: Collection[ResultKind],
        written_for: datetime,
        now: datetime,
    ) -> tuple[dict[str, list[dict[str, str | None]]], list[str]]:
        """What each destination gets, and those that came to take others: for these it is written again.

        `written_for` is the moment of the answers that the results were written for. A destination whose profile shows
        no impression gets none, and no delivery of nothing.
        """
        connection = transaction.connection
        written = [one.form for one in results.results_of(connection, item)]
        choices, late = {}, []
        for one in self._destinations:
            chosen = one.choose(connection, written, of)
            if isinstance(item, Summary) and not chosen:
                continue
            planned = deliveries.plan_delivery(connection, item, one.name, chosen, REWRITES)
            if planned and one.changed_since(connection, written_for) and REWRITES.delay(planned.rewritten + 1):
                deliveries.hold_back(connection, planned, written_for, REWRITES.longest)
                late.append(one.name)
            elif planned:
                choices[one.name] = deliveries.chosen_as_json(chosen)
        if late:
            of_results.write_again(transaction, item, now)
        return choices, late

    def _note(
        self,
        transaction: Transaction,
        item: Job | Summary,
        choices: Mapping[str, list[dict[str, str | None]]],
        reason: str,
    ) -> None:
        details = {"destinations": list(choices), "choices": choices, "reason": reason}
        transaction.record(Action.DELIVERY_PLANNED, item.study_id, **of_results.named(item), **details)
        transaction.wake(deliveries.DELIVERIES_CHANNEL)

    def _reason(self, late: Sequence[str]) -> str:
        if late:
            return f"results are written again: {', '.join(late)} came to take others meanwhile"
        names = ", ".join(one.name for one in self._destinations)
        return f"results wait to be sent to {names}" if names else "results kept; no destination is configured"

    def _leave(self, transaction: Transaction, item: Job | Summary, reason: str) -> None:
        said = {**of_results.named(item), "destinations": [], "reason": reason}
        transaction.record(Action.DELIVERY_PLANNED, item.study_id, **said)


def _announced(event: Event) -> int:
    """How many objects."""
    return event.data.objects if isinstance(event.data, SummaryWritten) else event.of(ResultsWritten).objects


def _newer_exist(connection: Connection, item: Job | Summary) -> bool:
    if isinstance(item, Job):
        return results.newer_exist(connection, item)
    return summaries.newer_exist(connection, item)
