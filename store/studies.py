"""The row of a study: every write to it is here, and what assembly and routing ask of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on

from domain.identity import OF_A_STUDY, disagreeing
from domain.ids import StudyId, new_id
from domain.states import STUDY, StudyEvent, StudyState, advance
from store.arrays import from_arrays
from store.leases import NOW
from store.locks import locked, locked_in_order
from store.tables import associations, instances, studies, study_associations

# Whose work is whose, to take turns by (domain.turns): the address, and of the names that are called from there one of
# so many lines each. A name is free to choose and an address is not, so that no host takes more turns than that; those
# behind a gateway or a forwarding archive do not all stand in one line. (McKenney, "Stochastic Fairness Queueing",
# INFOCOM 1990, within an address.)
LINES = 8
_SENDER = f"a.address || ' ' || get_byte(sha256(convert_to(a.calling_ae, 'UTF8')), 0) % {LINES}"

# An association holds the study that it brought something of last, for as long as it is open: more may come.
_OPEN = text(
    f"""
    SELECT s.id, s.study_uid, s.state, s.revision, s.last_received,
           cardinality(s.unsynced) > 0 AS unsynced, s.named, s.same_patient, s.two_patients,
           max(a.closed_at) AS last_closed,
           coalesce(bool_or(a.closed_at IS NULL AND NOT EXISTS (
               SELECT FROM dicom_node.study_associations later
               WHERE later.association_id = sa.association_id AND later.last_sequence > sa.last_sequence
           )), false) AS held,
           coalesce((array_agg({_SENDER} ORDER BY a.closed_at DESC NULLS FIRST))[1], '') AS sender, s.turn,
           ARRAY(SELECT DISTINCT modality FROM dicom_node.series WHERE study_id = s.id) AS modalities,
           s.reason, EXISTS (SELECT FROM dicom_node.expectations e WHERE e.study_uid = s.study_uid) AS expected,
           coalesce(bool_and(a.outcome IS NOT DISTINCT FROM 'released'), false) AS released,
           coalesce(min(c.studies), 0) AS seen, coalesce(max(c.pause), 0) AS pause,
           EXISTS (SELECT FROM dicom_node.study_associations brought
                   JOIN dicom_node.associations mine ON mine.id = brought.association_id
                   JOIN dicom_node.associations idle USING (calling_ae, address)
                   WHERE brought.study_id = s.id AND idle.closed_at IS NULL AND NOT EXISTS (
                       SELECT FROM dicom_node.study_associations its WHERE its.association_id = idle.id
                   )) AS opening,
           EXISTS (SELECT FROM dicom_node.procedure_steps p
                   WHERE p.study_uids @> ARRAY[s.study_uid] AND p.state = 'IN PROGRESS') AS in_progress,
           extract(epoch FROM statement_timestamp() - greatest(s.last_received, max(a.closed_at))) AS silent
    FROM dicom_node.studies s
    LEFT JOIN dicom_node.study_associations sa ON sa.study_id = s.id
    LEFT JOIN dicom_node.associations a ON a.id = sa.association_id
    LEFT JOIN dicom_node.callers c ON c.calling_ae = a.calling_ae AND c.address = a.address
    WHERE s.state IN ('receiving', 'amended') AND (CAST(:studies AS uuid[]) IS NULL OR s.id = ANY (:studies))
    GROUP BY s.id
    """
)


@dataclass(frozen=True)
class Patient:
    """Whom a study's instances name: their marks (domain.identity), and those that a person found to be one patient's.

    `two` says that they name two.
    """

    named: frozenset[str] = frozenset()
    same: frozenset[str] = frozenset()
    two: bool = False

    def naming(self, marks: Collection[str]) -> "Patient":
        """With instances that bear these marks besides."""
        named = self.named.union(marks)
        return self if named == self.named else patient(named, self.same)


def patient(named: Collection[str], same: Collection[str]) -> Patient:
    """Whom instances with these marks name."""
    return Patient(frozenset(named), frozenset(same), bool(disagreeing(named, same)))


@dataclass(frozen=True)
class StudyRow:
    """A study as it stands, locked for this transaction."""

    id: StudyId
    uid: str
    state: StudyState
    revision: int
    patient: Patient


@dataclass(frozen=True)
class OpenStudy(StudyRow):
    """A study that is not complete.

    `held` says that an open association brought something of it last, `synced` that a loss of power takes none of its
    objects. `last_event` changes with everything that happens to it, on whichever host: the last batch with an instance
    of it, and the last close of an association that brought one, by the database's clock. `sender` is whose
    work it is, as in `sender_of`; `turn` is when it is its turn, where it would be complete and waits for others.

    `reason` is what its row says. `expected` says that somebody said what is to come, `released` that all associations
    that brought something were released, `opening` that one of its senders has one open that brought nothing yet,
    `in_progress` that a procedure step of it has not ended.
    `seen` is how many studies were seen of the least known of its senders, `pause` the longest that one of them lately
    made (s). `silent` is how long the last event is ago by the database's clock (s), which may have been set meanwhile.
    """

    held: bool
    synced: bool
    modalities: frozenset[str]
    last_event: tuple[datetime, datetime | None]
    sender: str
    turn: int | None
    reason: str
    expected: bool
    released: bool
    opening: bool
    in_progress: bool
    seen: int
    pause: float
    silent: float


@dataclass(frozen=True)
class Received:
    """What new instances make of a study."""

    study: StudyId
    state: StudyState
    reason: str
    patient: Patient


def lock_or_make(connection: Connection, uids: Collection[str], now: datetime) -> dict[str, StudyRow]:
    """The studies with these Study Instance UIDs, made where they are new, locked in one order."""
    wanted = sorted(uids)
    connection.execute(_MAKE, {"id": [new_id() for _ in wanted], "study_uid": wanted, "now": now})
    return {row.study_uid: _study(row) for row in connection.execute(_LOCK_BY_UID, {"uids": wanted})}


def lock(connection: Connection, ids: Collection[StudyId]) -> dict[StudyId, StudyRow]:
    """These studies, locked in one order."""
    known = locked_in_order(select(*_STUDY).where(studies.c.id == func.any(list(ids))), studies)
    return {StudyId(row.id): _study(row) for row in connection.execute(known)}


def note_received(
    connection: Connection, received: Sequence[Received], now: datetime, *, unsynced_by: str | None = None
) -> None:
    """Move studies that this transaction has locked: new instances of each have come.

    The spool `unsynced_by` holds them back until its `note_synced`: a row now names an object that a loss of power
    could take.
    """
    same = {"now": now} if unsynced_by is None else {"now": now, "spool": unsynced_by}
    rows = [{**_received(one), **same} for one in received]
    connection.execute(_RECEIVED if unsynced_by is None else _RECEIVED_UNSYNCED, rows if len(rows) > 1 else rows[0])


def _received(one: Received) -> dict[str, object]:
    moved = {"study": one.study, "new_state": one.state, "new_reason": one.reason}
    return {**moved, "marks": sorted(one.patient.named), "two": one.patient.two}


def accept_patient(connection: Connection, study: StudyRow) -> Patient:
    """Keep that a person found all that a study names, which this transaction has locked, to be one patient."""
    found = patient(study.patient.named, study.patient.same | study.patient.named)
    values = {"same_patient": sorted(found.same), "two_patients": found.two}
    connection.execute(update(studies).where(studies.c.id == study.id).values(values))
    return found


def patient_of(connection: Connection, study: StudyRow) -> Patient:
    """Whom the instances of a study name that it has now."""
    marks = select(func.unnest(instances.c.identity)).where(instances.c.study_id == study.id).distinct()
    return patient(connection.execute(marks).scalars().all(), study.patient.same)


def lacking_marks(connection: Connection) -> list[StudyId]:
    """The studies of which the Accession Number's digest or the day is not known, the newest first."""
    named = func.array_to_string(studies.c.named, "\n")
    every = and_(*(named.contains(f"{one}:") for one in OF_A_STUDY))
    found = select(studies.c.id).where(~every).order_by(studies.c.last_received.desc())
    return [StudyId(one) for one in connection.execute(found).scalars()]


