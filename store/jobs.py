"""Inference jobs as leased rows: what each is to do, and what came of it."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Row, and_, exists, or_, select, update

from domain.ids import JobId, StudyId, set_digest
from domain.states import JOB, JobEvent, JobState, StudyState
from store.leases import Condition, LeaseTable
from store.locks import locked_in_order
from store.tables import decisions, instances, jobs, studies

if TYPE_CHECKING:
    from domain.findings import Findings

# Wakes the workers.
JOBS_CHANNEL = "dicom_node_jobs"

JOBS = LeaseTable(
    jobs,
    JobState,
    JOB,
    waits=JobState.REQUESTED,
    claimed=(JobEvent.LEASE, JobEvent.START),
    held=(JobState.LEASED, JobState.RUNNING),
    lost=JobEvent.LEASE_LOST,
    retry=JobEvent.RETRY,
    cancel=JobEvent.CANCEL,
    give_up=JobEvent.FAIL,
    asked_at=jobs.c.requested_at,
    last=(jobs.c.early,),
)

# A study that still receives will be complete again soon, with a run of its own where its input has changed; one whose
# images name two patients waits for a person.
STUDY_IS_COMPLETE: Condition = ~exists(studies.c.id).where(
    studies.c.id == jobs.c.study_id,
    or_(studies.c.state.in_((StudyState.RECEIVING, StudyState.AMENDED)), studies.c.two_patients),
)

_STILL_COMES: Condition = exists(studies.c.id).where(
    studies.c.id == jobs.c.study_id,
    studies.c.state.in_((StudyState.RECEIVING, StudyState.AMENDED)),
    ~studies.c.two_patients,
)
# One that is early runs while its study comes; from then on it is the complete study that has to want it.
IS_DUE: Condition = or_(and_(~jobs.c.early, STUDY_IS_COMPLETE), and_(jobs.c.early, _STILL_COMES))


@dataclass(frozen=True)
class Job:
    """One inference, as it stands. `revision` is the study's newest that wants it.

    `input_set` is the digest of the files of its instances (domain.ids.set_digest). `images` are the SOP Instance UIDs
    that an input reads where it does not read the whole of its series and nothing else. `result_number` counts the
    study's results by this model, None where they are not written yet; with `withdrawn_at` they were taken back as
    wrong. One that is `early` was asked for before its study was complete, and no complete revision wants it so far:
    nothing of it may leave the node, and `revision` is the one that is to come.
    """

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
    findings: "Findings | None"
    inputs: dict[str, str]
    input_set: str
    images: dict[str, list[str]]
    accepted: bool
    result_number: int | None
    withdrawn_at: datetime | None
    early: bool

    @property
    def age(self) -> timedelta:
        """Attempts alone end a job."""
        return timedelta()

    @property
    def has_results(self) -> bool:
        """Whether it has findings that nobody took back."""
        return self.state is JobState.SUCCEEDED and self.findings is not None and self.withdrawn_at is None


OVERTAKEN = "a newer revision of the study does not want it"


def same_model(job: Job) -> Condition:
    """The jobs of the same package."""
    return and_(jobs.c.model == job.model, jobs.c.version == job.version, jobs.c.model_digest == job.model_digest)


def is_overtaken(connection: Connection, job: Job) -> bool:
    """Whether a newer revision of the study was routed: those of its jobs that it wants are its own by then."""
    newer = and_(decisions.c.study_id == job.study_id, decisions.c.revision > job.revision)
    return bool(connection.scalar(select(exists(decisions.c.revision).where(newer))))


def lock(connection: Connection, *of: uuid.UUID) -> int:
    """Lock the jobs of these studies: whoever writes the outcome of one is waited for; how many there are."""
    its_rows = locked_in_order(select(jobs.c.id).where(jobs.c.study_id.in_(of)), jobs)
    return len(connection.execute(its_rows).all())


def ended_badly(connection: Connection, study: uuid.UUID) -> list[Job]:
    """The jobs of the study's present revision that failed or timed out, and that nobody accepted so."""
    return _of_present_revision(connection, study, JobState.FAILED, JobState.TIMED_OUT)


def accepted(connection: Connection, study: uuid.UUID) -> list[Job]:
    """The jobs of the study's present revision that a person lets it go on without."""
    return [job for job in _of_present_revision(connection, study, JobState.CANCELLED) if job.accepted]


def not_suitable(connection: Connection, study: uuid.UUID) -> list[Job]:
    """The jobs of the study's present revision whose packages found the images not suitable."""
    return _of_present_revision(connection, study, JobState.NOT_SUITABLE)


def done(connection: Connection, study: uuid.UUID) -> list[Job]:
    """The jobs of the study's present revision that have findings which nobody took back."""
    succeeded = _of_present_revision(connection, study, JobState.SUCCEEDED)
    return [job for job in succeeded if job.has_results]


def of_present_revision(connection: Connection, study: uuid.UUID) -> list[Job]:
    """The jobs of the study's present revision, whatever became of them."""
    return _of_present_revision(connection, study, *JobState)


def _of_present_revision(connection: Connection, study: uuid.UUID, *states: JobState) -> list[Job]:
    present = select(studies.c.revision).where(studies.c.id == study).scalar_subquery()
    such = and_(jobs.c.study_id == study, jobs.c.revision == present, jobs.c.state.in_(states), ~jobs.c.early)
    return [_job(row) for row in connection.execute(select(jobs).where(such).order_by(jobs.c.id))]


