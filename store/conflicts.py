"""Instances that came with other bytes under a UID that the index has: one is kept as the instance, the others wait.

A row names the other bytes and where they lie, which study they name, and which bytes are kept in their stead. Rows of
one correction (a patient's merge, a study sent again under another patient) are adopted together.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Table, and_, bindparam, exists, func, or_, select, update

from domain.identity import ConflictKind, disagreeing
from domain.ids import StudyId
from domain.records import ConflictRecord, CorrectionRecord, Listed
from store.database import Database
from store.index_rows import InstanceRow
from store.leases import Condition
from store.locks import locked
from store.queries.records import first_of, read, rows_of
from store.tables import conflicts, instances

_KEPT = ("digest", "object_key", "association_id", "received_at", "identity")
_OPEN = conflicts.c.kind != ConflictKind.ASIDE


@dataclass(frozen=True)
class Correction:
    """Conflicts that one decision is about, in the order of their UIDs, and whom each of their bytes names."""

    kind: ConflictKind
    study: StudyId  # that has the instances
    sent: StudyId  # that the bytes name: the same, but for a correction that changes it
    conflicts: tuple[ConflictRecord, ...]
    marks: tuple[Sequence[str] | None, ...]


def latest(database: Database, limit: int) -> Listed[ConflictRecord]:
    """The newest ones, newest first."""
    order = (conflicts.c.received_at, conflicts.c.id)
    with database.transaction() as connection:
        return first_of(connection, rows_of(ConflictRecord, conflicts).where(_OPEN), ConflictRecord, order, limit)


def correction(connection: Connection, number: int) -> Correction | None:
    """What is adopted with the conflict of that number, as it stands; None where there is no such one.

    Other bytes of an image are a matter of their own. What names another study or another patient comes with all that
    does the same, the newest of each image. Whoever changes one has locked its studies.
    """
    query = rows_of(ConflictRecord, conflicts).where(conflicts.c.id == number, _OPEN)
    found = read(connection, query, ConflictRecord)
    if not found:
        return None
    (first,) = found
    alike = conflicts.c.id == number if first.kind is ConflictKind.BYTES else _alike(first)
    order = (conflicts.c.received_at, conflicts.c.id)
    records = read(connection, rows_of(ConflictRecord, conflicts).where(alike).order_by(*order), ConflictRecord)
    marks = _marks(connection, alike)
    same = [one for one in records if not disagreeing({*(marks[one.id] or ()), *(marks[number] or ())})]
    newest = {one.sop_uid: one for one in same} | {first.sop_uid: first}
    whole = tuple(newest[uid] for uid in sorted(newest))
    its_marks = tuple(marks[one.id] for one in whole)
    return Correction(first.kind, first.study_id, first.sent_study_id or first.study_id, whole, its_marks)


def _marks(connection: Connection, alike: Condition) -> dict[int, Sequence[str] | None]:
    found = connection.execute(select(conflicts.c.id, conflicts.c.identity).where(alike))
    return {row.id: row.identity for row in found}


def _alike(one: ConflictRecord) -> Condition:
    same = and_(conflicts.c.study_id == one.study_id, conflicts.c.sent_study_id == one.sent_study_id)
    return and_(same, conflicts.c.kind == one.kind, conflicts.c.adopted_at.is_(None) == (one.adopted_at is None))


def swap(connection: Connection, wanted: Correction, rows: Sequence[InstanceRow], now: datetime) -> None:
    """Make the instances' rows `rows`, of the conflicts' bytes; the conflicts name those that were kept so far."""
    uids = [one.sop_uid for one in wanted.conflicts]
    columns = (instances.c.sop_uid, *(instances.c[name] for name in _KEPT))
    former = connection.execute(locked(select(*columns).where(instances.c.sop_uid.in_(uids)), instances)).mappings()
    kept = {row["sop_uid"]: dict(row) for row in former}
    _set_each(connection, instances, instances.c.sop_uid, [(row["sop_uid"], dict(row)) for row in rows])
    former_bytes = {"sent_study_id": wanted.study, "adopted_at": now}
    told = [(one.id, {**kept[one.sop_uid], **former_bytes}) for one in wanted.conflicts]
    _set_each(connection, conflicts, conflicts.c.id, told)
    # All that waits under these UIDs is beside other bytes now.
    beside = [(one.sop_uid, {"kept_digest": one.digest, "study_id": wanted.sent}) for one in wanted.conflicts]
    _set_each(connection, conflicts, conflicts.c.sop_uid, beside)


def _set_each(
    connection: Connection, table: Table, key: Column[Any], rows: Sequence[tuple[object, Mapping[str, object]]]
) -> None:
    """Give each row of `table` with this key its values; all of them set the same columns."""
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in rows[0][1]}
    each = [{"key": one, **{f"new_{name}": value for name, value in new.items()}} for one, new in rows]
    connection.execute(update(table).where(key == bindparam("key")).values(values), each)


def wait_for(connection: Connection, study: StudyId) -> bool:
    """Whether images of this study wait for a person, under UIDs of another study's."""
    return _any(connection, conflicts.c.sent_study_id == study, conflicts.c.adopted_at.is_(None))


def close(connection: Connection, ids: Collection[int], kind: ConflictKind) -> None:
    """Let these conflicts wait for nobody any more; the same bytes again are known."""
    connection.execute(update(conflicts).where(conflicts.c.id.in_(ids)).values(kind=kind))


def were_taken_away(connection: Connection, study: StudyId) -> bool:
    """Whether images of this study are another's by a correction that a person adopted."""
    return _any(connection, conflicts.c.sent_study_id == study, conflicts.c.adopted_at.is_not(None))


def _any(connection: Connection, *conditions: Condition) -> bool:
    of_another = conflicts.c.study_id != conflicts.c.sent_study_id
    return bool(connection.scalar(select(exists().where(_OPEN, of_another, *conditions))))


def corrections(connection: Connection, *conditions: Condition) -> tuple[CorrectionRecord, ...]:
    """What waits to be adopted together, the newest last."""
    same = (conflicts.c.kind, conflicts.c.study_id, conflicts.c.sent_study_id)
    newest = func.max(conflicts.c.id)
    waiting = (conflicts.c.adopted_at.is_(None), conflicts.c.kind.in_([ConflictKind.PATIENT, ConflictKind.STUDY]))
    query = select(*same, newest.label("id"), func.count(conflicts.c.sop_uid.distinct()).label("images"))
    query = query.where(*waiting, *conditions).group_by(*same).order_by(newest)
    return read(connection, query, CorrectionRecord)


def corrections_that_wait(database: Database) -> int:
    """How many there are, of all studies."""
    with database.transaction() as connection:
        return len(corrections(connection))


def concerning(study: StudyId) -> Condition:
    """The conflicts that a study must show: of its instances, and of bytes that name it."""
    return and_(_OPEN, or_(conflicts.c.study_id == study, conflicts.c.sent_study_id == study))
