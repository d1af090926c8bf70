"""Results that were made of images which a person has found to be wrong: nothing of them goes out any more."""

from datetime import datetime

from audit.trail import Action, Transaction
from consumers.steps.deliver import about
from domain.ids import StudyId
from store import deliveries
from store.deliveries import DELIVERIES


def withdraw(transaction: Transaction, study_id: StudyId, reason: str, now: datetime) -> int:
    """Cancel what of the study's results has not arrived; how many deliveries that were."""
    waiting = deliveries.unfinished_of(transaction.connection, study_id)
    for one in waiting:
        DELIVERIES.move(transaction.connection, one.id, DELIVERIES.cancel, reason=reason)
        transaction.record(Action.DELIVERY_CANCELLED, study_id, **about(one), reason=reason)
    return len(waiting)
