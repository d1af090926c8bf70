"""What others ask us to commit to, as leased rows: a row a transaction, with all that it asks about."""

import hashlib
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Row,
    Text,
    Uuid,
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.commitment import COMMITMENT, CommitmentEvent, CommitmentState, Held
from domain.ids import new_id
from store.commitment_tables import commitments
from store.leases import NOW, LeaseTable
from store.locks import locked_in_order
from store.tables import associations

# Wakes whoever reports.
COMMITMENTS_CHANNEL = "dicom_node_commitments"

COMMITMENTS = LeaseTable(
    commitments,
    CommitmentState,
    COMMITMENT,
    waits=CommitmentState.PENDING,
    claimed=(CommitmentEvent.SEND,),
    held=(CommitmentState.SENDING,),
    lost=CommitmentEvent.SENDER_LOST,
    retry=CommitmentEvent.RETRY,
    cancel=CommitmentEvent.CANCEL,
    give_up=CommitmentEvent.GIVE_UP,
    asked_at=commitments.c.asked_at,
    at_claim={"first_attempt": func.coalesce(commitments.c.first_attempt, NOW)},
)

_OPEN = (CommitmentState.WAITING, CommitmentState.PENDING, CommitmentState.SENDING)
_OVER = (CommitmentState.REPORTED, CommitmentState.UNREPORTED)
# A host that did not get round to it for so long is taken for lost.
_IS_OLD = commitments.c.wait_until < NOW - timedelta(days=1)
# Rows of one look, and instances that they ask about together: a peer's oldest first, and peers take turns.
_MOST, _MOST_INSTANCES = 100, 50_000


@dataclass(frozen=True)
class Asked:
    """A question as it came: `references` are (SOP class, SOP Instance UID)."""

    transaction: str
    calling: str
    called: str
    address: str
    association: uuid.UUID
    spool: str
    references: Sequence[tuple[str, str]]
    asked_at: datetime


@dataclass(frozen=True)
class Commitment:
    """A transaction. `reasons` are a Failure Reason for each instance, None until it is decided."""

    id: uuid.UUID
    transaction_uid: str
    calling_ae: str
    called_ae: str
    address: str
    association_id: uuid.UUID
    sop_classes: Sequence[str]
    sop_instances: Sequence[str]
    reasons: Sequence[int] | None
    asked_at: datetime
    is_late: bool  # what is not there by now is not waited for any more
    is_old: bool  # whatever host has what it lacks is lost
    is_alone: bool  # the association on which it was asked has ended
    state: CommitmentState
    reason: str
    attempts: int
    age: timedelta

    @property
    def study_id(self) -> uuid.UUID:
        """Of none: a transaction may name instances of many."""
        return uuid.UUID(int=0)

    @property
    def references(self) -> list[tuple[str, str]]:
        """SOP class and UID of each instance."""
        return list(zip(self.sop_classes, self.sop_instances, strict=True))


def ask(connection: Connection, asked: Asked, wait: float) -> tuple[uuid.UUID, bool]:
    """Keep a question that waits `wait` s for instances which are not there; its row, and whether it is new.

    The same question of the same peer again is of one that has not heard: it is decided anew.
    """
    digest = hashlib.sha256("\n".join(f"{one} {uid}" for one, uid in sorted(asked.references)).encode()).hexdigest()
    same = and_(
        commitments.c.transaction_uid == asked.transaction,
        commitments.c.calling_ae == asked.calling,
        commitments.c.digest == digest,
    )
    known = select(commitments.c.id, commitments.c.state).where(same)
    if found := connection.execute(locked_in_order(known, commitments)).one_or_none():
        if CommitmentState(found.state) in _OVER:
            _ask_again(connection, found.id, asked, wait)
        return found.id, False
    row = {
        "id": new_id(),
        "transaction_uid": asked.transaction,
        "calling_ae": asked.calling,
        "called_ae": asked.called,
        "address": asked.address,
        "association_id": asked.association,
        "spool": asked.spool,
        "digest": digest,
        "sop_classes": [one for one, _ in asked.references],
        "sop_instances": [uid for _, uid in asked.references],
        "asked_at": asked.asked_at,
        "wait_until": NOW + timedelta(seconds=wait),
        "state": CommitmentState.WAITING,
        "reason": "waits to be decided",
        "since": NOW,
        "not_before": NOW,
        "sender": asked.calling,
    }
    connection.execute(upsert(commitments).values(row))
    return uuid.UUID(str(row["id"])), True


def _ask_again(connection: Connection, commitment: uuid.UUID, asked: Asked, wait: float) -> None:
    COMMITMENTS.move(
        connection,
        commitment,
        CommitmentEvent.ASK,
        reason="asked once more",
        association_id=asked.association,
        address=asked.address,
        spool=asked.spool,
        attempts=0,
        first_attempt=None,
        reasons=None,
        wait_until=NOW + timedelta(seconds=wait),
    )


def waiting(connection: Connection, spool: str) -> list[uuid.UUID]:
    """What is to be decided beside the spool of this identity, as much as is looked at at once.

    What is old and beside a spool whose index does not decide it is anybody's: that host is lost.
    """
    its = or_(commitments.c.spool == spool, _IS_OLD)
    return [one for one, _ in _in_turn(connection, commitments.c.state == CommitmentState.WAITING, its)]


