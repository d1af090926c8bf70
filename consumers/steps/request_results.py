"""Asks for a job's results once more, without a run of its model. Who asks need not know how results are written."""

from datetime import datetime

from audit.trail import Transaction
from domain.events import Event, ResultsRequested
from store.jobs import Job


def request_results(transaction: Transaction, job: Job, now: datetime) -> None:
    """Have a job's results written for what destinations take by now; what is written already stays as it is."""
    transaction.emit(Event(ResultsRequested(job.id, job.model, job.version, job.revision), job.study_id, now))
