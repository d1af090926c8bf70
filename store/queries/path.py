"""The whole path of one study, and what became of each model on it."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy import BigInteger, Column, Connection, Select, cast, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from domain.conflict_records import ConflictRecord
from domain.ids import StudyId
from domain.records import (
    AssociationRecord,
    DeadLetter,
    DecisionRecord,
    DeliveryRecord,
    ItemisedDelivery,
    Listed,
    MeasuredJob,
    QuarantineRecord,
    RejectionRecord,
    ResultRecord,
    SentObject,
    SeriesRecord,
    StudyPath,
    StudyRecord,
)
from domain.states import JobState
from store.conflicts import concerning, corrections
from store.database import Database
from store.holds import hold_of
from store.quarantine import unreadable_by_study
from store.queries.current import who_wait
from store.queries.procedures import requests_of, steps_of
from store.queries.records import R, last_of, read, rows_of, rows_of_studies
from store.queries.summaries import summary_of
from store.tables import (
    associations,
    conflicts,
    dead_letters,
    decisions,
    deliveries,
    delivery_objects,
    instances,
    jobs,
    quarantine,
    rejections,
    results,
    series,
    studies,
    study_associations,
)


def study_path(database: Database, study: StudyId, most: int | None = None) -> StudyPath:
    """What is on one study's way; of each table the last `most` rows, all of them for None."""
    with database.transaction() as connection:
        tables = _Tables(connection, study, most)
        series, last = tables.series(), tables.last
        return StudyPath(
            study=_study(connection, study),
            associations=tables.rows("associations", tables.associations()),
            series=tables.rows("series", series),
            conflicts=tables.rows("conflicts", tables.conflicts()),
            decisions=tables.rows("decisions", last(DecisionRecord, decisions.c.decided_at, decisions.c.model)),
            jobs=tuple(map(_shown, tables.rows("jobs", last(MeasuredJob, jobs.c.requested_at, jobs.c.id)))),
            results=tables.rows("results", last(ResultRecord, results.c.written_at, results.c.sop_uid)),
            deliveries=tables.rows("deliveries", tables.deliveries()),
            rejections=tables.rows("rejections", last(RejectionRecord, rejections.c.requested_at, rejections.c.id)),
            dead_letters=tables.rows("dead_letters", last(DeadLetter, dead_letters.c.at, dead_letters.c.id)),
            quarantine=tables.rows("quarantine", last(QuarantineRecord, quarantine.c.received_at, quarantine.c.id)),
            corrections=corrections(connection, concerning(study)),
            unreadable=unreadable_by_study(connection, [study]).get(study, 0),
            whole=tables.instances(series),
            hold=hold_of(connection, study),
            impression=summary_of(connection, study),
            steps=steps_of(connection, study),
            requests=requests_of(connection, study),
            more=tables.more,
        )


def study_record(database: Database, study: StudyId) -> StudyRecord:
    """The study by itself."""
    with database.transaction() as connection:
        return _study(connection, study)


def latest_decisions(database: Database, study: StudyId) -> tuple[DecisionRecord, ...]:
    """For each model, in order of name, its newest decision."""
    query = (
        rows_of_studies(DecisionRecord, decisions, [study])
        .ext(distinct_on(decisions.c.model))
        .order_by(decisions.c.model, decisions.c.revision.desc())
    )
    with database.transaction() as connection:
        return read(connection, query, DecisionRecord)


def images_of(database: Database, study: StudyId, decided: Collection[DecisionRecord]) -> dict[str, tuple[str, ...]]:
    """By model, the ids of the series in which the images lie that its run reads one by one; none of other models."""
    revisions = {one.model: one.revision for one in decided if one.series_id}
    query = select(jobs.c.model, jobs.c.revision, jobs.c.images).where(jobs.c.study_id == study)
    with database.transaction() as connection:
        asked = connection.execute(query.order_by(jobs.c.requested_at, jobs.c.id)).all()
        named = {
            one.model: [uid for uids in one.images.values() for uid in uids]
            for one in asked
            if revisions.get(one.model) == one.revision
        }
        every = [uid for uids in named.values() for uid in uids]
        lies = select(instances.c.sop_uid, instances.c.series_id).where(instances.c.sop_uid.in_(every))
        series_of = {row.sop_uid: str(row.series_id) for row in connection.execute(lies)}
    return {
        model: tuple(dict.fromkeys(series_of[uid] for uid in uids if uid in series_of)) for model, uids in named.items()
    }


def some_series(database: Database, study: StudyId, ids: Collection[uuid.UUID]) -> tuple[SeriesRecord, ...]:
    """These series of the study."""
    with database.transaction() as connection:
        return read(connection, _series_with_counts(study, ids), SeriesRecord)