def one_image_of_each_series(connection: Connection, study: StudyId) -> list[str]:
    """The keys of their objects."""
    mine = select(instances.c.object_key).where(instances.c.study_id == study)
    first = mine.ext(distinct_on(instances.c.series_id)).order_by(instances.c.series_id, instances.c.sop_uid)
    return list(connection.execute(first).scalars())


def name_more(connection: Connection, study: StudyId, marks: Collection[str]) -> bool:
    """Keep that the study's images bear these marks besides; whether any is new."""
    row = lock(connection, {study}).get(study)
    if row is None or row.patient.named.issuperset(marks):
        return False
    named = sorted(row.patient.named.union(marks))
    connection.execute(update(studies).where(studies.c.id == study).values(named=named))
    return True


def names_two_patients(connection: Connection, study: StudyId) -> bool:
    """Whether its images name two."""
    return bool(connection.scalar(select(studies.c.two_patients).where(studies.c.id == study)))


def note_synced(connection: Connection, spool: str, of: Collection[StudyId] | None) -> None:
    """Hold these studies, None: all, back no longer; what rows name of this spool's survives a loss of power."""
    held_back = select(studies.c.id).where(_holds(literal(spool)))
    if of is not None:
        held_back = held_back.where(studies.c.id == func.any(list(of)))
    its_row = studies.c.id.in_(locked_in_order(held_back, studies))
    connection.execute(update(studies).where(its_row).values(unsynced=func.array_remove(studies.c.unsynced, spool)))


