"""Rejection notes as leased rows: what of a delivery is out, to be taken back where it went."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, and_, exists, func, select, true, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.ids import JobId, StudyId, SummaryId, new_id
from domain.rejections import Cause
from domain.states import DELIVERY, DeliveryEvent, DeliveryState
from store.deliveries import Delivery
from store.jobs import Job
from store.leases import NOW, Condition, LeaseTable
from store.locks import locked_in_order
from store.results import IS_OUT, Result, as_result, of
from store.summaries import Summary
from store.tables import deliveries, delivery_objects, jobs, rejections, results, summaries

REJECTIONS = LeaseTable(
    rejections,
    DeliveryState,
    DELIVERY,
    waits=DeliveryState.PENDING,
    claimed=(DeliveryEvent.SEND,),
    held=(DeliveryState.SENDING,),
    lost=DeliveryEvent.SENDER_LOST,
    retry=DeliveryEvent.RETRY,
    cancel=DeliveryEvent.CANCEL,
    give_up=DeliveryEvent.REFUSE,
    asked_at=rejections.c.requested_at,
    at_claim={"first_attempt": func.coalesce(rejections.c.first_attempt, NOW)},
)

# A note is sent when it is written.
IS_WRITTEN: Condition = rejections.c.object_key != ""


_ENDED_BADLY = (DeliveryState.FAILED, DeliveryState.REFUSED)
_OVER = (DeliveryState.STORED, DeliveryState.COMMITTED, DeliveryState.CANCELLED)


@dataclass(frozen=True)
class Rejection:
    """A note on its way to one destination. `age` is how long ago the first attempt was."""

    id: uuid.UUID
    delivery_id: uuid.UUID
    job_id: JobId | None
    summary_id: SummaryId | None
    study_id: StudyId
    destination: str
    cause: Cause
    state: DeliveryState
    attempts: int
    age: timedelta
    requested_at: datetime
    revision: int
    sop_uid: str
    transfer_syntax: str
    object_key: str


def get(connection: Connection, rejection: uuid.UUID) -> Rejection:
    """The note with this id."""
    return _rejection(connection.execute(_REJECTION.where(rejections.c.id == rejection)).one())


def request(connection: Connection, delivery: Delivery, cause: Cause) -> bool:
    """Have a note made of what of a delivery is out; whether one is needed that there was not."""
    out = exists().where(delivery_objects.c.delivery_id == delivery.id, IS_OUT)
    if not connection.scalar(select(out)):
        return False
    sender = select(deliveries.c.sender).where(deliveries.c.id == delivery.id).scalar_subquery()
    row = {
        "id": new_id(),
        "delivery_id": delivery.id,
        "study_id": delivery.study_id,
        "destination": delivery.destination,
        "cause": cause,
        "state": DeliveryState.PENDING,
        "reason": "waits to be written",
        "since": NOW,
        "not_before": NOW,
        "requested_at": NOW,
        "sender": sender,
        "turn": REJECTIONS.turn(sender),
    }
    made = upsert(rejections).values(row).on_conflict_do_nothing().returning(rejections.c.id)
    return connection.execute(made).scalar_one_or_none() is not None


def lock(connection: Connection, study: uuid.UUID) -> None:
    """Lock the study's notes: whoever writes the outcome of one is waited for."""
    connection.execute(locked_in_order(select(rejections.c.id).where(rejections.c.study_id == study), rejections))


def is_rejected(connection: Connection, delivery: uuid.UUID) -> bool:
    """Whether there is a note of this delivery, for whatever cause."""
    return bool(connection.scalar(select(exists().where(rejections.c.delivery_id == delivery))))


def withdrawn_from(connection: Connection, study: uuid.UUID) -> list[tuple[uuid.UUID, str]]:
    """Each note of the study's wrong results, and where it goes."""
    wrong = (rejections.c.study_id == study, rejections.c.cause == Cause.WITHDRAWN)
    found = connection.execute(select(rejections.c.id, rejections.c.destination).where(*wrong))
    return [(row.id, row.destination) for row in found]


def out(connection: Connection, delivery: uuid.UUID) -> list[Result]:
    """The results of a delivery that are or may be at its destination, in the form that went there."""
    joined = select(results).join(delivery_objects, delivery_objects.c.sop_uid == results.c.sop_uid)
    found = joined.where(delivery_objects.c.delivery_id == delivery, IS_OUT)
    return [as_result(row) for row in connection.execute(found.order_by(results.c.kind, results.c.sop_uid))]


def successor(connection: Connection, rejection: Rejection) -> int | None:
    """The number of the results of the same model that are at the destination in place of those that a note rejects.

    Of an impression: of the one that is there in its place.
    """
    if rejection.summary_id is not None:
        return _newest_impression(connection, rejection)
    old = select(jobs.c.study_id, jobs.c.model, jobs.c.result_number).where(jobs.c.id == rejection.job_id).subquery()
    newest = (
        select(func.max(jobs.c.result_number))
        .join(deliveries, deliveries.c.job_id == jobs.c.id)
        .join(old, and_(old.c.study_id == jobs.c.study_id, old.c.model == jobs.c.model))
        .where(deliveries.c.destination == rejection.destination, jobs.c.result_number > old.c.result_number)
    )
    return connection.execute(newest).scalar_one_or_none()


