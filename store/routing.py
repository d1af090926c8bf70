"""What routing asks of the database: facts about every series of a study, decisions, jobs."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, exists, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.ids import JobId, StudyId, new_id, set_digest
from domain.routing import InstanceFacts
from domain.states import JobEvent, JobState
from store import jobs as jobs_of
from store.jobs import JOBS
from store.leases import NOW
from store.locks import locked
from store.studies import sender_of
from store.tables import decisions, instances, jobs

WAITS_FOR_A_WORKER = "waits for a worker"
# One of a study's present revision that is cancelled is one that a person lets the study go on without.
_ANSWERS = (JobState.SUCCEEDED, JobState.NOT_SUITABLE, JobState.CANCELLED)
_NO_ANSWER = (JobState.FAILED, JobState.TIMED_OUT, JobState.CANCELLED)

_INSTANCES = text(
    """
    SELECT s.id::text AS series_id, s.series_uid, i.sop_uid, COALESCE(i.modality, s.modality) AS modality,
           COALESCE(i.series_description, s.series_description) AS series_description, s.study_description,
           i.sop_class, i.body_part, i.frames, i.position, i.orientation, i.slice_spacing, a.calling_ae,
           i.view, i.image_type, i.photometric, i.contrast, i.burned_in, i.age, i.series_number, i.instance_number,
           i.frame_of_reference, i.kernel, i.thickness, i.places,
           asked.codes AS procedure_codes, asked.description AS procedure_description, asked.reason AS procedure_reason
    FROM dicom_node.instances i
    JOIN dicom_node.series s ON s.id = i.series_id
    LEFT JOIN dicom_node.associations a ON a.id = i.association_id
    CROSS JOIN (
        SELECT coalesce(array_agg(DISTINCT one.code) FILTER (WHERE one.code IS NOT NULL), '{}') AS codes,
               coalesce(string_agg(DISTINCT nullif(r.description, ''), '; '), '') AS description,
               coalesce(string_agg(DISTINCT nullif(r.reason, ''), '; '), '') AS reason
        FROM dicom_node.studies s JOIN dicom_node.requested_procedures r ON r.study_uid = s.study_uid
        LEFT JOIN LATERAL unnest(r.codes) AS one(code) ON true
        WHERE s.id = :study
    ) AS asked
    WHERE i.study_id = :study AND i.revision <= :revision
    """
)


@dataclass(frozen=True)
class WantedJob:
    """An inference that routing asks for: `inputs` are the series of the model's inputs, `series_id` the first's.

    `images` are the SOP Instance UIDs that an input reads where it does not read the whole of that series and nothing
    else: those of radiographs lie in several series.
    """

    study_id: StudyId
    series_id: uuid.UUID
    inputs: Mapping[str, str]
    revision: int
    model: str
    version: str
    model_digest: str
    images: Mapping[str, Sequence[str]] = field(default_factory=dict)


def instance_facts(connection: Connection, study: StudyId, revision: int) -> Sequence[InstanceFacts]:
    """Every instance of the study up to and with `revision`."""
    found = connection.execute(_INSTANCES, {"study": study, "revision": revision})
    return [InstanceFacts(**row) for row in found.mappings()]


@dataclass(frozen=True)
class Decision:
    """Why a model runs for a revision of a study, or does not."""

    study_id: StudyId
    revision: int
    model: str
    version: str
    series_id: uuid.UUID | None
    inputs: Mapping[str, str]
    reason: str
    refusals: Mapping[str, Sequence[str]]
    decided_at: datetime


_KEY = ("study_id", "revision", "model")
_NOTED = upsert(decisions)
_NOTED = _NOTED.on_conflict_do_update(
    index_elements=_KEY, set_={one.name: _NOTED.excluded[one.name] for one in decisions.c if one.name not in _KEY}
)


def note_decisions(connection: Connection, made: Sequence[Decision]) -> None:
    """Keep them; the last decision of a revision counts."""
    if made:
        connection.execute(_NOTED, [vars(one) for one in made])


def was_decided(connection: Connection, study: StudyId, revision: int) -> bool:
    """Whether it was decided of any model if it runs on this revision."""
    decided = and_(decisions.c.study_id == study, decisions.c.revision == revision)
    return bool(connection.scalar(select(exists(decisions.c.model).where(decided))))


@dataclass(frozen=True)
class RequestedJob:
    """The job of an input: `opened` where it is requested now, `waits` where it has no answer yet.

    An answer is findings, or that its images are not suitable. `was_early` says that it was started before its study
    was complete, and that this revision is the first to want it.
    """

    id: JobId
    opened: bool
    waits: bool
    was_early: bool = False


def request_job(connection: Connection, wanted: WantedJob, delay: float = 0.0) -> RequestedJob:
    """The job for this very input: made where there is none, to be taken after `delay` s.

    One that an earlier revision asked for, or that was started early, is this revision's from now on, and is opened
    again where it ended badly: what exists in a failed state is no answer.
    """
    input_set = _input_set(connection, wanted)
    made = _new_job(connection, wanted, input_set, delay=delay)
    return (
        RequestedJob(JobId(made), opened=True, waits=True) if made else _adopted(connection, wanted, input_set, delay)
    )


def start_early(connection: Connection, wanted: WantedJob, why: str) -> JobId | None:
    """Ask for a run before its study is complete; None where there is one of this very input, in whatever state.

    Nor is there a second one of a model for the same revision: where more of its series came, the first was in vain.
    """
    tried = and_(jobs.c.study_id == wanted.study_id, jobs.c.model == wanted.model, jobs.c.revision == wanted.revision)
    if connection.scalar(select(exists(jobs.c.id).where(tried))):
        return None
    made = _new_job(connection, wanted, _input_set(connection, wanted), early=why)
    return JobId(made) if made else None


def cancel_waiting(connection: Connection, study: uuid.UUID, revision: int, reason: str) -> list[uuid.UUID]:
    """Cancel the jobs that wait for revisions before this one; which they are."""
    older = and_(jobs.c.study_id == study, jobs.c.revision < revision, jobs.c.state == JobState.REQUESTED)
    waiting = connection.execute(select(jobs.c.id).where(older).order_by(jobs.c.id)).scalars().all()
    for job in waiting:
        JOBS.move(connection, job, JOBS.cancel, reason=reason)
    return list(waiting)


def _input_set(connection: Connection, wanted: WantedJob) -> str:
    read = jobs_of.read_by(wanted.inputs, wanted.images, wanted.revision)
    digest = set_digest(connection.execute(select(instances.c.digest).where(read)).scalars())
    while _is_taken_back(connection, wanted, digest):
        digest = set_digest([digest, "anew"])
    return digest


def _is_taken_back(connection: Connection, wanted: WantedJob, input_set: str) -> bool:
    """Whether an earlier revision's results of this very input were withdrawn, and not because a person saw them.

    Archives were told to hide them, by their UIDs, which derive from the input: what is made anew needs others. So does
    what a person asked for once more.
    """
    withdrawn = and_(jobs.c.withdrawn_at.is_not(None), jobs.c.withdrawn_by == "")
    taken = (or_(withdrawn, jobs.c.done_anew), jobs.c.revision < wanted.revision)
    found = select(jobs.c.id).filter_by(**_same(wanted), input_set=input_set).where(*taken)
    return connection.execute(found).first() is not None


def _same(wanted: WantedJob) -> Mapping[str, object]:
    """What is equal in all runs of the same package on a study."""
    of_model = {"model": wanted.model, "version": wanted.version, "model_digest": wanted.model_digest}
    return {"study_id": wanted.study_id, **of_model}


def _new_job(
    connection: Connection, wanted: WantedJob, input_set: str, delay: float = 0.0, early: str = ""
) -> uuid.UUID | None:
    made = upsert(jobs).values(
        **vars(wanted),
        early=bool(early),
        started_early=early,
        id=new_id(),
        input_set=input_set,
        state=JobState.REQUESTED,
        reason=WAITS_FOR_A_WORKER,
        since=NOW,
        requested_at=NOW,
        not_before=NOW + timedelta(seconds=delay),
        sender=sender_of(wanted.study_id),
        turn=JOBS.turn(sender_of(wanted.study_id)),
    )
    return connection.execute(made.on_conflict_do_nothing().returning(jobs.c.id)).scalar_one_or_none()


def _adopted(connection: Connection, wanted: WantedJob, input_set: str, delay: float) -> RequestedJob:
    columns = (jobs.c.id, jobs.c.state, jobs.c.revision, jobs.c.early)
    query = select(*columns).filter_by(**_same(wanted), input_set=input_set)
    row = connection.execute(locked(query, jobs)).one()
    newer = row.revision < wanted.revision or row.early
    opened = newer and row.state in _NO_ANSWER
    if newer:
        connection.execute(update(jobs).where(jobs.c.id == row.id).values(revision=wanted.revision))
    if row.early:
        _no_longer_early(connection, row.id, JobState(row.state))
    if opened:
        JOBS.move(
            connection,
            row.id,
            JOBS.retry,
            reason=WAITS_FOR_A_WORKER,
            delay=delay,
            attempts=0,
            accepted=False,
            requested_at=NOW,
            finished_at=None,
        )
    waits = opened or row.state not in (*_ANSWERS, JobState.FOUND_EARLY)
    return RequestedJob(JobId(row.id), opened, waits, was_early=row.early and not opened)


def _no_longer_early(connection: Connection, job: uuid.UUID, state: JobState) -> None:
    """A complete revision wants it. What has not begun waits its turn from now on, as any other."""
    values: dict[str, object] = {"early": False}
    if state is JobState.REQUESTED:
        values |= {"requested_at": NOW, "turn": JOBS.turn(jobs.c.sender)}
    if state in _NO_ANSWER:
        values["started_early"] = ""
    connection.execute(update(jobs).where(jobs.c.id == job).values(values))
    if state is JobState.FOUND_EARLY:
        JOBS.move(connection, job, JobEvent.WANT, reason="done")
