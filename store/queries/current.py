"""What decides where studies are: of each model the newest run, its results and their deliveries."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import distinct_on

from domain.conflict_records import CorrectionRecord
from domain.ids import StudyId
from domain.pauses import Held, Pause
from domain.progress import behind
from domain.records import CurrentWork, DeliveryRecord, JobRecord, RejectionRecord, ResultRecord, StudyRecord
from domain.states import DeliveryState, JobState, StudyState
from store.conflicts import other_bytes
from store.database import Database
from store.deliveries import DELIVERIES, OF_ONE_PATIENT, WAITS_TO_BE_SENT
from store.jobs import IS_DUE, JOBS
from store.pauses import MODEL_GOES_ON, all_paused
from store.queries.records import read, rows_of, rows_of_studies
from store.routing import WAITS_FOR_A_WORKER
from store.studies import places_in_line
from store.tables import deliveries, jobs, rejections, results

_IN_LINE = "all of it is there; it waits to be chosen for"

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
    found, sent = _in_line(connection, found, sent)
    paused = {(one.kind, one.name): one for one in all_paused(connection)}
    found = tuple(_held(one, JobState.REQUESTED, paused.get((Held.MODEL, one.model))) for one in found)
    sent = tuple(_held(one, DeliveryState.PENDING, paused.get((Held.DESTINATION, one.destination))) for one in sent)
    its_jobs, its_results, its_deliveries = _by_study(found), _by_study(written), _by_study(sent)
    its_notes, its_bytes = _by_study(noted), _by_study(other_bytes(connection, ids))
    return {
        one: CurrentWork(its_jobs[one], its_results[one], its_deliveries[one], its_notes[one], its_bytes[one])
        for one in ids
    }


def _in_line(
    connection: Connection, asked: Sequence[JobRecord], sent: Sequence[DeliveryRecord]
) -> tuple[tuple[JobRecord, ...], tuple[DeliveryRecord, ...]]:
    """What waits for its turn, and for nothing else, says behind how many."""
    waiting = [one.id for one in asked if one.state is JobState.REQUESTED and one.reason == WAITS_FOR_A_WORKER]
    ahead = JOBS.ahead(connection, waiting, IS_DUE, MODEL_GOES_ON) if waiting else {}
    pending = [one for one in sent if one.state is DeliveryState.PENDING and one.reason == WAITS_TO_BE_SENT]
    for destination in {one.destination for one in pending}:
        its = [one.id for one in pending if one.destination == destination]
        ahead |= DELIVERIES.ahead(connection, its, DELIVERIES.bound_for(destination), OF_ONE_PATIENT)
    return (
        tuple(replace(one, reason=f"{one.reason}{behind('job', ahead.get(one.id, 0))}") for one in asked),
        tuple(replace(one, reason=f"{one.reason}{behind('delivery', ahead.get(one.id, 0))}") for one in sent),
    )


def who_wait(connection: Connection, found: Sequence[StudyRecord]) -> list[StudyRecord]:
    """The studies; one that is there and waits until models are chosen for others says for how many."""
    open_ones = [one.id for one in found if one.state in (StudyState.RECEIVING, StudyState.AMENDED)]
    ahead = places_in_line(connection, open_ones) if open_ones else {}
    return [
        replace(one, reason=f"{_IN_LINE}{behind('study', ahead[one.id])}") if one.id in ahead else one for one in found
    ]


def _held(one: W, waits: str, pause: Pause | None) -> W:
    """What waits for something that is paused says so."""
    return replace(one, reason=pause.said) if pause and one.state == waits else one


def _by_study(records: Iterable[T]) -> Mapping[StudyId, tuple[T, ...]]:
    grouped: defaultdict[StudyId, tuple[T, ...]] = defaultdict(tuple)
    for one in records:
        grouped[one.study_id] += (one,)
    return grouped