def _newest_impression(connection: Connection, rejection: Rejection) -> int | None:
    newest = (
        select(func.max(summaries.c.number))
        .join(deliveries, deliveries.c.summary_id == summaries.c.id)
        .where(deliveries.c.study_id == rejection.study_id, deliveries.c.destination == rejection.destination)
    )
    number = connection.scalar(select(summaries.c.number).where(summaries.c.id == rejection.summary_id))
    return next((one for one in connection.execute(newest).scalars() if one and number and one > number), None)


def ended_badly(connection: Connection, study: uuid.UUID) -> list[Rejection]:
    """The study's notes that were given up or refused."""
    ended = _REJECTION.where(rejections.c.study_id == study, rejections.c.state.in_(_ENDED_BADLY))
    return [_rejection(row) for row in connection.execute(ended.order_by(rejections.c.id))]


def studies_without(connection: Connection, destination: str) -> list[StudyId]:
    """The studies with a note that the destination refused, that was given up, or that waits."""
    missing = rejections.c.state.in_((*_ENDED_BADLY, DeliveryState.PENDING))
    found = select(rejections.c.study_id).where(REJECTIONS.bound_for(destination), missing).distinct()
    return [StudyId(one) for one in connection.execute(found).scalars()]


def try_anew(connection: Connection, study: uuid.UUID, reason: str, destination: str | None = None) -> int:
    """Have the study's notes that ended badly tried again, and those that wait now; how many.

    Those to `destination` alone where one is given.
    """
    ended = [one for one in ended_badly(connection, study) if destination in (None, one.destination)]
    for one in ended:
        _try_anew(connection, one, reason)
    there = REJECTIONS.bound_for(destination) if destination is not None else true()
    pending = and_(rejections.c.study_id == study, rejections.c.state == DeliveryState.PENDING, there)
    return connection.execute(update(rejections).where(pending).values(not_before=NOW)).rowcount


def forgotten(connection: Connection, study: uuid.UUID) -> list[Rejection]:
    """The study's notes that were cancelled because their destination was forgotten."""
    found = _REJECTION.where(rejections.c.study_id == study, rejections.c.forgotten)
    return [_rejection(row) for row in connection.execute(found.order_by(rejections.c.id))]


def remember(
    connection: Connection, study: uuid.UUID, destinations: Collection[str], reason: str
) -> Sequence[Rejection]:
    """Have the forgotten notes tried anew whose destination is one of `destinations`; which those are."""
    again = [one for one in forgotten(connection, study) if one.destination in destinations]
    for one in again:
        _try_anew(connection, one, reason)
    return again


def unfinished(connection: Connection, destination: str) -> list[Rejection]:
    """The notes that have not arrived at a destination and were not cancelled, locked."""
    going = _REJECTION.where(REJECTIONS.bound_for(destination), rejections.c.state.not_in(_OVER))
    return [_rejection(row) for row in connection.execute(locked_in_order(going, rejections))]


def waiting(connection: Connection, study: uuid.UUID) -> list[Rejection]:
    """The study's notes that wait to be sent."""
    pending = _REJECTION.where(rejections.c.study_id == study, rejections.c.state == DeliveryState.PENDING)
    return [_rejection(row) for row in connection.execute(pending)]


def unwritten(connection: Connection, item: Job | Summary) -> list[Rejection]:
    """The notes of the results of a job, or of an impression, that are still to be written."""
    waits = and_(of(deliveries, item), rejections.c.state == DeliveryState.PENDING, ~IS_WRITTEN)
    return [_rejection(row) for row in connection.execute(_REJECTION.where(waits).order_by(rejections.c.id))]


def note_written(connection: Connection, rejection: uuid.UUID, sop_uid: str, transfer_syntax: str, key: str) -> None:
    """The note is in the object store, and may be sent."""
    values = {"sop_uid": sop_uid, "transfer_syntax": transfer_syntax, "object_key": key, "reason": "waits to be sent"}
    connection.execute(update(rejections).where(rejections.c.id == rejection).values(values))


def _try_anew(connection: Connection, ended: Rejection, reason: str) -> None:
    retry = DeliveryEvent.RETRY
    REJECTIONS.move(connection, ended.id, retry, reason=reason, attempts=0, first_attempt=None, forgotten=False)


_REJECTION = (
    select(
        rejections,
        func.coalesce(NOW - rejections.c.first_attempt, timedelta()).label("age"),
        deliveries.c.job_id,
        deliveries.c.summary_id,
        func.coalesce(jobs.c.revision, summaries.c.revision).label("revision"),
    )
    .join(deliveries, deliveries.c.id == rejections.c.delivery_id)
    .outerjoin(jobs, jobs.c.id == deliveries.c.job_id)
    .outerjoin(summaries, summaries.c.id == deliveries.c.summary_id)
)


def _rejection(row: Row[*tuple[object, ...]]) -> Rejection:
    fields = {name: getattr(row, name) for name in Rejection.__dataclass_fields__}
    return Rejection(**{**fields, "state": DeliveryState(row.state), "cause": Cause(row.cause)})
