"""Another chance for all that a destination did not get, when it was mended; what failed for other reasons stays so."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from audit.trail import Action, Ledger
from consumers.steps import stuck
from domain.ids import StudyId
from store import deliveries, jobs, rejections
from store.database import Database
from store.deliveries import DELIVERIES_CHANNEL

_REASON = "asked for again, with all that goes to {}"


@dataclass(frozen=True)
class RetriedDestination:
    """How many deliveries and rejection notes were set going again or need not wait, and of how many studies."""

    deliveries: int
    notes: int
    studies: int


def studies_that_wait(database: Database, destination: str) -> list[StudyId]:
    """Those with something that the destination refused, that was given up, or that waits."""
    with database.transaction() as connection:
        return sorted(
            {*deliveries.studies_without(connection, destination), *rejections.studies_without(connection, destination)}
        )


def retry_destination(
    ledger: Ledger, destination: str, now: datetime, tell: Callable[[int, int], None] = lambda done, of: None
) -> RetriedDestination:
    """Send it at once, a transaction a study; a study that was stuck for this alone goes on.

    `tell` hears of how many studies of how many are done.
    """
    reason = _REASON.format(destination)
    sent = notes = 0
    waiting = studies_that_wait(ledger.database, destination)
    for number, study in enumerate(waiting, 1):
        with ledger.transaction() as transaction:
            connection = transaction.connection
            jobs.lock(connection, study)
            deliveries.lock(connection, study)
            rejections.lock(connection, study)
            tried = deliveries.reopen(connection, study, reason, destination=destination)
            tried = max(tried, deliveries.hurry(connection, study, destination))
            told = rejections.try_anew(connection, study, reason, destination)
            stuck.release_if_nothing_is_left(transaction, study, reason, now)
            done = {"destination": destination, "deliveries": tried, "notes": told}
            transaction.record(Action.RETRIED, study, **done)
            transaction.wake(DELIVERIES_CHANNEL)
        sent, notes = sent + tried, notes + told
        tell(number, len(waiting))
    return RetriedDestination(sent, notes, len(waiting))