def _study(connection: Connection, study: StudyId) -> StudyRecord:
    found = read(connection, rows_of(StudyRecord, studies).where(studies.c.id == study), StudyRecord)
    return who_wait(connection, found)[0]


def _shown(job: MeasuredJob) -> MeasuredJob:
    """What was found early counts for nobody until the complete study wants it."""
    return job if job.state is JobState.SUCCEEDED else replace(job, findings=None)


class _Tables:
    """The rows of one study, of each table the last `most`."""

    def __init__(self, connection: Connection, study: StudyId, most: int | None) -> None:
        self._connection, self._study, self._most = connection, study, most
        self.more: dict[str, int] = {}

    def rows(self, name: str, found: Listed[R]) -> tuple[R, ...]:
        """What was found, and under `name` in `more` how many were not."""
        if found.more:
            self.more[name] = found.more
        return found.rows

    def last(self, kind: type[R], *order: Column[object]) -> Listed[R]:
        """The rows of the table that `order` is of."""
        return last_of(self._connection, rows_of_studies(kind, order[0].table, [self._study]), kind, order, self._most)

    def associations(self) -> Listed[AssociationRecord]:
        """Those that brought something of the study."""
        query = (
            rows_of(AssociationRecord, associations)
            .join(study_associations, study_associations.c.association_id == associations.c.id)
            .where(study_associations.c.study_id == self._study)
        )
        order = (associations.c.opened_at, associations.c.id)
        return last_of(self._connection, query, AssociationRecord, order, self._most)

    def conflicts(self) -> Listed[ConflictRecord]:
        """Those of its instances, and those of bytes that name the study."""
        query = rows_of(ConflictRecord, conflicts).where(concerning(self._study))
        order = (conflicts.c.received_at, conflicts.c.id)
        return last_of(self._connection, query, ConflictRecord, order, self._most)

    def series(self) -> Listed[SeriesRecord]:
        """In order of their UIDs, the first of them; counting is for those alone."""
        mine = series.c.study_id == self._study
        ids = self._connection.scalars(select(series.c.id).where(mine).order_by(series.c.series_uid).limit(self._most))
        found = read(self._connection, _series_with_counts(self._study, list(ids)), SeriesRecord)
        whole = self._connection.scalar(select(func.count()).select_from(series).where(mine)) or 0
        return Listed(found, whole - len(found))

    def instances(self, listed: Listed[SeriesRecord]) -> int:
        """How many there are, of series that are listed or not."""
        if not listed.more:
            return sum(one.instances or 0 for one in listed.rows)
        mine = instances.c.study_id == self._study
        return self._connection.scalar(select(func.count()).select_from(instances).where(mine)) or 0

    def deliveries(self) -> Listed[ItemisedDelivery]:
        """Each with its objects."""
        found = self.last(DeliveryRecord, deliveries.c.since, deliveries.c.id)
        objects = _objects_of(self._connection, [one.id for one in found.rows])
        return Listed(tuple(ItemisedDelivery(**vars(one), objects=objects[one.id]) for one in found.rows), found.more)


def _series_with_counts(study: StudyId, ids: Collection[uuid.UUID]) -> Select[*tuple[object, ...]]:
    counts = (
        select(
            instances.c.series_id,
            func.count().label("instances"),
            func.sum(instances.c.frames).label("slices"),
            func.min(instances.c.series_number).label("number"),
            cast(func.sum(instances.c.size), BigInteger).label("bytes"),
        )
        .where(instances.c.study_id == study, instances.c.series_id.in_(ids))
        .group_by(instances.c.series_id)
        .subquery()
    )
    # Descriptions are free text, in which people write names: routing may look at them, a terminal need not.
    shown = (series.c.id, series.c.series_uid, series.c.modality)
    return (
        select(*shown, counts.c.number, counts.c.instances, counts.c.slices, counts.c.bytes)
        .outerjoin(counts, counts.c.series_id == series.c.id)
        .where(series.c.study_id == study, series.c.id.in_(ids))
        .order_by(counts.c.number.nulls_last(), series.c.series_uid)
    )


def _objects_of(connection: Connection, wanted: Collection[uuid.UUID]) -> Mapping[uuid.UUID, tuple[SentObject, ...]]:
    """The objects of these deliveries, by their kind."""
    query = (
        select(delivery_objects, results.c.kind)
        .join(results, results.c.sop_uid == delivery_objects.c.sop_uid)
        .where(delivery_objects.c.delivery_id.in_(wanted))
        .order_by(results.c.kind)
    )
    each: defaultdict[uuid.UUID, tuple[SentObject, ...]] = defaultdict(tuple)
    for row in connection.execute(query):
        each[row.delivery_id] += (SentObject(row.sop_uid, row.stored, row.status, row.at, row.dropped, row.kind),)
    return each
