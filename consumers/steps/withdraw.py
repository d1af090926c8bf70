"""Results that are wrong are taken back: what is not out goes nowhere, and of what is out a rejection note is made."""

from dataclasses import dataclass
from datetime import datetime

from audit.actions import Action
from audit.trail import Ledger, Transaction
from consumers.steps import of_results, stuck
from consumers.steps.deliver import about
from consumers.steps.request_summary import stop_summaries
from domain.errors import Permanent
from domain.events import Event
from domain.ids import StudyId
from domain.rejections import Cause
from domain.states import DeliveryState
from store import deliveries, jobs, rejections, results, studies, summaries
from store.deliveries import DELIVERIES, Delivery
from store.jobs import Job
from store.queries.standing import standing
from store.studies import note_progress
from store.summaries import Summary

_GOING = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.FAILED, DeliveryState.REFUSED)


@dataclass(frozen=True)
class Withdrawn:
    """What was taken back: of how many runs, and which destinations have some of it."""

    runs: int
    destinations: tuple[str, ...]


def withdraw(transaction: Transaction, study_id: StudyId, reason: str, now: datetime, user: str = "") -> int:
    """Take back everything that models made of a study; of how many runs, 0 where there is nothing to take back.

    Runs that have not ended are stopped, results that are not out are cancelled, and for each destination that has any
    a rejection note is made, which its profile lets go or not. What a later run finds is not concerned: a newer
    revision gets results of its own, also of the same images, unless a person called theirs wrong. `reason` is words
    for people, without anything that names a patient; `user` is who said so, where a person did. Locks jobs,
    deliveries, notes and the study, in this order (store.locks): to be called before anything that locks the study.
    """
    connection = transaction.connection
    jobs.lock(connection, study_id)
    deliveries.lock(connection, study_id)
    rejections.lock(connection, study_id)
    before = standing(connection, study_id)
    taken, stopped = jobs.withdraw(connection, study_id, reason, now, user)
    for job in stopped:
        transaction.record(Action.JOB_CANCELLED, study_id, job=str(job.id), reason=reason)
    if taken or stopped:
        studies.lock_revision(connection, study_id)
        stop_summaries(transaction, study_id, reason, failed=True)
    for one in (*taken, *(summaries.withdraw(connection, study_id, now) if taken or stopped else ())):
        noted = _take_back(transaction, one, reason, now)
        objects = [result.sop_uid for result in results.results_of(connection, one)]
        said = {**of_results.named(one), "reason": reason, "destinations": noted, "objects": objects}
        changed = before.changed(connection, one.id)
        transaction.record(Action.WITHDRAWN, study_id, **said, **changed, **({"user": user} if user else {}))
    if taken or stopped:
        note_progress(connection, study_id, f"results withdrawn: {reason}", now)
        transaction.wake(deliveries.DELIVERIES_CHANNEL)
    return len(taken) + len(stopped)


def withdraw_results(ledger: Ledger, study: StudyId, reason: str, user: str, now: datetime) -> Withdrawn:
    """As `withdraw`, at a person's order; a study that was stuck for its deliveries alone goes on.

    Raises Permanent where there is nothing to take back.
    """
    with ledger.transaction() as transaction:
        failed = bool(deliveries.ended_badly(transaction.connection, study))
        before = set(rejections.withdrawn_from(transaction.connection, study))
        runs = withdraw(transaction, study, reason, now, user)
        if not runs:
            raise Permanent("there is nothing to withdraw: no model has results of this study, or is at work on it")
        if failed:
            stuck.release_if_nothing_is_left(transaction, study, f"results withdrawn: {reason}", now)
        told = set(rejections.withdrawn_from(transaction.connection, study)) - before
    return Withdrawn(runs, tuple(sorted({destination for _, destination in told})))


def _take_back(transaction: Transaction, taken: Job | Summary, reason: str, now: datetime) -> list[str]:
    """One run's results, or one impression, wherever they are; which destinations have any."""
    every = deliveries.of_study(transaction.connection, taken.study_id)
    own = [one for one in every if taken.id in (one.job_id, one.summary_id)]
    for one in own:
        _cancel(transaction, one, reason)
    noted = [one.destination for one in own if rejections.request(transaction.connection, one, Cause.WITHDRAWN)]
    transaction.emit(Event(of_results.rejected(taken, Cause.WITHDRAWN, len(noted)), taken.study_id, now))
    return noted


def _cancel(transaction: Transaction, delivery: Delivery, reason: str) -> None:
    """Send no more of it. Whether what a sender has in hand at this moment arrives, nobody can say."""
    if delivery.state not in _GOING:
        return
    if delivery.state is DeliveryState.SENDING:
        deliveries.note_unanswered(transaction.connection, delivery.id)
    said = f"its results were withdrawn: {reason}"
    DELIVERIES.move(transaction.connection, delivery.id, DELIVERIES.cancel, reason=said)
    transaction.record(Action.DELIVERY_CANCELLED, delivery.study_id, **about(delivery), reason=reason)
