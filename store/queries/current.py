"""What decides where studies are: of each model the newest run, its results and their deliveries."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import distinct_on

from domain.ids import StudyId
from domain.pauses import Held, Pause
from domain.records import CorrectionRecord, CurrentWork, DeliveryRecord, JobRecord, RejectionRecord, ResultRecord
from domain.states import DeliveryState, JobState
from store.conflicts import other_bytes
from store.database import Database
from store.pauses import all_paused
from store.queries.records import read, rows_of, rows_of_studies
from store.tables import deliveries, jobs, rejections, results

W = TypeVar("W", JobRecord, DeliveryRecord)
T = TypeVar("T", JobRecord, ResultRecord, DeliveryRecord, RejectionRecord, CorrectionRecord)


def current_work(database: Database, study: StudyId) -> CurrentWork:
    """One study's."""
    with database.transaction() as connection:
        return work_of(connection, [study])[study]


def work_of(connection: Connection, ids: Collection[StudyId]) -> Mapping[StudyId, CurrentWork]:
    """Each study's. Superseded runs and what became of them are left out: a study may have any number of those."""
    newest = (
        rows_of_studies(JobRecord, jobs, ids)
        .where(jobs.c.state != JobState.CANCELLED)
        .ext(distinct_on(jobs.c.study_id, jobs.c.model))
        .order_by(jobs.c.study_id, jobs.c.model, jobs.c.revision.desc(), jobs.c.requested_at.desc())
    )
    found = read(connection, newest, JobRecord)
    job_ids = [one.id for one in found]
    written = read(connection, rows_of(ResultRecord, results).where(results.c.job_id.in_(job_ids)), ResultRecord)
    sent = read(connection, rows_of(DeliveryRecord, deliveries).where(deliveries.c.job_id.in_(job_ids)), DeliveryRecord)
    of_deliveries = rejections.c.delivery_id.in_([one.id for one in sent])
    noted = read(connection, rows_of(RejectionRecord, rejections).where(of_deliveries), RejectionRecord)
    paused = {(one.kind, one.name): one for one in all_paused(connection)}
    found = tuple(_held(one, JobState.REQUESTED, paused.get((Held.MODEL, one.model))) for one in found)
    sent = tuple(_held(one, DeliveryState.PENDING, paused.get((Held.DESTINATION, one.destination))) for one in sent)
    its_jobs, its_results, its_deliveries = _by_study(found), _by_study(written), _by_study(sent)
    its_notes, its_bytes = _by_study(noted), _by_study(other_bytes(connection, ids))
    return {
        one: CurrentWork(its_jobs[one], its_results[one], its_deliveries[one], its_notes[one], its_bytes[one])
        for one in ids
    }


def _held(one: W, waits: str, pause: Pause | None) -> W:
    """What waits for something that is paused says so."""
    return replace(one, reason=pause.said) if pause and one.state == waits else one


def _by_study(records: Iterable[T]) -> Mapping[StudyId, tuple[T, ...]]:
    grouped: defaultdict[StudyId, tuple[T, ...]] = defaultdict(tuple)
    for one in records:
        grouped[one.study_id] += (one,)
    return grouped
