"""What is announced of results, of a run of a model or a study's impression alike: each has events of its own."""

from datetime import datetime

from audit.trail import Transaction
from consumers.steps.request_results import request_results
from domain.events import (
    DeliveryFailed,
    Event,
    Payload,
    ResultsDelivered,
    ResultsRejected,
    SummaryDelivered,
    SummaryRejected,
    SummaryRequested,
    SummaryUndelivered,
)
from domain.rejections import Cause
from store import jobs, summaries
from store.database import Connection
from store.deliveries import Delivery
from store.jobs import Job
from store.rejections import Rejection
from store.summaries import Summary


def behind(connection: Connection, one: Delivery | Rejection) -> Job | Summary:
    """The run or the impression whose results a delivery, or a note, is of."""
    if one.job_id is not None:
        return jobs.get(connection, one.job_id)
    assert one.summary_id is not None
    return summaries.get(connection, one.summary_id)


def named(one: Job | Summary | Delivery) -> dict[str, str]:
    """What the trail calls it by."""
    if isinstance(one, Delivery):
        return {"job": str(one.job_id)} if one.job_id is not None else {"summary": str(one.summary_id)}
    return {"job": str(one.id)} if isinstance(one, Job) else {"summary": str(one.id)}


def delivered(one: Delivery) -> Payload:
    """That it has arrived."""
    if one.job_id is not None:
        return ResultsDelivered(one.job_id, one.id, one.destination)
    assert one.summary_id is not None
    return SummaryDelivered(one.summary_id, one.revision, one.id, one.destination)


def undelivered(one: Delivery, state: str) -> Payload:
    """That it could not be handed over."""
    if one.job_id is not None:
        return DeliveryFailed(one.job_id, one.id, one.destination, state)
    assert one.summary_id is not None
    return SummaryUndelivered(one.summary_id, one.revision, one.id, one.destination, state)


def rejected(one: Job | Summary, cause: Cause, notes: int) -> Payload:
    """That it counts no more."""
    if isinstance(one, Job):
        return ResultsRejected(one.id, one.model, one.version, cause.value, notes)
    return SummaryRejected(one.id, one.revision, cause.value, notes)


def write_again(transaction: Transaction, one: Job | Summary, now: datetime) -> None:
    """Have it written for what destinations take by now; what is written already stays as it is."""
    if isinstance(one, Job):
        request_results(transaction, one, now)
    else:
        transaction.emit(Event(SummaryRequested(one.id, one.revision), one.study_id, now))
