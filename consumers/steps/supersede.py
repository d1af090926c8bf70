"""Newer results have arrived: of older ones that the same destination has, a rejection note is made, by its profile."""

from collections.abc import Sequence
from datetime import datetime

from audit.trail import Action, Transaction
from domain.events import Event, ResultsRejected
from domain.rejections import Cause
from store import jobs, rejections
from store.deliveries import Delivery


def reject(transaction: Transaction, older: Sequence[Delivery], now: datetime) -> None:
    """Have a note made for each of these deliveries that has something out and none yet; it is sent when written."""
    for one in older:
        if rejections.is_rejected(transaction.connection, one.id):
            continue
        if rejections.request(transaction.connection, one, Cause.SUPERSEDED):
            _announce(transaction, one, now)


def _announce(transaction: Transaction, delivery: Delivery, now: datetime) -> None:
    job = jobs.get(transaction.connection, delivery.job_id)
    data = ResultsRejected(job.id, job.model, job.version, Cause.SUPERSEDED.value, 1)
    transaction.emit(Event(data, delivery.study_id, now))
    transaction.record(Action.SUPERSEDED, delivery.study_id, job=str(job.id), destination=delivery.destination)
