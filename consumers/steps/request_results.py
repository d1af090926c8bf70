"""Asks for a job's results once more, without a run of its model. Who asks need not know how results are written."""

from datetime import datetime

from audit.trail import Transaction
from domain.events import Event, EventType
from store.jobs import Job


def write_again(transaction: Transaction, job: Job, now: datetime) -> None:
    """Have a job's results written for what destinations take by now; what is written already stays as it is."""
    segments = len(job.findings["segments"]) if job.findings else 0
    data = {"job": str(job.id), "model": job.model, "version": job.version, "revision": job.revision}
    transaction.emit(Event(EventType.INFERENCE_COMPLETED, job.study_id, now, {**data, "segments": segments}))
