"""A destination that is none any more: what was still to go there goes nowhere, and studies no longer wait for it."""

from datetime import datetime

from audit.trail import Action, Ledger
from consumers.steps import stuck
from consumers.steps.deliver import about
from domain.errors import Permanent
from domain.ids import StudyId
from store import deliveries
from store.deliveries import DELIVERIES
from store.holders import is_served
from store.studies import note_progress


def forget(ledger: Ledger, destination: str, now: datetime) -> tuple[int, int]:
    """Cancel what has not arrived at `destination`; how many deliveries that were, and how many studies go on by it.

    Raises Permanent where a living process delivers there.
    """
    reason = deliveries.forgotten_by(destination)
    with ledger.transaction() as transaction:
        if is_served(transaction.connection, destination):
            raise Permanent(f"a running node serves {destination}: take it out of its settings first, and restart it")
        dropped = deliveries.unfinished(transaction.connection, destination)
        for one in dropped:
            DELIVERIES.move(transaction.connection, one.id, DELIVERIES.cancel, reason=reason)
            transaction.record(Action.DELIVERY_CANCELLED, one.study_id, **about(one), reason=reason)
        released = []
        for study in sorted({StudyId(one.study_id) for one in dropped}):
            if stuck.release_if_nothing_is_left(transaction, study, reason, now):
                released.append(study)
            note_progress(transaction.connection, study, reason, now)
    return len(dropped), len(released)