def _in_turn(connection: Connection, *its: ColumnElement[bool]) -> list[tuple[uuid.UUID, str]]:
    """Of these questions as many as are looked at at once, with who asked; the first is there whatever its size."""
    one = commitments.c
    turn = func.row_number().over(partition_by=one.calling_ae, order_by=(one.asked_at, one.id)).label("turn")
    size = func.cardinality(one.sop_instances).label("size")
    every = select(one.id, one.calling_ae, one.asked_at, size, turn).where(*its).subquery()
    line = (every.c.turn, every.c.size, every.c.asked_at, every.c.id)  # no large one keeps out a small one
    number, together = func.row_number().over(order_by=line), func.sum(every.c.size).over(order_by=line)
    told = select(every.c.id, every.c.calling_ae, number.label("number"), together.label("together")).subquery()
    fits = or_(told.c.number == 1, told.c.together <= _MOST_INSTANCES)
    found = connection.execute(select(told).where(told.c.number <= _MOST, fits).order_by(told.c.number))
    return [(row.id, row.calling_ae) for row in found]


def lock_waiting(connection: Connection, commitment: uuid.UUID) -> Commitment | None:
    """The question, locked; None where it was decided meanwhile."""
    its = and_(commitments.c.id == commitment, commitments.c.state == CommitmentState.WAITING)
    row = connection.execute(locked_in_order(_COMMITMENT.where(its), commitments)).one_or_none()
    return _commitment(row) if row else None


def is_in_use(connection: Connection, one: Commitment) -> bool:
    """Whether another question was asked under its Transaction UID before (PS3.3 C.14.1.1)."""
    other = commitments.alias().c
    before = tuple_(other.asked_at, other.id) < tuple_(literal(one.asked_at), literal(one.id, Uuid))
    same = and_(other.transaction_uid == one.transaction_uid, other.id != one.id, before)
    return bool(connection.scalar(select(exists().where(same))))


def undelivered(connection: Connection, spool: str) -> list[tuple[uuid.UUID, str]]:
    """What is decided beside this spool and not reported, and that nobody reports at this moment, with who asked."""
    return _in_turn(connection, commitments.c.spool == spool, commitments.c.state == CommitmentState.PENDING)


def is_any_open(connection: Connection, spool: str) -> bool:
    """Whether anything is undecided or unreported beside this spool."""
    return bool(connection.scalar(select(exists().where(commitments.c.spool == spool, commitments.c.state.in_(_OPEN)))))


_HELD = text(
    """
    SELECT asked.uid, i.sop_class, coalesce(cardinality(s.unsynced) = 0, false) AS synced,
           EXISTS (
               SELECT FROM dicom_node.conflicts c WHERE c.sop_uid = asked.uid AND c.ended = '' AND c.adopted_at IS NULL)
           OR (i.sop_uid IS NULL AND EXISTS (
               SELECT FROM dicom_node.quarantine q WHERE q.sop_uid = asked.uid AND NOT q.set_aside)) AS doubted
    FROM unnest(:uids) AS asked(uid)
    LEFT JOIN dicom_node.instances i ON i.sop_uid = asked.uid
    LEFT JOIN dicom_node.studies s ON s.id = i.study_id
    """
).bindparams(bindparam("uids", type_=ARRAY(Text)))


def held(connection: Connection, sop_uids: Collection[str]) -> dict[str, Held]:
    """What the index has of each of these."""
    found = connection.execute(_HELD, {"uids": list(sop_uids)})
    return {row.uid: Held(row.sop_class or "", row.synced, row.doubted) for row in found}


def decide(connection: Connection, commitment: uuid.UUID, reasons: Sequence[int], alone: float, spool: str) -> None:
    """Keep what is said of each instance; for `alone` s the report is for whoever has an association with the peer.

    It is offered beside `spool`.
    """
    reason, event = "waits to be reported", CommitmentEvent.DECIDE
    COMMITMENTS.move(connection, commitment, event, reason=reason, delay=alone, reasons=list(reasons), spool=spool)


def told(connection: Connection, commitment: uuid.UUID, on: str) -> Commitment | None:
    """The peer has taken the report; the transaction, None where it had before or there is none."""
    query = locked_in_order(_COMMITMENT.where(commitments.c.id == commitment), commitments)
    row = connection.execute(query).one_or_none()
    if row is None or (CommitmentState(row.state), CommitmentEvent.TELL) not in COMMITMENT:
        return None
    COMMITMENTS.move(connection, commitment, CommitmentEvent.TELL, reason=on)
    return _commitment(row)


def note(connection: Connection, commitment: uuid.UUID, reason: str) -> None:
    """Say of what waits to be reported why it still does."""
    its = and_(commitments.c.id == commitment, commitments.c.state == CommitmentState.PENDING)
    connection.execute(update(commitments).where(its).values(reason=reason))


def get(connection: Connection, commitment: uuid.UUID) -> Commitment:
    """The transaction with this id."""
    return _commitment(connection.execute(_COMMITMENT.where(commitments.c.id == commitment)).one())


_COMMITMENT = select(
    commitments,
    func.coalesce(NOW - commitments.c.first_attempt, timedelta()).label("age"),
    (commitments.c.wait_until < NOW).label("is_late"),
    _IS_OLD.label("is_old"),
    exists(associations.c.id)
    .where(associations.c.id == commitments.c.association_id, associations.c.closed_at.is_not(None))
    .correlate(commitments)
    .label("is_alone"),
)


def _commitment(row: Row[*tuple[object, ...]]) -> Commitment:
    fields = {name: getattr(row, name) for name in Commitment.__dataclass_fields__}
    return Commitment(**{**fields, "state": CommitmentState(row.state)})
