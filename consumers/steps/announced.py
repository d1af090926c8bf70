"""What an event says of a job, held against the job's row before anything is done about it."""

from domain.errors import Unfounded
from domain.events import Event, OfJob
from domain.states import JobState
from store import jobs
from store.database import Connection
from store.jobs import Job


def finished_job(connection: Connection, event: Event) -> Job:
    """The job that `event` is about, which has findings.

    Raises Unfounded where there is no such job, it is of another study or package, or has not run; Permanent where the
    event is about no job.
    """
    said = event.of(OfJob)
    job = jobs.find(connection, said.job)
    if job is None or (job.study_id, job.model, job.version) != (event.study_id, said.model, said.version):
        raise Unfounded("there is no such job of this study")
    if job.state is not JobState.SUCCEEDED or job.findings is None or job.finished_at is None:
        raise Unfounded("the job has no findings")
    return job
