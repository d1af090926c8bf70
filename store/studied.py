"""What an impression is made of: the findings of a study's models, and what is known of the study besides."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from domain.findings import Findings
from domain.ids import JobId, StudyId
from store import jobs as jobs_of
from store.tables import instances, series


@dataclass(frozen=True)
class Run:
    """One model's findings of a study."""

    job: JobId
    findings: Findings


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
    runs = tuple(Run(one.id, one.findings) for one in with_findings if one.findings is not None)
    read = {uuid.UUID(one) for job in with_findings for one in (job.inputs or {"": str(job.series_id)}).values()}
    modality, body_part, age = _about(connection, study, read)
    return StudiedStudy(runs, modality, body_part, age, len(every) - len(runs))


def _about(connection: Connection, study: StudyId, read: Collection[uuid.UUID]) -> tuple[str, str, float | None]:
    kinds = connection.scalars(select(series.c.modality).where(series.c.id.in_(read)).distinct()).all()
    mine = (instances.c.study_id == study, instances.c.series_id.in_(read))
    parts = connection.scalars(select(instances.c.body_part).where(*mine).distinct()).all()
    age = connection.scalar(select(func.min(instances.c.age)).where(*mine))
    return _only(kinds), _only(parts), age


def _only(values: Collection[str]) -> str:
    said = {one for one in values if one}
    return said.pop() if len(said) == 1 else ""
