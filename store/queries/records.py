"""Rows as records: each field is the column of its name; what a column holds as text or JSON is made a value."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Table, func, select

from domain.conflict_records import ConflictGroup, ConflictRecord, CorrectionRecord
from domain.identity import ConflictKind
from domain.ids import StudyId
from domain.json_records import JsonObject, record
from domain.records import (
    ChoiceRecord,
    DecisionRecord,
    DeliveryRecord,
    JobRecord,
    Listed,
    MeasuredJob,
    MeasuredSegment,
    MeasuredValue,
    RejectionRecord,
    StudyRecord,
)
from domain.states import DeliveryState, JobState, StudyState

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")

Rows: TypeAlias = Select[*tuple[object, ...]]


def rows_of(kind: type[R], table: Table) -> Rows:
    """The rows of `table`, with the columns that a record of this kind shows and no others."""
    return select(*(table.c[field.name] for field in fields(kind)))


def rows_of_studies(kind: type[R], table: Table, ids: Collection[StudyId]) -> Rows:
    """As `rows_of`, those of these studies alone."""
    return rows_of(kind, table).where(table.c.study_id.in_(ids))


def read(connection: Connection, query: Rows, kind: type[R]) -> tuple[R, ...]:
    """The rows of `query`, which have a column for each field, as records."""
    names, decode = [field.name for field in fields(kind)], _DECODE.get(kind, {})
    found = connection.execute(query).mappings()
    return tuple(kind(**{name: decode.get(name, _as_it_is)(row[name]) for name in names}) for row in found)


def last_of(
    connection: Connection,
    query: Rows,
    kind: type[R],
    order: Sequence[ColumnElement[object]],
    most: int | None,
) -> Listed[R]:
    """The last `most` rows of `query` in their order (all of them for None), and how many come before them."""
    if most is None:
        return Listed(read(connection, query.order_by(*order), kind))
    found = read(connection, query.order_by(*(one.desc() for one in order)).limit(most), kind)[::-1]
    return Listed(found, _others(connection, query, found, most))


def first_of(
    connection: Connection,
    query: Rows,
    kind: type[R],
    order: Sequence[ColumnElement[object]],
    most: int,
) -> Listed[R]:
    """The last `most` rows in that order, the last one first."""
    found = last_of(connection, query, kind, order, most)
    return Listed(found.rows[::-1], found.more)


def _others(connection: Connection, query: Rows, found: Sequence[object], most: int) -> int:
    if len(found) < most:
        return 0
    return (connection.scalar(select(func.count()).select_from(query.subquery())) or 0) - len(found)


def _as_it_is(value: object) -> object:
    return value


def _refusals(kept: Mapping[str, Sequence[str]]) -> Mapping[str, tuple[str, ...]]:
    return {series: tuple(reasons) for series, reasons in kept.items()}


def measured(findings: JsonObject | None) -> tuple[MeasuredSegment, ...] | None:
    """Findings list every voxel mask and frame; a status wants the measurements alone."""
    if findings is None:
        return None
    from domain.findings import MeasuredParts, Measurement  # noqa: PLC0415 - a list of studies shows no findings
    from domain.words import Resolution, amount, named  # noqa: PLC0415 - as above

    parts = record(MeasuredParts, findings)
    resolution = Resolution.of(parts.voxel) if parts.voxel else None

    def value(one: Measurement) -> MeasuredValue:
        return MeasuredValue(one.name.meaning, one.value, one.unit.value, named(one), amount(one, resolution))

    return tuple(
        MeasuredSegment(part.label, tuple(map(value, (*part.measurements, *part.compared)))) for part in parts.segments
    )


def _choices(kept: Sequence[JsonObject]) -> tuple[ChoiceRecord, ...]:
    return tuple(record(ChoiceRecord, one) for one in kept)


# The fields whose column holds something else than their value.
_DECODE: Mapping[type, Mapping[str, Callable[[Any], object]]] = {
    StudyRecord: {"state": StudyState},
    ConflictRecord: {"kind": ConflictKind},
    ConflictGroup: {"kind": ConflictKind},
    CorrectionRecord: {"kind": ConflictKind},
    DecisionRecord: {"refusals": _refusals},
    JobRecord: {"state": JobState},
    MeasuredJob: {"state": JobState, "findings": measured},
    DeliveryRecord: {"state": DeliveryState, "choices": _choices},
    RejectionRecord: {"state": DeliveryState},
}
