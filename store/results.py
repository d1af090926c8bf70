"""Result objects as rows."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, exists, select
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.profiles import (
    DEFLATED,
    IMPLICIT,
    LABEL_MAP_SEGMENTATION,
    RLE,
    SEGMENTATION,
    ResultFormat,
    ResultKind,
)
from domain.records import ResultRecord
from store.jobs import Job
from store.tables import jobs, results

# What rows of before docs/decisions/0017 call the segmentation that a report refers to.
_NAMED_BEFORE: Mapping[str, str] = {
    "SEG": ResultFormat(ResultKind.SEG, SEGMENTATION).name,
    "SEG-Implicit VR Little Endian": ResultFormat(ResultKind.SEG, SEGMENTATION, IMPLICIT).name,
    "SEG-Deflated Explicit VR Little Endian": ResultFormat(ResultKind.SEG, SEGMENTATION, DEFLATED).name,
    "SEG-Label Map Segmentation": ResultFormat(ResultKind.SEG, LABEL_MAP_SEGMENTATION).name,
    "SEG-Label Map Segmentation-Implicit VR Little Endian": ResultFormat(
        ResultKind.SEG, LABEL_MAP_SEGMENTATION, IMPLICIT
    ).name,
    "SEG-Label Map Segmentation-Deflated Explicit VR Little Endian": ResultFormat(
        ResultKind.SEG, LABEL_MAP_SEGMENTATION, DEFLATED
    ).name,
    "SEG-Label Map Segmentation-RLE Lossless": ResultFormat(ResultKind.SEG, LABEL_MAP_SEGMENTATION, RLE).name,
}


@dataclass(frozen=True)
class Result:
    """One result object that was written."""

    sop_uid: str
    kind: str
    sop_class: str
    series_uid: str
    transfer_syntax: str
    refers: str
    object_key: str

    @property
    def form(self) -> ResultFormat:
        """The form that it was written in."""
        refers = _NAMED_BEFORE.get(self.refers, self.refers)
        return ResultFormat(ResultKind(self.kind), self.sop_class, self.transfer_syntax, refers)


def add_results(connection: Connection, rows: Sequence[ResultRecord]) -> None:
    """Note what was written; the same again changes nothing."""
    if rows:
        connection.execute(upsert(results).values([vars(row) for row in rows]).on_conflict_do_nothing())


def results_of(connection: Connection, job: uuid.UUID) -> list[Result]:
    """The objects of one job, in the order of their UIDs."""
    found = connection.execute(select(results).where(results.c.job_id == job).order_by(results.c.sop_uid))
    return [as_result(row) for row in found]


def predecessors(connection: Connection, job: Job) -> list[Result]:
    """What the latest earlier run of the same model on the same study wrote."""
    earlier = (
        select(jobs.c.id)
        .join(results, results.c.job_id == jobs.c.id)
        .where(jobs.c.study_id == job.study_id, jobs.c.model == job.model, jobs.c.revision < job.revision)
        .order_by(jobs.c.revision.desc())
        .limit(1)
    )
    found = connection.execute(earlier).scalar_one_or_none()
    return results_of(connection, found) if found else []


def newer_exist(connection: Connection, job: Job) -> bool:
    """Whether a later revision of the study has results of the same model: those of `job` are no longer wanted."""
    newer = exists().where(
        jobs.c.study_id == job.study_id,
        jobs.c.model == job.model,
        jobs.c.revision > job.revision,
        results.c.job_id == jobs.c.id,
    )
    return bool(connection.scalar(select(newer)))


def as_result(row: Row[Any]) -> Result:
    """The result in a row of its table."""
    return Result(**{name: getattr(row, name) for name in Result.__dataclass_fields__})
