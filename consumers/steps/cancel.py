"""A person ends what is not yet done of a study: no model runs on it any more, and nothing further of it goes out."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from audit.actions import Action
from audit.trail import Ledger, Transaction
from consumers.steps import stuck
from consumers.steps.deliver import about
from consumers.steps.request_summary import stop_summaries
from domain.errors import Permanent
from domain.ids import StudyId
from domain.states import DeliveryState, JobEvent, StudyState
from store import deliveries, jobs, rejections, routing, studies, summaries
from store.database import Connection
from store.deliveries import DELIVERIES, Delivery
from store.jobs import JOBS, Job
from store.queries.standing import standing
from store.summaries import Summary

_COMES_IN = "its instances still come in, and its models are asked when it is complete: ask again then"
_UNASKED = "its models are being asked at this moment, or none is installed: dicom-node status STUDY"
_NOTHING = "there is nothing to cancel: no model waits or runs, and nothing of it is on its way"
_GOING = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.FAILED, DeliveryState.REFUSED)


@dataclass(frozen=True)
class Cancelled:
    """How many runs, deliveries and impressions were ended, and whether the study is stuck no more."""

    jobs: int
    deliveries: int
    impressions: int
    goes_on: bool


def cancel(
    ledger: Ledger, study: StudyId, reason: str, user: str, now: datetime, destinations: Collection[str] = ()
) -> Cancelled:
    """End what waits, runs, failed or is on its way; what has arrived stays, and so do rejection notes.

    `destinations` are those that are served: what is written of findings later goes to none of them either. `retry`
    sets all of it going again, and so do further images for the models. Raises Permanent while instances come in, and
    where there is nothing to end.
    """
    said = f"cancelled by {user}: {reason}"
    with ledger.transaction() as transaction:
        connection = transaction.connection
        jobs.lock(connection, study)
        deliveries.lock(connection, study)
        rejections.lock(connection, study)
        state, revision = studies.lock_revision(connection, study)
        if state in (StudyState.RECEIVING, StudyState.AMENDED):
            raise Permanent(_COMES_IN)
        if not routing.was_decided(connection, study, revision):
            raise Permanent(_UNASKED)
        before = standing(connection, study)
        ended = _jobs(transaction, study, said)
        stopped = _deliveries(transaction, study, said) + _unplanned(transaction, study, destinations, said)
        unwritten = stop_summaries(transaction, study, said, failed=True)
        if not ended and not stopped and not unwritten:
            raise Permanent(_NOTHING)
        released = stuck.release_if_nothing_is_left(transaction, study, said, now)
        studies.note_progress(connection, study, said, now)
        counts = {"jobs": ended, "deliveries": stopped, "impressions": unwritten}
        why = {"revision": revision, "reason": reason, "user": user}
        transaction.record(Action.CANCELLED, study, **why, **counts, **before.changed(connection))
    return Cancelled(ended, stopped, unwritten, released or state is not StudyState.STUCK)


def _jobs(transaction: Transaction, study: StudyId, said: str) -> int:
    """End what waits or runs, and let nobody wait for what failed; one that runs writes no outcome."""
    connection = transaction.connection
    going, failed = jobs.going(connection, study), jobs.ended_badly(connection, study)
    for one in (*going, *failed):
        event = JobEvent.ACCEPT if one in failed else JobEvent.CANCEL
        JOBS.move(connection, one.id, event, reason=said, accepted=True)
        transaction.record(Action.JOB_CANCELLED, study, job=str(one.id), model=one.model, reason=said)
    return len(going) + len(failed)


def _deliveries(transaction: Transaction, study: StudyId, said: str) -> int:
    """End what is on its way; whether what a sender has in hand at this moment arrives, nobody can say."""
    going = [one for one in deliveries.of_study(transaction.connection, study) if one.state in _GOING]
    for one in going:
        if one.state is DeliveryState.SENDING:
            deliveries.note_unanswered(transaction.connection, one.id)
        _end(transaction, one, said)
    return len(going)


def _unplanned(transaction: Transaction, study: StudyId, destinations: Collection[str], said: str) -> int:
    """Let what is found and not yet planned go nowhere."""
    made = [
        one
        for item in _with_results(transaction.connection, study)
        for destination in sorted(destinations)
        if (one := deliveries.make(transaction.connection, item, destination))
    ]
    for one in made:
        _end(transaction, one, said)
    return len(made)


def _with_results(connection: Connection, study: StudyId) -> list[Job | Summary]:
    """What has, or will have, results of its own."""
    impression = summaries.newest(connection, study)
    return [*jobs.done(connection, study), *([impression] if impression and impression.has_results else [])]


def _end(transaction: Transaction, one: Delivery, said: str) -> None:
    # What was planned is remembered by `retry`; what was not is planned then.
    planned = bool(one.planned_at)
    DELIVERIES.move(transaction.connection, one.id, DELIVERIES.cancel, reason=said, forgotten=planned)
    transaction.record(Action.DELIVERY_CANCELLED, one.study_id, **about(one), reason=said)
