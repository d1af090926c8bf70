"""Work on images that a person has found to be of somebody else: no run goes on, and what it gave is withdrawn."""

from datetime import datetime

from audit.trail import Action, Transaction
from consumers.steps.withdraw import withdraw
from domain.ids import StudyId
from store import jobs
from store.jobs import JOBS


def disown(transaction: Transaction, study: StudyId, reason: str, now: datetime) -> int:
    """End what was begun on the study's images, whose jobs and deliveries are locked; how many results go back."""
    for job in jobs.unfinished(transaction.connection, study):
        JOBS.move(transaction.connection, job, JOBS.cancel, reason=reason)
        transaction.record(Action.JOB_CANCELLED, study, job=str(job), reason=reason)
    return withdraw(transaction, study, reason, now)