def others_go_on(connection: Connection, job: Job) -> bool:
    """Whether another model's job on the same revision of the study did not end badly, as far as it has come."""
    ended = (JobState.FAILED, JobState.TIMED_OUT, JobState.CANCELLED)
    same = and_(jobs.c.study_id == job.study_id, jobs.c.revision == job.revision, jobs.c.id != job.id)
    found = select(jobs.c.id).where(same, ~jobs.c.early, jobs.c.state.not_in(ended)).limit(1)
    return connection.execute(found).first() is not None


def withdraw(
    connection: Connection, study: uuid.UUID, reason: str, now: datetime, user: str
) -> tuple[list[Job], list[Job]]:
    """Take back what the study's models found and stop those that were asked and have not: the ones and the others."""
    stopped = going(connection, study)
    for one in stopped:
        JOBS.move(connection, one.id, JOBS.cancel, reason=reason)
    done = and_(jobs.c.study_id == study, jobs.c.state == JobState.SUCCEEDED, jobs.c.withdrawn_at.is_(None))
    values = {"withdrawn_at": now, "withdrawn_for": reason, "withdrawn_by": user}
    taken = update(jobs).where(done).values(values).returning(jobs)
    return [_job(row) for row in connection.execute(taken)], stopped


def going(connection: Connection, study: uuid.UUID) -> list[Job]:
    """The study's jobs that wait or run, of whatever revision, and those that found something early."""
    open_ = and_(jobs.c.study_id == study, jobs.c.state.in_((JobState.REQUESTED, *JOBS.held, JobState.FOUND_EARLY)))
    return [_job(row) for row in connection.execute(select(jobs).where(open_).order_by(jobs.c.id))]


def have_done_anew(connection: Connection, study: uuid.UUID, model: str) -> int:
    """Let no run of a model on a study be the answer of a later revision, which makes its own; how many they are."""
    its_own = and_(jobs.c.study_id == study, jobs.c.model == model)
    return connection.execute(update(jobs).where(its_own).values(done_anew=True)).rowcount


def is_known_model(connection: Connection, model: str) -> bool:
    """Was a model of this name ever asked?"""
    return bool(connection.scalar(select(exists(jobs.c.id).where(jobs.c.model == model))))


def get(connection: Connection, job: uuid.UUID) -> Job:
    """The job with this id."""
    return _job(connection.execute(select(jobs).where(jobs.c.id == job)).one())


def find(connection: Connection, job: uuid.UUID) -> Job | None:
    """The job with this id, None where there is none."""
    row = connection.execute(select(jobs).where(jobs.c.id == job)).one_or_none()
    return None if row is None else _job(row)


def objects_of(connection: Connection, job: Job) -> dict[str, list[tuple[str, str]]]:
    """SOP Instance UID and object key of every instance of each of the job's inputs, in one order.

    A job that an earlier release requested names its one series and no input, which is then called "".
    """
    return images_of(connection, job.inputs or {"": str(job.series_id)}, job.images, job.revision)


def images_of(
    connection: Connection, inputs: Mapping[str, str], images: Mapping[str, Sequence[str]], revision: int
) -> dict[str, list[tuple[str, str]]]:
    """As `objects_of`, of any inputs: series by name, and SOP Instance UIDs of those that read not all of it."""
    columns = (instances.c.series_id, instances.c.sop_uid, instances.c.object_key)
    found = connection.execute(select(*columns).where(read_by(inputs, images, revision)).order_by(instances.c.sop_uid))
    rows = [(str(row.series_id), row.sop_uid, row.object_key) for row in found]
    chosen = {name: frozenset(uids) for name, uids in images.items()}
    return {
        name: [(uid, key) for one, uid, key in rows if (uid in chosen[name] if name in chosen else one == series)]
        for name, series in inputs.items()
    }


def keys_of(connection: Connection, uids: Collection[str]) -> dict[str, str]:
    """The object key of each of these instances that is here, by SOP Instance UID."""
    found = select(instances.c.sop_uid, instances.c.object_key).where(instances.c.sop_uid.in_(list(uids)))
    return {row.sop_uid: row.object_key for row in connection.execute(found)}


def is_early(connection: Connection, job: uuid.UUID) -> bool:
    """Whether no complete revision wants the job so far, whatever else can be read of it."""
    return bool(connection.scalar(select(jobs.c.early).where(jobs.c.id == job)))


def input_has_changed(connection: Connection, job: Job) -> bool:
    """Whether other images lie now where the job reads than when it was asked for."""
    read = read_by(job.inputs, job.images, job.revision)
    return set_digest(connection.execute(select(instances.c.digest).where(read)).scalars()) != job.input_set


def read_by(inputs: Mapping[str, str], images: Mapping[str, Sequence[str]], revision: int) -> Condition:
    """The instances that a run reads: of each input the whole series, or those of `images`, wherever they lie."""
    whole = [uuid.UUID(series) for name, series in inputs.items() if name not in images]
    chosen = [uid for name, uids in images.items() if name in inputs for uid in uids]
    either = or_(instances.c.series_id.in_(whole), instances.c.sop_uid.in_(chosen))
    return and_(either, instances.c.revision <= revision)


def _job(row: Row[*tuple[object, ...]]) -> Job:
    from domain.findings import Findings  # noqa: PLC0415 - a list of studies reads no job

    fields = {name: getattr(row, name) for name in Job.__dataclass_fields__}
    findings = None if row.findings is None else Findings.from_json(row.findings)
    return Job(**{**fields, "state": JobState(row.state), "findings": findings})
