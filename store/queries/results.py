"""Result objects as people ask for them: across studies, and one by its UID."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, literal, select, tuple_

from domain.ids import StudyId
from domain.records import ResultRecord
from store.database import Database
from store.leases import Condition
from store.queries.records import read
from store.queries.studies import Bound, StudyFilter, conditions
from store.tables import jobs, results, studies, summaries


@dataclass(frozen=True)
class ResultDetail(ResultRecord):
    """A result object and what it is of: a run of a model, or an impression, and then `model` and `version` are "".

    `withdrawn_at` is when it was taken back as wrong, `removed_at` when retention removed its file.
    """

    model: str = ""
    version: str = ""
    revision: int = 0
    withdrawn_at: datetime | None = None
    withdrawn_for: str = ""
    removed_at: datetime | None = None


@dataclass(frozen=True)
class ResultFilter:
    """Which results are asked for; None asks for no more."""

    study: StudyId | None = None
    kind: str | None = None
    model: str | None = None
    seen_by: Bound | None = None


def page_of_results(
    database: Database, limit: int, wanted: ResultFilter, after: tuple[datetime, str] | None = None
) -> tuple[ResultDetail, ...]:
    """The newest first, those behind the one that `after` names: written moment and UID of a row never change."""
    query = _details(wanted).order_by(results.c.written_at.desc(), results.c.sop_uid.desc()).limit(limit)
    if after is not None:
        query = query.where(tuple_(results.c.written_at, results.c.sop_uid) < tuple_(*map(literal, after)))
    with database.transaction() as connection:
        return read(connection, query, ResultDetail)


def known_result(database: Database, sop_uid: str, seen_by: Bound | None = None) -> ResultDetail | None:
    """The result with this UID; None where there is none that may be seen."""
    query = _details(ResultFilter(seen_by=seen_by)).where(results.c.sop_uid == sop_uid)
    with database.transaction() as connection:
        found = read(connection, query, ResultDetail)
    return found[0] if found else None


# What a result is of: a run says all of it, an impression when it was withdrawn and of which revision it is.
_OF = (
    func.coalesce(jobs.c.model, "").label("model"),
    func.coalesce(jobs.c.version, "").label("version"),
    func.coalesce(jobs.c.revision, summaries.c.revision).label("revision"),
    func.coalesce(jobs.c.withdrawn_at, summaries.c.withdrawn_at).label("withdrawn_at"),
    func.coalesce(jobs.c.withdrawn_for, "").label("withdrawn_for"),
)


def _details(wanted: ResultFilter) -> Select[*tuple[object, ...]]:
    return (
        select(*results.c, *_OF)
        .outerjoin(jobs, jobs.c.id == results.c.job_id)
        .outerjoin(summaries, summaries.c.id == results.c.summary_id)
        .join(studies, studies.c.id == results.c.study_id)
        .where(*conditions(StudyFilter(seen_by=wanted.seen_by)), *_conditions(wanted))
    )


def _conditions(wanted: ResultFilter) -> Iterator[Condition]:
    if wanted.study is not None:
        yield results.c.study_id == wanted.study
    if wanted.kind is not None:
        yield results.c.kind == wanted.kind
    if wanted.model is not None:
        yield jobs.c.model == wanted.model