def held_by(connection: Connection, spool: str) -> list[StudyId]:
    """The studies that a spool holds back, locked."""
    held = locked_in_order(select(studies.c.id).where(_holds(literal(spool))), studies)
    return [StudyId(row) for row in connection.execute(held).scalars()]


def _holds(spool: ColumnElement[str]) -> ColumnElement[bool]:
    return spool == func.any(studies.c.unsynced)


def open_studies(connection: Connection) -> Sequence[OpenStudy]:
    """Every study that is not complete."""
    return [_open_study(row) for row in connection.execute(_OPEN, {"studies": None})]


def lock_open_studies(connection: Connection, ids: Collection[StudyId]) -> Sequence[OpenStudy]:
    """Those of these studies that are not complete by now, locked and read again, in the order of `ids`."""
    wanted = list(ids)
    connection.execute(locked_in_order(select(studies.c.id).where(studies.c.id == func.any(wanted)), studies))
    found = [_open_study(row) for row in connection.execute(_OPEN, {"studies": wanted})]
    return sorted(found, key=lambda study: wanted.index(study.id))


def let_wait(connection: Connection, turns: Mapping[StudyId, int | None]) -> None:
    """Keep whose turn it is when, for whoever asks what a study waits for; None of one that waits for no other."""
    kept = update(studies).where(studies.c.id == bindparam("study")).values(turn=bindparam("its_turn"))
    connection.execute(kept, [{"study": study, "its_turn": turns[study]} for study in sorted(turns)])


def let_say(connection: Connection, waiting: Mapping[StudyId, tuple[str, datetime]]) -> None:
    """Keep what each of these waits for, unless something of it was received since that moment; no study is locked."""
    kept = (
        update(studies)
        .where(studies.c.id == bindparam("study"), studies.c.last_received == bindparam("received"))
        .where((studies.c.state == StudyState.RECEIVING) | (studies.c.state == StudyState.AMENDED))
        .values(reason=bindparam("said"))
    )
    rows = [{"study": one, "said": waiting[one][0], "received": waiting[one][1]} for one in sorted(waiting)]
    connection.execute(kept, rows)


def places_in_line(connection: Connection, ids: Collection[StudyId]) -> Mapping[StudyId, int]:
    """Of each of these studies that waits for its turn to be complete, how many are before it."""
    place = func.row_number().over(order_by=(studies.c.turn, studies.c.last_received, studies.c.id)) - 1
    waits = and_(studies.c.turn.is_not(None), studies.c.state.in_((StudyState.RECEIVING, StudyState.AMENDED)))
    line = select(studies.c.id, place.label("ahead")).where(waits).subquery()
    found = connection.execute(select(line).where(line.c.id.in_(list(ids))))
    return {StudyId(row.id): row.ahead for row in found}


