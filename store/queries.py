"""What people ask of the tables: read-only, each answer as plain dictionaries that are ready for JSON."""

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Select, Table, Text, cast, func, select, text
from sqlalchemy.exc import DataError, ProgrammingError

from domain.errors import Permanent
from domain.ids import StudyId
from domain.states import StudyState
from store.database import Database
from store.tables import (
    SCHEMA,
    associations,
    audit_entries,
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

Record = dict[str, Any]


def schema_is_ready(database: Database) -> bool:
    """Whether the schema is at this release's head or beyond it; raises Unavailable where PostgreSQL does not answer.

    A revision that this release does not know is a newer one, and migrations let the previous release keep running.
    """
    try:
        with database.transaction() as connection:
            revision = connection.execute(text(f"SELECT version_num FROM {SCHEMA}.alembic_version")).scalar()
    except (DataError, ProgrammingError, psycopg.Error):
        return False  # before the first migration neither the table nor the application's role exists
    return revision is not None and revision not in known_revisions()[:-1]


def known_revisions() -> list[str]:
    """This release's revisions, oldest first, from the names of the migrations' files: Alembic need not be loaded."""
    return sorted(path.name.partition("_")[0] for path in Path(__file__).parent.glob("migrations/versions/[0-9]*.py"))


def studies_by_state(database: Database) -> dict[str, int]:
    """How many studies are in each state; a state that none is in counts 0, so that its figure falls back."""
    with database.transaction() as connection:
        found = connection.execute(select(studies.c.state, func.count()).group_by(studies.c.state))
        return {state.value: 0 for state in StudyState} | {row[0]: int(row[1]) for row in found}


def latest_studies(database: Database, limit: int) -> list[Record]:
    """The studies that last received something, newest first, with what holds up their results where anything does."""
    counts = (
        select(
            instances.c.study_id,
            func.count().label("instances"),
            func.count(instances.c.series_id.distinct()).label("series"),
        )
        .group_by(instances.c.study_id)
        .subquery()
    )
    query = (
        select(studies, counts.c.instances, counts.c.series)
        .outerjoin(counts, counts.c.study_id == studies.c.id)
        .order_by(studies.c.last_received.desc())
        .limit(limit)
    )
    with database.transaction() as connection:
        found = _records(connection, query)
        ids = [one["id"] for one in found]
        waiting = _by_study(_records(connection, select(jobs).where(jobs.c.study_id.in_(ids))))
        written = _by_study(_records(connection, select(results).where(results.c.study_id.in_(ids))))
        sending = _by_study(_records(connection, select(deliveries).where(deliveries.c.study_id.in_(ids))))
    parts = {"jobs": waiting, "results": written, "deliveries": sending}
    return [{**one, **{name: part.get(one["id"], []) for name, part in parts.items()}} for one in found]


def find_study(database: Database, wanted: str) -> StudyId:
    """The study whose internal id or StudyInstanceUID is `wanted` or begins with it; raises Permanent otherwise."""
    # The prefix is data, so its wildcards are escaped by `autoescape`.
    as_text = cast(studies.c.id, Text)
    exact = select(studies.c.id, studies.c.study_uid).where(
        (as_text == wanted.lower()) | (studies.c.study_uid == wanted)
    )
    begins = select(studies.c.id, studies.c.study_uid).where(
        as_text.startswith(wanted.lower(), autoescape=True) | studies.c.study_uid.startswith(wanted, autoescape=True)
    )
    with database.transaction() as connection:
        found = connection.execute(exact).all() or connection.execute(begins.limit(6)).all()
    if not found:
        raise Permanent(f"no study {wanted}: give its id or StudyInstanceUID, or the beginning of either")
    if len(found) > 1:
        shown = ", ".join(str(row.id)[:8] for row in found[:5])
        raise Permanent(f"{wanted} is the beginning of several studies ({shown}, ...): give more of it")
    return StudyId(found[0].id)


def study_path(database: Database, study: uuid.UUID) -> Record:
    """Everything on one study's way, table by table, each in the order of time."""
    with database.transaction() as connection:
        return {
            "study": _records(connection, select(studies).where(studies.c.id == study))[0],
            "associations": _records(connection, _associations_of(study)),
            "series": _records(connection, _series_of(study)),
            "conflicts": _records(connection, _of(conflicts, study).order_by(conflicts.c.received_at)),
            "decisions": _records(
                connection, _of(decisions, study).order_by(decisions.c.decided_at, decisions.c.model)
            ),
            "jobs": _without_findings(_records(connection, _of(jobs, study).order_by(jobs.c.requested_at))),
            "results": _records(connection, _of(results, study).order_by(results.c.written_at)),
            "deliveries": _deliveries(connection, study),
            "dead_letters": _records(connection, _of(dead_letters, study).order_by(dead_letters.c.at)),
        }


def latest_decisions(database: Database, study: uuid.UUID) -> list[Record]:
    """For each model, in order of name, its newest decision."""
    with database.transaction() as connection:
        found = _records(connection, _of(decisions, study).order_by(decisions.c.model, decisions.c.revision))
    return list({one["model"]: one for one in found}.values())


def quarantined(database: Database, limit: int) -> list[Record]:
    """Instances that could not be read and were kept aside, newest first."""
    with database.transaction() as connection:
        return _records(connection, select(quarantine).order_by(quarantine.c.received_at.desc()).limit(limit))


def quarantine_size(database: Database) -> int:
    """How many instances were kept aside because they could not be read."""
    with database.transaction() as connection:
        return connection.scalar(select(func.count()).select_from(quarantine)) or 0


def last_entries(database: Database, count: int) -> list[Mapping[str, Any]]:
    """The newest entries of the trail, oldest first, as parsed JSON."""
    body = text("entry::jsonb AS body")
    query = select(body).select_from(audit_entries).order_by(audit_entries.c.number.desc()).limit(count)
    with database.transaction() as connection:
        return [row.body for row in reversed(connection.execute(query).all())]


def _of(table: Table, study: uuid.UUID) -> Select[Any]:
    return select(table).where(table.c.study_id == study)


def _associations_of(study: uuid.UUID) -> Select[Any]:
    return (
        select(associations)
        .join(study_associations, study_associations.c.association_id == associations.c.id)
        .where(study_associations.c.study_id == study)
        .order_by(associations.c.opened_at)
    )


def _series_of(study: uuid.UUID) -> Select[Any]:
    counts = (
        select(
            instances.c.series_id,
            func.count().label("instances"),
            func.sum(instances.c.frames).label("slices"),
            func.sum(instances.c.size).label("bytes"),
        )
        .where(instances.c.study_id == study)
        .group_by(instances.c.series_id)
        .subquery()
    )
    # Descriptions are free text, in which people write names: routing may look at them, a terminal need not.
    shown = (series.c.id, series.c.series_uid, series.c.modality)
    return (
        select(*shown, counts.c.instances, counts.c.slices, counts.c.bytes)
        .outerjoin(counts, counts.c.series_id == series.c.id)
        .where(series.c.study_id == study)
        .order_by(series.c.series_uid)
    )


def _deliveries(connection: Connection, study: uuid.UUID) -> list[Record]:
    objects = (
        select(delivery_objects, results.c.kind)
        .join(results, results.c.sop_uid == delivery_objects.c.sop_uid)
        .where(results.c.study_id == study)
        .order_by(results.c.kind)
    )
    each: dict[str, list[Record]] = {}
    for row in _records(connection, objects):
        each.setdefault(row.pop("delivery_id"), []).append(row)
    found = _records(connection, _of(deliveries, study).order_by(deliveries.c.since))
    return [{**one, "objects": each.get(one["id"], [])} for one in found]


def _without_findings(found: Sequence[Record]) -> list[Record]:
    """Findings list every voxel mask and frame; a status wants the measurements alone."""
    return [{**one, "findings": _measured(one["findings"])} for one in found]


def _measured(findings: Mapping[str, Any] | None) -> list[Record] | None:
    if findings is None:
        return None
    return [
        {
            "segment": segment["label"],
            "measurements": [
                {"name": one["name"]["meaning"], "value": one["value"], "unit": one["unit"]["value"]}
                for one in segment["measurements"]
            ],
        }
        for segment in findings["segments"]
    ]


def _by_study(found: Sequence[Record]) -> dict[str, list[Record]]:
    grouped: dict[str, list[Record]] = {}
    for one in found:
        one.pop("findings", None)
        grouped.setdefault(one["study_id"], []).append(one)
    return grouped


def _records(connection: Connection, query: Select[Any]) -> list[Record]:
    return [{key: _plain(value) for key, value in row.items()} for row in connection.execute(query).mappings()]


def _plain(value: Any) -> Any:
    """What JSON has a form for: ids and moments become text, sums lose their decimal type."""
    if value is None or isinstance(value, str | bool | int | float | list | dict):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    return int(value)
