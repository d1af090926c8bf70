"""Inference jobs as rows with a lease: who works on what, until when, and what came of it."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select, update

from domain.ids import JobId, StudyId
from domain.states import JOB, JobEvent, JobState, advance
from store.tables import instances, jobs, studies

_LIVE = (JobState.LEASED, JobState.RUNNING)


@dataclass(frozen=True)
class Job:
    """One inference, as it stands."""

    id: JobId
    study_id: StudyId
    series_id: uuid.UUID
    revision: int
    model: str
    version: str
    model_digest: str
    state: JobState
    attempts: int
    requested_at: datetime
    finished_at: datetime | None
    findings: dict[str, Any] | None
    inputs: dict[str, str]


def claim(connection: Connection, owner: str, now: datetime, lease: float, like: Job | None = None) -> Job | None:
    """Take the oldest job that is due, for `lease` seconds; None where none is. Counts as an attempt.

    With `like`, one of the same model, version and digest.
    """
    job = _pick(connection, and_(_due(now), *(_same_model(like) if like else ())))
    if job is None:
        return None
    state = advance(JOB, advance(JOB, job.state, JobEvent.LEASE), JobEvent.START)
    _set(
        connection,
        job.id,
        state=state,
        reason=f"runs at {owner}",
        since=now,
        owner=owner,
        lease_until=now + timedelta(seconds=lease),
        attempts=job.attempts + 1,
    )
    return get(connection, job.id)


def peek(connection: Connection, now: datetime) -> Job | None:
    """The oldest job that is due, left where it is; None where none is."""
    row = connection.execute(select(jobs).where(_due(now)).order_by(jobs.c.not_before, jobs.c.id).limit(1))
    found = row.one_or_none()
    return _job(found) if found else None


def renew(connection: Connection, job: uuid.UUID, owner: str, until: datetime) -> bool:
    """Prolong the lease; False where the job is no longer `owner`'s."""
    statement = update(jobs).where(jobs.c.id == job, jobs.c.owner == owner, jobs.c.state.in_(_LIVE))
    return connection.execute(statement.values(lease_until=until)).rowcount > 0


def pick_lost(connection: Connection, owner: str | None, now: datetime) -> Job | None:
    """A job whose lease has run out, or that `owner` held when it died; locked."""
    gone = jobs.c.lease_until < now
    return _pick(connection, and_(jobs.c.state.in_(_LIVE), or_(gone, jobs.c.owner == owner) if owner else gone))


def ended_badly(connection: Connection, study: uuid.UUID) -> list[Job]:
    """The jobs of the study's present revision that failed or timed out, locked."""
    present = select(studies.c.revision).where(studies.c.id == study).scalar_subquery()
    states = (JobState.FAILED, JobState.TIMED_OUT)
    ended = and_(jobs.c.study_id == study, jobs.c.revision == present, jobs.c.state.in_(states))
    return [_job(row) for row in connection.execute(select(jobs).where(ended).order_by(jobs.c.id).with_for_update())]


def lock_own(connection: Connection, job: uuid.UUID, owner: str) -> bool:
    """Lock the job for its last step; False where another worker has it by now."""
    statement = select(jobs.c.id).where(jobs.c.id == job, jobs.c.owner == owner, jobs.c.state.in_(_LIVE))
    return connection.execute(statement.with_for_update()).one_or_none() is not None


def move(connection: Connection, job: Job, *happened: JobEvent, now: datetime, reason: str, **values: Any) -> JobState:
    """Take the job through `happened`, one after the other; the state that it then has."""
    state = job.state
    for event in happened:
        state = advance(JOB, state, event)
    _set(connection, job.id, state=state, reason=reason, since=now, owner=None, lease_until=None, **values)
    return state


def get(connection: Connection, job: uuid.UUID) -> Job:
    """The job with this id."""
    return _job(connection.execute(select(jobs).where(jobs.c.id == job)).one())


def objects_of(connection: Connection, job: Job) -> dict[str, list[tuple[str, str]]]:
    """SOP Instance UID and object key of every instance of each of the job's inputs, in one order.

    A job that an earlier release requested names its one series and no input, which is then called "".
    """
    inputs = job.inputs or {"": str(job.series_id)}
    found = connection.execute(
        select(instances.c.series_id, instances.c.sop_uid, instances.c.object_key)
        .where(
            instances.c.series_id.in_([uuid.UUID(one) for one in inputs.values()]),
            instances.c.revision <= job.revision,
        )
        .order_by(instances.c.sop_uid)
    )
    rows = [(str(row.series_id), row.sop_uid, row.object_key) for row in found]
    return {name: [(uid, key) for one, uid, key in rows if one == series] for name, series in inputs.items()}


def next_due(connection: Connection) -> datetime | None:
    """When the next job may be taken."""
    statement = select(func.min(jobs.c.not_before)).where(jobs.c.state == JobState.REQUESTED)
    return connection.execute(statement).scalar_one_or_none()


def waiting(connection: Connection) -> tuple[int, datetime | None]:
    """How many jobs wait, and since when the oldest."""
    row = connection.execute(
        select(func.count(), func.min(jobs.c.requested_at)).where(jobs.c.state == JobState.REQUESTED)
    ).one()
    return row[0], row[1]


def _due(now: datetime) -> Any:
    return and_(jobs.c.state == JobState.REQUESTED, jobs.c.not_before <= now)


def _same_model(job: Job) -> tuple[Any, ...]:
    return jobs.c.model == job.model, jobs.c.version == job.version, jobs.c.model_digest == job.model_digest


def _pick(connection: Connection, condition: Any) -> Job | None:
    statement = select(jobs).where(condition).order_by(jobs.c.not_before, jobs.c.id).limit(1)
    row = connection.execute(statement.with_for_update(skip_locked=True)).one_or_none()
    return _job(row) if row else None


def _set(connection: Connection, job: uuid.UUID, **values: Any) -> None:
    connection.execute(update(jobs).where(jobs.c.id == job).values(**values))


def _job(row: Row[Any]) -> Job:
    fields = {name: getattr(row, name) for name in Job.__dataclass_fields__}
    return Job(**{**fields, "state": JobState(row.state)})
