"""What an impression is made of: the findings of a study's models, and what is known of the study besides."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Integer, Uuid, and_, column, func, select

from domain.findings import Findings
from domain.ids import JobId, StudyId
from domain.states import JobState
from domain.vocabulary import Vocabulary
from store import jobs as jobs_of
from store import packages
from store.columns import SCHEMA
from store.tables import instances, jobs, series, studies


@dataclass(frozen=True)
class EarlierRun:
    """What the same release of a model found in an earlier study of the same patient, so many `days` before."""

    findings: Findings
    days: int


@dataclass(frozen=True)
class Run:
    """One model's findings of a study, and of the newest earlier study that it has findings of.

    `words` are those of its package, None where the database does not know them.
    """

    job: JobId
    findings: Findings
    words: Vocabulary | None = None
    earlier: EarlierRun | None = None


@dataclass(frozen=True)
class StudiedStudy:
    """A study's findings, in the order of their models' names.

    `modality` and `body_part` are those of the series that were read, "" where they are of several or not known; `age`
    is in years; `unread` counts models that ended without findings.
    """

    runs: tuple[Run, ...]
    modality: str = ""
    body_part: str = ""
    age: float | None = None
    unread: int = 0


def studied(connection: Connection, study: StudyId) -> StudiedStudy:
    """What the models of a study's present revision found."""
    every = jobs_of.of_present_revision(connection, study)
    with_findings = sorted((one for one in every if one.has_results), key=lambda one: (one.model, one.version, one.id))
    words = packages.words_of(connection, {one.model_digest for one in with_findings})
    runs = tuple(
        Run(one.id, one.findings, words.get(one.model_digest), _earlier(connection, one))
        for one in with_findings
        if one.findings is not None
    )
    read = {uuid.UUID(one) for job in with_findings for one in (job.inputs or {"": str(job.series_id)}).values()}
    modality, body_part, age = _about(connection, study, read)
    return StudiedStudy(runs, modality, body_part, age, len(every) - len(runs))


def _earlier(connection: Connection, job: jobs_of.Job) -> EarlierRun | None:
    """What the package found in the newest study of the patient before this one, whenever that study came.

    Which studies are earlier ones of the same patient the database says (migration 0024); findings that were taken
    back, and those of a revision that is none any more, are not what was found.
    """
    columns = (column("study_id", Uuid), column("days", Integer))
    before = getattr(func, SCHEMA).earlier_studies(job.study_id).table_valued(*columns, name="before")
    present = and_(studies.c.id == jobs.c.study_id, studies.c.revision == jobs.c.revision)
    counts = and_(jobs.c.state == JobState.SUCCEEDED, jobs.c.findings.is_not(None), jobs.c.withdrawn_at.is_(None))
    found = connection.execute(
        select(jobs.c.findings, before.c.days)
        .join(before, before.c.study_id == jobs.c.study_id)
        .join(studies, present)
        .where(jobs_of.same_model(job), counts)
        .order_by(before.c.days, jobs.c.finished_at.desc())
        .limit(1)
    ).one_or_none()
    return EarlierRun(Findings.from_json(found.findings), found.days) if found else None


def _about(connection: Connection, study: StudyId, read: Collection[uuid.UUID]) -> tuple[str, str, float | None]:
    kinds = connection.scalars(select(series.c.modality).where(series.c.id.in_(read)).distinct()).all()
    mine = (instances.c.study_id == study, instances.c.series_id.in_(read))
    parts = connection.scalars(select(instances.c.body_part).where(*mine).distinct()).all()
    age = connection.scalar(select(func.min(instances.c.age)).where(*mine))
    return _only(kinds), _only(parts), age


def _only(values: Collection[str]) -> str:
    said = {one for one in values if one}
    return said.pop() if len(said) == 1 else ""
