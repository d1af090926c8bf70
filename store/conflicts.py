"""Instances that came with other bytes under a UID that the index has: one is kept as the instance, the others wait.

A row names the other bytes and where they lie, which study they name, and which bytes are kept in their stead. Rows of
one correction (a patient's merge, a study sent again under another patient) are adopted together.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from domain.conflict_records import ConflictGroup, ConflictRecord, CorrectionRecord
from domain.identity import ConflictEnd, ConflictKind, disagreeing
from domain.ids import StudyId
from domain.records import Listed
from store.database import Database
from store.index_rows import InstanceRow
from store.leases import Condition
from store.locks import locked
from store.queries.records import first_of, read, rows_of
from store.tables import conflicts, instances, studies

_KEPT = ("digest", "object_key", "association_id", "received_at", "identity")
_OPEN = conflicts.c.ended == ""
# What is adopted as a whole, and was not.
_CORRECTS = and_(
    _OPEN, conflicts.c.adopted_at.is_(None), conflicts.c.kind.in_([ConflictKind.PATIENT, ConflictKind.STUDY])
)


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


def groups(database: Database, limit: int) -> Listed[ConflictGroup]:
    """What can be decided at once, a line each, the newest first; of one image alone a line for each content."""
    its = (conflicts.c.kind, conflicts.c.study_id, conflicts.c.sent_study_id, conflicts.c.adopted_at)
    uid = conflicts.c.sop_uid
    first, last = (end(uid).over(partition_by=its) for end in (func.min, func.max))
    content = case((first == last, conflicts.c.id)).label("content")
    each = select(*its, uid, conflicts.c.id, conflicts.c.received_at, conflicts.c.object_key, content)
    of = each.where(_OPEN).subquery().c
    alike = (of.kind, of.study_id, of.sent_study_id, of.adopted_at)
    images = func.count(of.sop_uid.distinct())
    order = (func.max(of.received_at).label("received_at"), func.max(of.id).label("id"))
    single = (
        case((images == 1, func.max(of.sop_uid)), else_="").label("sop_uid"),
        case((func.count() == 1, func.max(of.object_key)), else_="").label("object_key"),
    )
    counted = (images.label("images"), func.count().label("contents"))
    query = select(*alike, *order, *counted, *single).group_by(*alike, of.content)
    with database.transaction() as connection:
        return first_of(connection, query, ConflictGroup, order, limit)


def correction(connection: Connection, number: int, *, whole: bool = False) -> Correction | None:
    """What is adopted with the conflict of that number, as it stands; None where there is no such one.

    What names another study or another patient comes with all that does the same, the newest of each image. Other bytes
    of an image are a matter of their own; with `whole` they come with all that wait of the study, or with those that
    one decision replaced. Whoever changes one has locked its studies.
    """
    query = rows_of(ConflictRecord, conflicts).where(conflicts.c.id == number, _OPEN)
    found = read(connection, query, ConflictRecord)
    if not found:
        return None
    (first,) = found
    alike = conflicts.c.id == number if first.kind is ConflictKind.BYTES and not whole else _alike(first)
    order = (conflicts.c.received_at, conflicts.c.id)
    records = read(connection, rows_of(ConflictRecord, conflicts).where(alike).order_by(*order), ConflictRecord)
    marks = _marks(connection, alike)
    same = [one for one in records if not disagreeing({*(marks[one.id] or ()), *(marks[number] or ())})]
    newest = {one.sop_uid: one for one in same} | {first.sop_uid: first}
    of_all = tuple(newest[uid] for uid in sorted(newest))
    its_marks = tuple(marks[one.id] for one in of_all)
    return Correction(first.kind, first.study_id, first.sent_study_id or first.study_id, of_all, its_marks)


def _marks(connection: Connection, alike: Condition) -> dict[int, Sequence[str] | None]:
    found = connection.execute(select(conflicts.c.id, conflicts.c.identity).where(alike))
    return {row.id: row.identity for row in found}


def _alike(one: ConflictRecord) -> Condition:
    same = and_(conflicts.c.study_id == one.study_id, conflicts.c.sent_study_id == one.sent_study_id)
    if one.kind is ConflictKind.BYTES:
        adopted = conflicts.c.adopted_at.is_not_distinct_from(one.adopted_at)
    else:
        adopted = conflicts.c.adopted_at.is_(None) == (one.adopted_at is None)
    return and_(_OPEN, same, conflicts.c.kind == one.kind, adopted)


def swap(connection: Connection, wanted: Correction, rows: Sequence[InstanceRow], now: datetime) -> None:
    """Make the instances' rows `rows`, of the conflicts' bytes; the conflicts name those that were kept so far."""
    columns = (instances.c.sop_uid, *(instances.c[name] for name in _KEPT))
    mine = instances.c.sop_uid.in_([one.sop_uid for one in wanted.conflicts])
    former = connection.execute(locked(select(*columns).where(mine), instances)).mappings()
    kept = {row["sop_uid"]: {name: row[name] for name in _KEPT} for row in former}
    known = [
        (row["sop_uid"], {name: value for name, value in row.items() if name != "sop_uid"})
        for row in rows
        if row["sop_uid"] in kept
    ]
    _set_each(connection, instances, instances.c.sop_uid, known)
    if new := [row for row in rows if row["sop_uid"] not in kept]:
        connection.execute(insert(instances), new)
    _give_back(connection, wanted, kept, now)
    # All that waits under these UIDs is beside other bytes now.
    beside = [(one.sop_uid, {"kept_digest": one.digest, "study_id": wanted.sent}) for one in wanted.conflicts]
    _set_each(connection, conflicts, conflicts.c.sop_uid, beside)


def _give_back(
    connection: Connection, wanted: Correction, kept: Mapping[str, Mapping[str, object]], now: datetime
) -> None:
    """Let what was kept so far wait; where nothing was, or a row tells of it already, its conflict is closed."""
    rows = select(conflicts.c.id, conflicts.c.sop_uid, conflicts.c.digest).where(conflicts.c.ended == ConflictEnd.FILED)
    filed = connection.execute(rows.where(conflicts.c.sop_uid.in_(kept)))
    told_of = {row.sop_uid: row.id for row in filed if row.digest == kept[row.sop_uid]["digest"]}
    over = {"sent_study_id": wanted.study, "adopted_at": now, "kind": wanted.kind, "ended": ""}
    told = [
        (told_of.get(one.sop_uid, one.id), {**kept[one.sop_uid], **over})
        for one in wanted.conflicts
        if one.sop_uid in kept
    ]
    _set_each(connection, conflicts, conflicts.c.id, told)
    ended = [one.id for one in wanted.conflicts if one.sop_uid not in kept or one.sop_uid in told_of]
    close(connection, ended, ConflictEnd.FILED)


def present(connection: Connection, wanted: Correction) -> dict[str, tuple[StudyId, str]]:
    """Of each UID of a correction that has an instance now: the study that has it, and the digest of its bytes."""
    columns = (instances.c.sop_uid, instances.c.study_id, instances.c.digest)
    mine = instances.c.sop_uid.in_([one.sop_uid for one in wanted.conflicts])
    return {
        row.sop_uid: (StudyId(row.study_id), row.digest) for row in connection.execute(select(*columns).where(mine))
    }


def note_filed(connection: Connection, rows: Sequence[InstanceRow]) -> None:
    """Close what waited of these bytes, which are instances now; what else waits under their UIDs is beside them."""
    if not rows:
        return
    filed = {row["sop_uid"]: row for row in rows}
    columns = (conflicts.c.id, conflicts.c.sop_uid, conflicts.c.digest)
    query = select(*columns).where(conflicts.c.sop_uid == func.any(list(filed))).order_by(conflicts.c.id)
    found = connection.execute(query).all()
    beside = [
        (one.id, {"kept_digest": filed[one.sop_uid]["digest"], "study_id": filed[one.sop_uid]["study_id"]})
        for one in found
    ]
    _set_each(connection, conflicts, conflicts.c.id, beside)
    same = [one.id for one in found if one.digest == filed[one.sop_uid]["digest"]]
    close(connection, same, ConflictEnd.FILED)


def _set_each(
    connection: Connection,
    table: Table,
    key: ColumnElement[object],
    rows: Sequence[tuple[object, Mapping[str, object]]],
) -> None:
    """Give each row of `table` with this key its values; all of them set the same columns."""
    if not rows:
        return
    values: dict[str, object] = {name: bindparam(f"new_{name}") for name in rows[0][1]}
    each = [{"key": one, **{f"new_{name}": value for name, value in new.items()}} for one, new in rows]
    connection.execute(update(table).where(key == bindparam("key")).values(values), each)


def wait_for(connection: Connection, study: StudyId) -> bool:
    """Whether images of this study wait for a person: under UIDs of another study's, or of what was set aside."""
    return wait_under_others(connection, study) or _beside_nothing(connection, study)


