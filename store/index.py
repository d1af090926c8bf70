"""What the indexer asks of the database: which instances are known, and one batch of rows at a time."""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import TypeVar

from sqlalchemy import (
    ARRAY,
    Connection,
    Select,
    SQLColumnExpression,
    Table,
    Text,
    bindparam,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.identity import ConflictEnd
from domain.ids import StudyId, new_id
from store.arrays import as_arrays, from_arrays
from store.copying import copy
from store.index_rows import AssociationRow, ConflictRow, InstanceRow, QuarantineRow, SeriesRow
from store.leases import NOW
from store.tables import (
    associations,
    conflicts,
    inbox,
    instances,
    quarantine,
    series,
    study_associations,
)

R = TypeVar("R")

_KEPT_AS = (quarantine.c.sop_uid, quarantine.c.digest)

# Wakes whoever decides about completeness.
STUDIES_CHANNEL = "dicom_node_studies"
# A statement takes 65,535 parameters at most; a row of any table here has less than 16.
ROWS_MOST = 4000


@dataclass(frozen=True)
class Known:
    """An instance that the index has."""

    study_id: StudyId
    digest: str
    identity: Sequence[str] | None


@dataclass(frozen=True)
class Met:
    """What is known of SOP Instance UIDs: instances, UID and digest of what a person set aside, those in conflict."""

    known: dict[str, Known]
    set_aside: set[tuple[str, str]]
    in_conflict: set[str]


def first_time(connection: Connection, event_id: uuid.UUID, now: datetime) -> bool:
    """Whether the indexer has not handled this record before; marks it as handled."""
    row = {"reader": "index", "event_id": event_id, "handled_at": now}
    statement = upsert(inbox).values(row).on_conflict_do_nothing().returning(inbox.c.event_id)
    return connection.execute(statement).one_or_none() is not None


# What each batch asks: built once, for to build a statement takes longer than to send it.
_OPEN_ASSOCIATIONS = (
    from_arrays(associations, *AssociationRow.__annotations__).on_conflict_do_nothing().returning(associations.c.id)
)
_MAKE_SERIES = from_arrays(series, "id", *SeriesRow.__annotations__).on_conflict_do_nothing()
_SERIES = select(series.c.id, series.c.study_id, series.c.series_uid).where(
    series.c.study_id == func.any(bindparam("studies")), series.c.series_uid == func.any(bindparam("uids"))
)
_LINK = from_arrays(study_associations, "study_id", "association_id", "last_sequence")
_LINK = _LINK.on_conflict_do_update(
    index_elements=["study_id", "association_id"],
    set_={"last_sequence": func.greatest(study_associations.c.last_sequence, _LINK.excluded.last_sequence)},
)


def _met(table: Table, *more: SQLColumnExpression[object]) -> Select[*tuple[object, ...]]:
    columns = (literal(table.name).label("table"), table.c.sop_uid, table.c.digest, *more)
    return select(*columns).where(table.c.sop_uid == func.any(bindparam("uids", type_=ARRAY(Text))))


_NOTHING = null().label("study_id"), null().label("identity")
# In one question what would be three: each costs more than all rows that it finds.
_MET = union_all(
    _met(instances, instances.c.study_id, instances.c.identity),
    _met(quarantine, *_NOTHING).where(quarantine.c.set_aside),
    _met(conflicts, *_NOTHING),
)


def open_associations(connection: Connection, rows: Sequence[AssociationRow]) -> set[uuid.UUID]:
    """Note associations; a second time changes nothing. Those that were not noted before."""
    return set(connection.scalars(_OPEN_ASSOCIATIONS, as_arrays(rows)))


def close_association(connection: Connection, association: uuid.UUID, outcome: str) -> bool:
    """Note how an association ended, and that it did now by the database's clock; False where that was known."""
    statement = (
        update(associations)
        .where(associations.c.id == association, associations.c.closed_at.is_(None))
        .values(closed_at=NOW, outcome=outcome)
    )
    return connection.execute(statement).rowcount > 0


def met(connection: Connection, sop_uids: Collection[str]) -> Met:
    """What is known of `sop_uids`."""
    found = Met({}, set(), set())
    for row in connection.execute(_MET, {"uids": list(sop_uids)}):
        if row.table == instances.name:
            found.known[row.sop_uid] = Known(row.study_id, row.digest, row.identity)
        elif row.table == quarantine.name:
            found.set_aside.add((row.sop_uid, row.digest))
        else:
            found.in_conflict.add(row.sop_uid)
    return found


def file_series(connection: Connection, rows: Sequence[SeriesRow]) -> dict[tuple[uuid.UUID, str], uuid.UUID]:
    """The internal ids of these series by study and UID; those that are new are made."""
    given = as_arrays(rows)
    connection.execute(_MAKE_SERIES, {**given, "id": [new_id() for _ in rows]})
    found = connection.execute(_SERIES, {"studies": given["study_id"], "uids": given["series_uid"]})
    return {(row.study_id, row.series_uid): row.id for row in found}


def file_instances(connection: Connection, rows: Sequence[InstanceRow]) -> None:
    """Add instances that are not known."""
    # In one order, so that batches of two hosts that bring the same UIDs wait for each other and no more.
    copy(connection, instances, sorted(rows, key=itemgetter("sop_uid")))


def link_associations(connection: Connection, last: Mapping[tuple[uuid.UUID, uuid.UUID], int]) -> None:
    """Note of each study and association the last record (its number in the association) that brought something."""
    rows = [
        {"study_id": study, "association_id": association, "last_sequence": number}
        for (study, association), number in sorted(last.items())
    ]
    if rows:
        connection.execute(_LINK, as_arrays(rows))


def file_conflict(connection: Connection, row: ConflictRow) -> bool:
    """Note an instance that came with other bytes than the one that is kept; False where the same was noted before.

    What an earlier release noted, without what it is, is noted anew, as is what was the instance in the meantime.
    """
    better = {name: value for name, value in row.items() if name not in ("sop_uid", "digest")}
    better |= {"adopted_at": None, "ended": ""}
    anew = or_(conflicts.c.sent_study_id.is_(None), conflicts.c.ended == ConflictEnd.FILED)
    statement = upsert(conflicts).values(row)
    noted = statement.on_conflict_do_update(index_elements=["sop_uid", "digest"], set_=better, where=anew)
    return connection.execute(noted.returning(conflicts.c.id)).one_or_none() is not None


def file_quarantined(connection: Connection, rows: Sequence[QuarantineRow]) -> set[tuple[str, str]]:
    """Note instances that cannot be read; UID and digest of those that were not noted before."""
    new: set[tuple[str, str]] = set()
    # In one order, as all that is filed.
    for some in _in_parts(sorted(rows, key=itemgetter("sop_uid", "digest"))):
        filed = upsert(quarantine).values(some).on_conflict_do_nothing()
        new |= {(row.sop_uid, row.digest) for row in connection.execute(filed.returning(*_KEPT_AS))}
    return new


def _in_parts(rows: Sequence[R]) -> Iterator[Sequence[R]]:
    for start in range(0, len(rows), ROWS_MOST):
        yield rows[start : start + ROWS_MOST]
