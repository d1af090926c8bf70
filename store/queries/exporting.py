"""What of a study can be exported: where its objects lie, and what its models call things."""

from dataclasses import dataclass

from sqlalchemy import select

from domain.ids import StudyId
from domain.vocabulary import Vocabulary
from store.database import Database
from store.tables import instances, jobs, model_packages, results, summaries


@dataclass(frozen=True)
class Exportable:
    """An object of a study; `is_result` says that the node wrote it."""

    sop_uid: str
    object_key: str
    is_result: bool


def exportable(database: Database, study: StudyId, with_results: bool) -> list[Exportable]:
    """The study's images in order, then its results that are there and were not taken back."""
    images = select(instances.c.sop_uid, instances.c.object_key).where(instances.c.study_id == study)
    images = images.order_by(instances.c.series_id, instances.c.instance_number, instances.c.sop_uid)
    written = (
        select(results.c.sop_uid, results.c.object_key)
        .outerjoin(jobs, jobs.c.id == results.c.job_id)
        .outerjoin(summaries, summaries.c.id == results.c.summary_id)
        .where(results.c.study_id == study, results.c.removed_at.is_(None))
        .where(jobs.c.withdrawn_at.is_(None), summaries.c.withdrawn_at.is_(None))
        .order_by(results.c.written_at, results.c.sop_uid)
    )
    with database.transaction() as connection:
        found = [Exportable(*row, is_result=False) for row in connection.execute(images)]
        if with_results:
            found += [Exportable(*row, is_result=True) for row in connection.execute(written)]
    return found


def called(database: Database, study: StudyId) -> frozenset[str]:
    """Names and versions of the packages that ran on the study."""
    query = select(jobs.c.model, jobs.c.version).where(jobs.c.study_id == study)
    with database.transaction() as connection:
        return frozenset(text for row in connection.execute(query) for text in row)


def vocabularies(database: Database, study: StudyId) -> list[Vocabulary]:
    """What the packages that ran on the study call things."""
    digests = select(jobs.c.model_digest).where(jobs.c.study_id == study)
    query = select(model_packages.c.words).where(
        model_packages.c.digest.in_(digests), model_packages.c.words.is_not(None)
    )
    with database.transaction() as connection:
        return [Vocabulary.from_json(words) for words in connection.execute(query).scalars()]