def those_that_wait(connection: Connection, ids: Collection[StudyId]) -> set[StudyId]:
    """Those of these studies of which `wait_for` is true."""
    sent = conflicts.c.sent_study_id
    any_at_all = select(sent).where(sent == func.any(list(ids)), _OPEN, conflicts.c.adopted_at.is_(None)).distinct()
    return {one for one in map(StudyId, connection.execute(any_at_all).scalars()) if wait_for(connection, one)}


def wait_under_others(connection: Connection, study: StudyId) -> bool:
    """Whether images of this study wait for a person, under UIDs of another study's."""
    return _any(connection, conflicts.c.sent_study_id == study, conflicts.c.adopted_at.is_(None))


def _beside_nothing(connection: Connection, study: StudyId) -> bool:
    """Whether bytes wait that name this study and its patient, under UIDs that no instance has any more."""
    gone = ~exists(instances.c.sop_uid).where(instances.c.sop_uid == conflicts.c.sop_uid)
    mine = (conflicts.c.sent_study_id == study, conflicts.c.adopted_at.is_(None), _OPEN, gone)
    columns = (conflicts.c.identity, studies.c.named, studies.c.same_patient)
    query = select(*columns).join(studies, studies.c.id == conflicts.c.sent_study_id).where(*mine).distinct()
    found = connection.execute(query)
    return any(not disagreeing({*row.named, *(row.identity or ())}, row.same_patient) for row in found)


