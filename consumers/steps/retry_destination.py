"""Another chance for all that a destination did not get, when it was mended; what failed for other reasons stays so."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from audit.actions import Action
from audit.trail import Ledger, Transaction
from consumers.steps import of_results, stuck
from domain.ids import StudyId
from store import deliveries, jobs, rejections, results, summaries
from store.database import Connection, Database
from store.deliveries import DELIVERIES_CHANNEL
from store.jobs import Job
from store.queries.standing import standing
from store.summaries import Summary

_REASON = "asked for again, with all that goes to {}"


@dataclass(frozen=True)
class RetriedDestination:
    """How many deliveries and rejection notes were set going again or need not wait, and of how many studies."""

    deliveries: int
    notes: int
    studies: int


def studies_that_wait(database: Database, destination: str, is_destination: bool = False) -> list[StudyId]:
    """Those with something that the destination refused, that was given up, or that waits.

    Where it is one that is served, also those with results that went nowhere, with a destination that was forgotten.
    """
    with database.transaction() as connection:
        forgotten = deliveries.studies_forgotten_without(connection, destination) if is_destination else []
        waiting = deliveries.studies_without(connection, destination)
        return sorted({*waiting, *forgotten, *rejections.studies_without(connection, destination)})


def retry_destination(
    ledger: Ledger,
    destination: str,
    is_destination: bool,
    now: datetime,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> RetriedDestination:
    """Send it at once, a transaction a study; a study that was stuck for this alone goes on.

    `is_destination` says whether a node serves it: what went with a forgotten one then goes there instead. `tell` hears
    of how many studies of how many are done.
    """
    reason = _REASON.format(destination)
    sent = notes = 0
    waiting = studies_that_wait(ledger.database, destination, is_destination)
    for number, study in enumerate(waiting, 1):
        with ledger.transaction() as transaction:
            connection = transaction.connection
            jobs.lock(connection, study)
            deliveries.lock(connection, study)
            rejections.lock(connection, study)
            before = standing(connection, study)
            tried = deliveries.reopen(connection, study, reason, destination=destination)
            tried = max(tried, deliveries.hurry(connection, study, destination))
            tried += _instead(transaction, study, destination, now) if is_destination else 0
            told = rejections.try_anew(connection, study, reason, destination)
            stuck.release_if_nothing_is_left(transaction, study, reason, now)
            done = {"destination": destination, "deliveries": tried, "notes": told}
            transaction.record(Action.RETRIED, study, **done, **before.changed(connection))
            transaction.wake(DELIVERIES_CHANNEL)
        sent, notes = sent + tried, notes + told
        tell(number, len(waiting))
    return RetriedDestination(sent, notes, len(waiting))


def _instead(transaction: Transaction, study: StudyId, destination: str, now: datetime) -> int:
    """Have planned for the destination what went with a forgotten one; of how many models' results."""
    connection = transaction.connection
    forgotten = {one.job_id or one.summary_id: one for one in deliveries.forgotten(connection, study)}
    items = [of_results.behind(connection, one) for one in forgotten.values() if not one.withdrawn]
    wanted = [one for one in items if _lacks(connection, one, destination)]
    for one in wanted:
        of_results.write_again(transaction, one, now)
    return sum(isinstance(one, Job) for one in wanted)


def _lacks(connection: Connection, item: Job | Summary, destination: str) -> bool:
    if destination in deliveries.planned_for(connection, item):
        return False
    if isinstance(item, Job):
        return not results.newer_exist(connection, item)
    return not summaries.newer_exist(connection, item)