def sender_of(study: StudyId) -> ColumnElement[str]:
    """The line of who brought something of a study last, in a statement; "" where that is not known any more."""
    a = associations.alias("a")
    brought = study_associations.join(a, a.c.id == study_associations.c.association_id)
    last = select(literal_column(_SENDER, Text)).select_from(brought).where(study_associations.c.study_id == study)
    newest = last.order_by(a.c.closed_at.desc().nulls_first()).limit(1)
    return func.coalesce(newest.scalar_subquery(), "")


def senders(connection: Connection, ids: Collection[StudyId]) -> Mapping[StudyId, Sequence[tuple[str, str]]]:
    """Who brought something of each of these studies: AE title and address."""
    brought = study_associations.join(associations, associations.c.id == study_associations.c.association_id)
    columns = (study_associations.c.study_id, associations.c.calling_ae, associations.c.address)
    query = select(*columns).select_from(brought).where(study_associations.c.study_id.in_(list(ids))).distinct()
    found: dict[StudyId, list[tuple[str, str]]] = {}
    for study, calling, address in connection.execute(query):
        found.setdefault(StudyId(study), []).append((calling, address))
    return found


def lock_revision(connection: Connection, study: StudyId) -> tuple[StudyState, int]:
    """The study's state and revision, its row locked."""
    statement = select(studies.c.state, studies.c.revision).where(studies.c.id == study)
    row = connection.execute(locked(statement, studies)).one()
    return StudyState(row.state), row.revision


def lock_and_count(connection: Connection, study: StudyId) -> int | None:
    """How often the study was complete, its row locked; None where there is no such study."""
    return connection.scalar(locked(select(studies.c.revision).where(studies.c.id == study), studies))


def complete(connection: Connection, study: StudyRow, reason: str, now: datetime, lacks: str = "") -> int:
    """Declare a study complete that this transaction has locked, as far as it `lacks` nothing; its new revision."""
    state, revision = advance(STUDY, study.state, StudyEvent.SETTLED), study.revision + 1
    values = {"state": state, "reason": reason, "since": now, "revision": revision, "turn": None}
    values |= {"completeness": reason, "lacks": lacks}
    connection.execute(update(studies).where(studies.c.id == study.id).values(values))
    return revision


def apply(
    connection: Connection,
    study: StudyId,
    event: StudyEvent,
    reason: str,
    at: datetime,
    revision: int | None = None,
) -> StudyState | None:
    """Apply `event` to a study and return its state; None where there is no such study, or no such move for it.

    A failure moves nothing where newer instances have come, or a later revision than the one that it concerns: what
    becomes of those decides where the study ends, and a study that were stuck meanwhile would not be completed.
    """
    columns = (studies.c.state, studies.c.revision)
    row = connection.execute(locked(select(*columns).where(studies.c.id == study), studies)).one_or_none()
    if row is None or (StudyState(row.state), event) not in STUDY:
        return None
    if event is StudyEvent.FAILED and (row.state == StudyState.AMENDED or row.revision > (revision or row.revision)):
        return None
    state = advance(STUDY, StudyState(row.state), event)
    connection.execute(update(studies).where(studies.c.id == study).values(state=state, reason=reason, since=at))
    return state


def note_progress(connection: Connection, study: StudyId, reason: str, now: datetime) -> None:
    """Say where a complete study is on its way; one that is amended or stuck meanwhile keeps its own reason."""
    complete_one = update(studies).where(studies.c.id == study, studies.c.state == StudyState.COMPLETE)
    connection.execute(complete_one.values(reason=reason, since=now))


def uid_of(connection: Connection, study: StudyId) -> str:
    """The Study Instance UID."""
    return str(connection.scalar(select(studies.c.study_uid).where(studies.c.id == study)))


def lacking(connection: Connection, study: StudyId) -> str:
    """What was missing of it when it was complete the last time, in words; empty where nothing was, as far as known."""
    return str(connection.scalar(select(studies.c.lacks).where(studies.c.id == study)) or "")


def ids_of(connection: Connection, uids: Collection[str]) -> list[StudyId]:
    """The studies with these Study Instance UIDs of which anything is known, in one order."""
    found = select(studies.c.id).where(studies.c.study_uid.in_(uids)).order_by(studies.c.id)
    return [StudyId(one) for one in connection.execute(found).scalars()]


