"""The whole path of one study, and what became of each model on it."""

import uuid
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Select, cast, func, select

from domain.ids import StudyId
from domain.records import (
    AssociationRecord,
    ConflictRecord,
    DeadLetter,
    DecisionRecord,
    DeliveryRecord,
    ItemisedDelivery,
    MeasuredJob,
    QuarantineRecord,
    ResultRecord,
    SentObject,
    SeriesRecord,
    StudyPath,
    StudyRecord,
)
from store.database import Database
from store.quarantine import unreadable_by_study
from store.queries.records import R, read, rows_of, rows_of_studies
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
    results,
    series,
    studies,
    study_associations,
)


def study_path(database: Database, study: StudyId) -> StudyPath:
    """Everything on one study's way."""
    with database.transaction() as connection:
        return StudyPath(
            study=read(connection, rows_of(StudyRecord, studies).where(studies.c.id == study), StudyRecord)[0],
            associations=read(connection, _associations_of(study), AssociationRecord),
            series=read(connection, _series_of(study), SeriesRecord),
            conflicts=_in_order(connection, study, ConflictRecord, conflicts.c.received_at),
            decisions=_in_order(connection, study, DecisionRecord, decisions.c.decided_at, decisions.c.model),
            jobs=_in_order(connection, study, MeasuredJob, jobs.c.requested_at),
            results=_in_order(connection, study, ResultRecord, results.c.written_at),
            deliveries=_deliveries_of(connection, study),
            dead_letters=_in_order(connection, study, DeadLetter, dead_letters.c.at),
            quarantine=_in_order(connection, study, QuarantineRecord, quarantine.c.received_at),
            unreadable=unreadable_by_study(connection, [study]).get(study, 0),
        )


def latest_decisions(database: Database, study: StudyId) -> tuple[DecisionRecord, ...]:
    """For each model, in order of name, its newest decision."""
    with database.transaction() as connection:
        found = _in_order(connection, study, DecisionRecord, decisions.c.model, decisions.c.revision)
    return tuple({one.model: one for one in found}.values())


def _in_order(connection: Connection, study: StudyId, kind: type[R], *order: Column[Any]) -> tuple[R, ...]:
    """A study's rows of the table that `order` is of."""
    query = rows_of_studies(kind, order[0].table, [study])
    return read(connection, query.order_by(*order), kind)


def _associations_of(study: StudyId) -> Select[Any]:
    return (
        rows_of(AssociationRecord, associations)
        .join(study_associations, study_associations.c.association_id == associations.c.id)
        .where(study_associations.c.study_id == study)
        .order_by(associations.c.opened_at)
    )


def _series_of(study: StudyId) -> Select[Any]:
    counts = (
        select(
            instances.c.series_id,
            func.count().label("instances"),
            func.sum(instances.c.frames).label("slices"),
            func.min(instances.c.series_number).label("number"),
            cast(func.sum(instances.c.size), BigInteger).label("bytes"),
        )
        .where(instances.c.study_id == study)
        .group_by(instances.c.series_id)
        .subquery()
    )
    # Descriptions are free text, in which people write names: routing may look at them, a terminal need not.
    shown = (series.c.id, series.c.series_uid, series.c.modality)
    return (
        select(*shown, counts.c.number, counts.c.instances, counts.c.slices, counts.c.bytes)
        .outerjoin(counts, counts.c.series_id == series.c.id)
        .where(series.c.study_id == study)
        .order_by(counts.c.number.nulls_last(), series.c.series_uid)
    )


def _deliveries_of(connection: Connection, study: StudyId) -> tuple[ItemisedDelivery, ...]:
    objects = _objects_of(connection, study)
    found = _in_order(connection, study, DeliveryRecord, deliveries.c.since)
    return tuple(ItemisedDelivery(**vars(one), objects=objects[one.id]) for one in found)


def _objects_of(connection: Connection, study: StudyId) -> Mapping[uuid.UUID, tuple[SentObject, ...]]:
    """The objects of each delivery, by their kind."""
    query = (
        select(delivery_objects, results.c.kind)
        .join(results, results.c.sop_uid == delivery_objects.c.sop_uid)
        .where(results.c.study_id == study)
        .order_by(results.c.kind)
    )
    each: defaultdict[uuid.UUID, tuple[SentObject, ...]] = defaultdict(tuple)
    for row in connection.execute(query):
        each[row.delivery_id] += (SentObject(row.sop_uid, row.stored, row.status, row.at, row.dropped, row.kind),)
    return each
