"""What becomes of jobs that were started before their study was complete: nothing of them goes out until it wants them.

`steps/start_early` asks for them, `steps/infer` runs them, `steps/route` of the complete study confirms them or throws
them away.
"""

from datetime import datetime
from hashlib import file_digest
from pathlib import Path

from audit.actions import Action
from audit.trail import Transaction
from config import metrics
from domain.errors import Retryable
from domain.events import Event, InferenceCompleted
from domain.findings import Findings
from domain.ids import StudyId
from inference_worker.model_process import Task
from store import early
from store.jobs import Job
from store.studies import note_progress

FOUND = "done early; its study is not complete yet"
CHANGED = "started early in vain: more of its series came, or its images were corrected"
ENDED = "started early, and ended"
UNWANTED = "started early in vain: the complete study wants another input for the model, or none"


def announce(transaction: Transaction, job: Job, findings: Findings, now: datetime) -> None:
    """Say that the findings of a job count, so that its results are written."""
    note_progress(transaction.connection, job.study_id, f"{job.model} done; results are being written", now)
    data = InferenceCompleted(job.id, job.model, job.version, job.revision, len(findings.segments))
    transaction.emit(Event(data, job.study_id, now))


def want(transaction: Transaction, job: Job, now: datetime) -> None:
    """Say that the complete study wants a job that was started early, and have what it found written."""
    metrics.early_jobs.labels("wanted").inc()
    named = {"job": str(job.id), "model": job.model, "version": job.version, "revision": job.revision}
    transaction.record(Action.EARLY_WANTED, job.study_id, **named, state=job.state.value)
    if job.has_results and job.findings:
        announce(transaction, job, job.findings, now)


def leave(transaction: Transaction, study: StudyId, revision: int) -> None:
    """Throw away what was started early of a revision that is complete and does not want it."""
    for job in early.cancel(transaction.connection, study, revision, UNWANTED):
        metrics.early_jobs.labels("in vain").inc()
        transaction.record(Action.JOB_CANCELLED, study, job=str(job), reason=UNWANTED, early=True)


def fault(task: Task) -> Retryable | None:
    """Why an early job cannot be trusted with the files of `task`, None where it can.

    A complete study is on the disk; one that comes is not yet, so that after a loss of power a file may be another than
    the one that was indexed. Each is named by the SHA-256 of its content.
    """
    files = (file for files in task.files.values() for file in files)
    if all(_is_whole(file) for file in files):
        return None
    return Retryable("an image of it is not in the store as it was indexed")


def _is_whole(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return file_digest(opened, "sha256").hexdigest() == file.stem
    except OSError:
        return False
