"""Result objects as rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, exists, func, or_, select, update
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
from domain.states import DeliveryState
from store.jobs import Job
from store.jobs import get as get_job
from store.leases import Condition
from store.summaries import Summary
from store.tables import deliveries, delivery_objects, jobs, results, summaries

_ON_ITS_WAY = (DeliveryState.PENDING, DeliveryState.SENDING)
# What is stored at a destination, and what was sent without an answer: it may be there.
IS_OUT: Condition = or_(
    delivery_objects.c.stored, and_(delivery_objects.c.at.is_not(None), delivery_objects.c.status.is_(None))
)

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


def of(table: Table, item: Job | Summary) -> ColumnElement[bool]:
    """What is of this run, or of this impression: of results or deliveries."""
    return table.c.job_id == item.id if isinstance(item, Job) else table.c.summary_id == item.id


def add_results(connection: Connection, rows: Sequence[ResultRecord]) -> None:
    """Note what was written; the same again changes nothing, but that a file which was removed is there again."""
    if rows:
        written = upsert(results).values([vars(row) for row in rows])
        again = written.on_conflict_do_update(
            index_elements=["sop_uid"], set_={"removed_at": None}, where=results.c.removed_at.is_not(None)
        )
        connection.execute(again)


def results_of(connection: Connection, item: Job | Summary) -> list[Result]:
    """The objects of one run, or of one impression, in the order of their UIDs."""
    found = connection.execute(select(results).where(of(results, item)).order_by(results.c.sop_uid))
    return [as_result(row) for row in found]


def number(connection: Connection, job: Job) -> int:
    """Which of the study's results by its model those of this job are, from 1: given once, and kept."""
    if job.result_number is not None:
        return job.result_number
    numbered = or_(jobs.c.result_number.is_not(None), exists().where(results.c.job_id == jobs.c.id))
    same = and_(jobs.c.study_id == job.study_id, jobs.c.model == job.model, jobs.c.id != job.id)
    # An earlier release gives none.
    last = func.greatest(func.coalesce(func.max(jobs.c.result_number), 0), func.count())
    given = (connection.scalar(select(last).where(same, numbered)) or 0) + 1
    connection.execute(update(jobs).where(jobs.c.id == job.id).values(result_number=given))
    return given


def earlier(connection: Connection, job: Job, number: int) -> list[Job]:
    """The runs of the same model on the same study whose results have a lower number, the newest first."""
    written = exists().where(results.c.job_id == jobs.c.id)
    same = and_(jobs.c.study_id == job.study_id, jobs.c.model == job.model, jobs.c.result_number < number, written)
    found = connection.execute(select(jobs.c.id).where(same).order_by(jobs.c.result_number.desc())).scalars().all()
    return [get_job(connection, one) for one in found]


def given_out(connection: Connection, item: Job | Summary) -> list[Result]:
    """The objects of a run, or of an impression, that are or may be at a destination, or are on their way to one.

    All of them while it is not known yet where they go, and where a node has no destination.
    """
    every = results_of(connection, item)
    its_own = of(deliveries, item)
    planned = connection.execute(select(deliveries.c.state, deliveries.c.planned_at).where(its_own)).all()
    if not planned or any(one.planned_at is None and one.state in _ON_ITS_WAY for one in planned):
        return every
    joined = select(delivery_objects.c.sop_uid).join(deliveries, deliveries.c.id == delivery_objects.c.delivery_id)
    goes = and_(deliveries.c.state.in_(_ON_ITS_WAY), ~delivery_objects.c.dropped)
    out = set(connection.execute(joined.where(its_own, or_(IS_OUT, goes))).scalars())
    return [one for one in every if one.sop_uid in out]


def follows(connection: Connection, item: Job | Summary) -> frozenset[str] | None:
    """The UIDs of the results that those of this run, or impression, follow; None where that is not decided yet."""
    table = _table(item)
    kept = connection.scalar(select(table.c.follows).where(table.c.id == item.id))
    return None if kept is None else frozenset(kept)


def keep_follows(connection: Connection, item: Job | Summary, uids: Sequence[str]) -> None:
    """Keep which results those of this run, or impression, follow."""
    table = _table(item)
    connection.execute(update(table).where(table.c.id == item.id).values(follows=sorted(uids)))


def _table(item: Job | Summary) -> Table:
    return jobs if isinstance(item, Job) else summaries


def newer_exist(connection: Connection, job: Job) -> bool:
    """Whether a later revision of the study has results of the same model: those of `job` are no longer wanted."""
    newer = exists().where(
        jobs.c.study_id == job.study_id,
        jobs.c.model == job.model,
        jobs.c.revision > job.revision,
        results.c.job_id == jobs.c.id,
    )
    return bool(connection.scalar(select(newer)))


def as_result(row: Row[*tuple[object, ...]]) -> Result:
    """The result in a row of its table."""
    return Result(**{name: getattr(row, name) for name in Result.__dataclass_fields__})