def size(connection: Connection, study: StudyId) -> tuple[int, int]:
    """How many series and instances a study has."""
    counted = select(func.count(instances.c.series_id.distinct()), func.count()).where(instances.c.study_id == study)
    row = connection.execute(counted).one()
    return row[0], row[1]


def sizes(connection: Connection, ids: Collection[StudyId]) -> Mapping[StudyId, tuple[int, int]]:
    """As `size`, of each of these studies that has any instance."""
    counted = select(instances.c.study_id, func.count(instances.c.series_id.distinct()), func.count())
    of_each = counted.where(instances.c.study_id == func.any(list(ids))).group_by(instances.c.study_id)
    return {StudyId(study): (series, images) for study, series, images in connection.execute(of_each)}


def note_images_removed(connection: Connection, study: StudyId, number: int) -> None:
    """Count images that retention removed of a study that this transaction has locked."""
    counted = {"images_removed": studies.c.images_removed + number, "images_removed_at": NOW}
    connection.execute(update(studies).where(studies.c.id == study).values(counted))


def images_removed(connection: Connection, study: StudyId) -> int:
    """How many of its images retention removed."""
    return connection.scalar(select(studies.c.images_removed).where(studies.c.id == study)) or 0


def stop(connection: Connection, study: StudyRow, reason: str, now: datetime) -> None:
    """Say that a study that this transaction has locked cannot go on, in whatever state it is."""
    state = advance(STUDY, study.state, StudyEvent.FAILED)
    values = {"state": state, "reason": reason, "since": now, "turn": None}
    connection.execute(update(studies).where(studies.c.id == study.id).values(values))


# A row of whatever columns: those that are asked for are among them.
_AnyRow: TypeAlias = Any
_STUDY = (
    *(studies.c.id, studies.c.study_uid, studies.c.state, studies.c.revision),
    *(studies.c.named, studies.c.same_patient, studies.c.two_patients),
)


# What each batch of the index asks: built once, for to build a statement takes longer than to send it.
_MAKE = from_arrays(
    studies,
    *("id", "study_uid"),
    state=literal(StudyState.RECEIVING.value),
    reason=literal("its first instance came"),
    since=bindparam("now", type_=studies.c.since.type),
    first_received=NOW,
    last_received=NOW,
).on_conflict_do_nothing()
_LOCK_BY_UID = locked_in_order(select(*_STUDY).where(studies.c.study_uid == func.any(bindparam("uids"))), studies)
_RECEIVED = (
    update(studies)
    .where(studies.c.id == bindparam("study"))
    .values(
        state=bindparam("new_state"),
        reason=bindparam("new_reason"),
        since=bindparam("now"),
        last_received=NOW,
        named=bindparam("marks"),
        two_patients=bindparam("two"),
    )
)
_RECEIVED_UNSYNCED = _RECEIVED.values(
    unsynced=case(
        (_holds(bindparam("spool", type_=Text)), studies.c.unsynced),
        else_=func.array_append(studies.c.unsynced, bindparam("spool", type_=Text)),
    )
)


def forget_patients(connection: Connection) -> None:
    """Let it be unknown of every study whom its images name."""
    connection.execute(update(studies).where(studies.c.named != []).values(named=[], same_patient=[]))


def _study(row: _AnyRow) -> StudyRow:
    return StudyRow(StudyId(row.id), row.study_uid, StudyState(row.state), row.revision, _patient(row))


def _patient(row: _AnyRow) -> Patient:
    return Patient(frozenset(row.named), frozenset(row.same_patient), row.two_patients)


def _open_study(row: Row[*tuple[object, ...]]) -> OpenStudy:
    return OpenStudy(
        StudyId(row.id),
        row.study_uid,
        StudyState(row.state),
        row.revision,
        _patient(row),
        row.held,
        not row.unsynced,
        frozenset(row.modalities),
        (row.last_received, row.last_closed),
        row.sender,
        row.turn,
        row.reason,
        row.expected,
        row.released,
        row.opening,
        row.in_progress,
        row.seen,
        row.pause,
        max(0.0, float(row.silent)),
    )
