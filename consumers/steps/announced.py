"""What an event says of a job or an impression, held against its row before anything is done about it."""

from domain.errors import Unfounded
from domain.events import Event, OfJob, OfSummary
from domain.states import JobState, SummaryState
from store import jobs, summaries
from store.database import Connection
from store.jobs import Job
from store.summaries import Summary


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


def written_summary(connection: Connection, event: Event) -> Summary:
    """The impression that `event` is about, which is written.

    Raises Unfounded where there is no such impression, it is of another study or not written; Permanent where the event
    is about no impression.
    """
    summary = summaries.find(connection, event.of(OfSummary).summary)
    if summary is None or summary.study_id != event.study_id:
        raise Unfounded("there is no such impression of this study")
    if summary.state is not SummaryState.SUCCEEDED or summary.finished_at is None:
        raise Unfounded("the impression is not written")
    return summary
