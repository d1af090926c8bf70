"""Newer results have arrived: of older ones that the same destination has, a rejection note is made, by its profile."""

from collections.abc import Sequence
from datetime import datetime

from audit.actions import Action
from audit.trail import Transaction
from consumers.steps import of_results
from domain.events import Event
from domain.rejections import Cause
from store import rejections
from store.deliveries import Delivery


def reject(transaction: Transaction, older: Sequence[Delivery], now: datetime) -> None:
    """Have a note made for each of these deliveries that has something out and none yet; it is sent when written."""
    for one in older:
        if rejections.is_rejected(transaction.connection, one.id):
            continue
        if rejections.request(transaction.connection, one, Cause.SUPERSEDED):
            _announce(transaction, one, now)


def _announce(transaction: Transaction, delivery: Delivery, now: datetime) -> None:
    older = of_results.behind(transaction.connection, delivery)
    transaction.emit(Event(of_results.rejected(older, Cause.SUPERSEDED, 1), delivery.study_id, now))
    said = {**of_results.named(older), "destination": delivery.destination}
    transaction.record(Action.SUPERSEDED, delivery.study_id, **said)
