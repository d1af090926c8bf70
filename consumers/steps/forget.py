"""A destination that is none any more: what was still to go there goes nowhere, and studies no longer wait for it."""

from datetime import datetime

from audit.trail import Action, Ledger
from consumers.steps import stuck
from consumers.steps.deliver import about
from domain.ids import StudyId
from store import deliveries
from store.deliveries import DELIVERIES


def forget(ledger: Ledger, destination: str, now: datetime) -> tuple[int, int]:
    """Cancel what has not arrived at `destination`; how many deliveries that were, and how many studies go on by it."""
    reason = f"{destination} is no destination any more"
    with ledger.transaction() as transaction:
        dropped = deliveries.unfinished(transaction.connection, destination)
        for one in dropped:
            DELIVERIES.move(transaction.connection, one.id, DELIVERIES.cancel, reason=reason)
            transaction.record(Action.DELIVERY_CANCELLED, one.study_id, **about(one), reason=reason)
        studies = sorted({StudyId(one.study_id) for one in dropped})
        released = [one for one in studies if stuck.release_if_nothing_is_left(transaction, one, reason, now)]
    return len(dropped), len(released)
