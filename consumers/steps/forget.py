"""A destination that is none any more: what was still to go there goes nowhere, and studies no longer wait for it."""

from dataclasses import dataclass
from datetime import datetime

from audit.actions import Action
from audit.trail import Ledger
from consumers.steps import stuck
from consumers.steps.deliver import about
from consumers.steps.deliver_note import about as about_note
from domain.errors import Permanent
from domain.pauses import Held
from store import deliveries, destinations, pauses, rejections
from store.database import Database
from store.deliveries import DELIVERIES
from store.holders import is_served, who_serves_is_known
from store.rejections import REJECTIONS
from store.studies import note_progress

_UNKNOWN = (
    "a node works on this database and none of its processes says what it serves: wait until its role deliver is back, "
    "or stop the node first"
)


@dataclass(frozen=True)
class Forgotten:
    """How many deliveries and rejection notes were cancelled, and how many studies go on by it."""

    deliveries: int
    notes: int
    studies: int


def intended(database: Database, destination: str) -> Forgotten:
    """What `forget` would cancel, and of how many studies; nothing is done."""
    with database.transaction() as connection:
        results = deliveries.unfinished(connection, destination)
        notes = rejections.unfinished(connection, destination)
    studies = {*(one.study_id for one in results), *(one.study_id for one in notes)}
    return Forgotten(len(results), len(notes), len(studies))


def forget(ledger: Ledger, destination: str, now: datetime) -> Forgotten:
    """Cancel what has not arrived at `destination`, results and rejection notes.

    Raises Permanent where a living process delivers there, or where a node works on the database that does not say.
    """
    reason = f"{destination} is no destination any more"
    with ledger.transaction() as transaction:
        if is_served(transaction.connection, destination):
            raise Permanent(f"a running node serves {destination}: take it out of its settings first, and restart it")
        if not who_serves_is_known(transaction.connection):
            raise Permanent(_UNKNOWN)
        dropped = deliveries.unfinished(transaction.connection, destination)
        for one in dropped:
            DELIVERIES.move(transaction.connection, one.id, DELIVERIES.cancel, reason=reason, forgotten=True)
            transaction.record(Action.DELIVERY_CANCELLED, one.study_id, **about(one), reason=reason)
        untold = rejections.unfinished(transaction.connection, destination)
        for note in untold:
            REJECTIONS.move(transaction.connection, note.id, REJECTIONS.cancel, reason=reason, forgotten=True)
            transaction.record(Action.DELIVERY_CANCELLED, note.study_id, **about_note(note), reason=reason)
        counts = {"deliveries": len(dropped), "notes": len(untold)}
        transaction.record(Action.DESTINATION_FORGOTTEN, destination=destination, **counts)
        pauses.resume(transaction.connection, Held.DESTINATION, destination)
        destinations.note_forgotten(transaction.connection, destination)
        released = []
        of = {*(one.study_id for one in dropped), *(note.study_id for note in untold)}
        for study in sorted(of):
            if stuck.release_if_nothing_is_left(transaction, study, reason, now):
                released.append(study)
            note_progress(transaction.connection, study, reason, now)
    return Forgotten(len(dropped), len(untold), len(released))