def close(connection: Connection, ids: Collection[int], end: ConflictEnd) -> None:
    """Let these conflicts wait for nobody any more; the same bytes again are known."""
    if ids:
        connection.execute(update(conflicts).where(conflicts.c.id.in_(ids)).values(ended=end))


def were_taken_away(connection: Connection, study: StudyId) -> bool:
    """Whether images of this study are another's by a correction that a person adopted."""
    return _any(connection, conflicts.c.sent_study_id == study, conflicts.c.adopted_at.is_not(None))


def _any(connection: Connection, *conditions: Condition) -> bool:
    of_another = conflicts.c.study_id != conflicts.c.sent_study_id
    return bool(connection.scalar(select(exists(conflicts.c.kind).where(_OPEN, of_another, *conditions))))


def corrections(connection: Connection, *conditions: Condition) -> tuple[CorrectionRecord, ...]:
    """What names another patient or study and waits to be adopted together, the newest last."""
    return _grouped(connection, _CORRECTS, *conditions)


def other_bytes(connection: Connection, ids: Collection[StudyId]) -> tuple[CorrectionRecord, ...]:
    """The other bytes that wait of images of these studies, those of one study together."""
    kind = conflicts.c.kind == ConflictKind.BYTES
    return _grouped(connection, _OPEN, conflicts.c.adopted_at.is_(None), kind, conflicts.c.study_id.in_(ids))


def _grouped(connection: Connection, *conditions: Condition) -> tuple[CorrectionRecord, ...]:
    same = (conflicts.c.kind, conflicts.c.study_id, conflicts.c.sent_study_id)
    newest = func.max(conflicts.c.id)
    query = select(*same, newest.label("id"), func.count(conflicts.c.sop_uid.distinct()).label("images"))
    query = query.where(*conditions).group_by(*same).order_by(newest)
    return read(connection, query, CorrectionRecord)


def are_doubted(study: ColumnElement[uuid.UUID]) -> Condition:
    """Whether a correction waits for a person that says of a study's images, or of such as name it, whose they are."""
    its_own = or_(conflicts.c.study_id == study, conflicts.c.sent_study_id == study)
    return exists(conflicts.c.kind).where(_CORRECTS, its_own)


def corrections_that_wait(database: Database) -> int:
    """How many there are, of all studies."""
    with database.transaction() as connection:
        return len(corrections(connection))


def concerning(study: StudyId) -> Condition:
    """The conflicts that a study must show: of its instances, and of bytes that name it."""
    return and_(_OPEN, or_(conflicts.c.study_id == study, conflicts.c.sent_study_id == study))
