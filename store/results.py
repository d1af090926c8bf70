"""Result objects and their deliveries, as rows."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.ids import JobId, StudyId, new_id
from domain.profiles import (
    DEFLATED,
    IMPLICIT,
    LABEL_MAP_SEGMENTATION,
    RLE,
    SEGMENTATION,
    Choice,
    ResultFormat,
    ResultKind,
)
from domain.states import DELIVERY, DeliveryEvent, DeliveryState, advance
from store.jobs import Job
from store.tables import deliveries, delivery_objects, jobs, results

# Wakes whoever delivers.
DELIVERIES_CHANNEL = "dicom_node_deliveries"


# What rows of before docs/decisions/0017 call the segmentation that a report refers to.
_NAMED_BEFORE: Mapping[str, str] = {
    "SEG": ResultFormat(ResultKind.SEG, SEGMENTATION).name,
    "SEG-Implicit VR Little Endian": ResultFormat(ResultKind.SEG, SEGMENTATION, IMPLICIT).name,
    "SEG-Deflated Explicit VR Little Endian": ResultFormat(ResultKind.SEG, SEGMENTATION, DEFLATED).name,
    "SEG-Label Map Segmentation": ResultFormat(ResultKind.SEG, LABEL_MAP_SEGMENTATION).name,
    "SEG-Label Map Segmentation-Implicit VR Little Endian": ResultFormat(
        ResultKind.SEG, LABEL_MAP_SEGMENTATION, IMPLICIT
    ).name,
    "SEG-Label Map Segmentation-Deflated Explicit VR Little Endian": ResultFormat(
        ResultKind.SEG, LABEL_MAP_SEGMENTATION, DEFLATED
    ).name,
    "SEG-Label Map Segmentation-RLE Lossless": ResultFormat(ResultKind.SEG, LABEL_MAP_SEGMENTATION, RLE).name,
}


@dataclass(frozen=True)
class Result:
    """One result object that was written."""

    sop_uid: str
    kind: str
    sop_class: str
    series_uid: str
    transfer_syntax: str
    refers: str
    object_key: str

    @property
    def form(self) -> ResultFormat:
        """The form that it was written in."""
        refers = _NAMED_BEFORE.get(self.refers, self.refers)
        return ResultFormat(ResultKind(self.kind), self.sop_class, self.transfer_syntax, refers)


@dataclass(frozen=True)
class Delivery:
    """The results of one job on their way to one destination."""

    id: uuid.UUID
    job_id: JobId
    study_id: StudyId
    destination: str
    state: DeliveryState
    attempts: int
    first_attempt: datetime | None
    choices: Sequence[Mapping[str, str | None]]
    planned_at: datetime | None


def add_results(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note what was written; the same again changes nothing."""
    if rows:
        connection.execute(upsert(results).values(rows).on_conflict_do_nothing())


def results_of(connection: Connection, job: uuid.UUID) -> list[Result]:
    """The objects of one job, in the order of their UIDs."""
    found = connection.execute(select(results).where(results.c.job_id == job).order_by(results.c.sop_uid))
    return [_result(row) for row in found]


def predecessors(connection: Connection, job: Job) -> list[Result]:
    """What the latest earlier run of the same model on the same study wrote."""
    earlier = (
        select(jobs.c.id)
        .join(results, results.c.job_id == jobs.c.id)
        .where(jobs.c.study_id == job.study_id, jobs.c.model == job.model, jobs.c.revision < job.revision)
        .order_by(jobs.c.revision.desc())
        .limit(1)
    )
    found = connection.execute(earlier).scalar_one_or_none()
    return results_of(connection, found) if found else []


def plan_delivery(
    connection: Connection, job: Job, destination: str, choices: Sequence[Choice], now: datetime
) -> uuid.UUID | None:
    """Make the delivery of those results of a job that were chosen, or choose anew for one that still waits.

    None where it is under way or has ended. What is stored stays stored.
    """
    of_job = and_(deliveries.c.job_id == job.id, deliveries.c.destination == destination)
    waits = select(deliveries.c.id).where(of_job, deliveries.c.state == DeliveryState.PENDING).with_for_update()
    delivery = _new_delivery(connection, job, destination, now) or connection.execute(waits).scalar_one_or_none()
    if delivery:
        _set(connection, delivery, choices=chosen_as_json(choices), planned_at=now, not_before=now)
        _send_alone(connection, delivery, _of_forms(connection, job.id, choices))
    return delivery


def chosen_as_json(choices: Sequence[Choice]) -> list[dict[str, str | None]]:
    """ResultKind, form and reason of each, for a row and for the trail."""
    return [
        {
            "kind": one.kind,
            "sop_class": one.form.sop_class if one.form else None,
            "transfer_syntax": one.form.transfer_syntax if one.form else None,
            "why": one.why,
        }
        for one in choices
    ]


def claim(connection: Connection, owner: str, now: datetime, lease: float) -> Delivery | None:
    """Take the oldest delivery that is due; None where none is. Counts as an attempt."""
    delivery = _pick(connection, and_(deliveries.c.state == DeliveryState.PENDING, deliveries.c.not_before <= now))
    if delivery is None:
        return None
    _set(
        connection,
        delivery.id,
        state=advance(DELIVERY, delivery.state, DeliveryEvent.SEND),
        reason=f"is being sent by {owner}",
        since=now,
        owner=owner,
        lease_until=now + timedelta(seconds=lease),
        attempts=delivery.attempts + 1,
        first_attempt=delivery.first_attempt or now,
    )
    return get_delivery(connection, delivery.id)


def pick_lost(connection: Connection, owner: str | None, now: datetime) -> Delivery | None:
    """A delivery whose sender died: its lease has run out, or `owner` held it before it started anew."""
    gone = deliveries.c.lease_until < now
    condition = or_(gone, deliveries.c.owner == owner) if owner else gone
    return _pick(connection, and_(deliveries.c.state == DeliveryState.SENDING, condition))


def ended_badly(connection: Connection, study: uuid.UUID) -> list[Delivery]:
    """The study's deliveries that were given up or refused, locked."""
    states = (DeliveryState.FAILED, DeliveryState.REFUSED)
    ended = select(deliveries).where(deliveries.c.study_id == study, deliveries.c.state.in_(states))
    return [_delivery(row) for row in connection.execute(ended.order_by(deliveries.c.id).with_for_update())]


def hurry(connection: Connection, study: uuid.UUID, now: datetime) -> int:
    """Let the study's pending deliveries be tried now instead of at the end of their pause; how many there are."""
    pending = and_(deliveries.c.study_id == study, deliveries.c.state == DeliveryState.PENDING)
    return connection.execute(update(deliveries).where(pending).values(not_before=now)).rowcount


def unsent(connection: Connection, delivery: uuid.UUID) -> list[Result]:
    """The objects of a delivery that the destination has not stored yet."""
    found = connection.execute(
        select(results)
        .join(delivery_objects, delivery_objects.c.sop_uid == results.c.sop_uid)
        .where(
            delivery_objects.c.delivery_id == delivery,
            delivery_objects.c.stored.is_(False),
            delivery_objects.c.dropped.is_(False),
        )
        .order_by(results.c.kind, results.c.sop_uid)
    )
    return [_result(row) for row in found]


def note_object(
    connection: Connection, delivery: uuid.UUID, sop_uid: str, stored: bool, status: int | None, now: datetime
) -> None:
    """Keep what the destination said to one object."""
    statement = update(delivery_objects).where(
        delivery_objects.c.delivery_id == delivery, delivery_objects.c.sop_uid == sop_uid
    )
    connection.execute(statement.values(stored=stored, status=status, at=now))


def renew(connection: Connection, delivery: uuid.UUID, owner: str, until: datetime) -> None:
    """Prolong the lease of a delivery that is going on."""
    held = update(deliveries).where(deliveries.c.id == delivery, deliveries.c.owner == owner)
    connection.execute(held.values(lease_until=until))


def objects_of(connection: Connection, delivery: uuid.UUID) -> list[tuple[str, bool, int | None]]:
    """UID, whether it is stored, and the destination's last status, of each object that is to go."""
    columns = (delivery_objects.c.sop_uid, delivery_objects.c.stored, delivery_objects.c.status)
    going = and_(delivery_objects.c.delivery_id == delivery, delivery_objects.c.dropped.is_(False))
    statement = select(*columns).where(going).order_by(columns[0])
    return [(row.sop_uid, row.stored, row.status) for row in connection.execute(statement)]


def move(
    connection: Connection,
    delivery: Delivery,
    happened: Iterable[DeliveryEvent],
    now: datetime,
    reason: str,
    **values: Any,
) -> DeliveryState:
    """Take the delivery through `happened`, one after the other; the state that it then has."""
    state = delivery.state
    for event in happened:
        state = advance(DELIVERY, state, event)
    _set(connection, delivery.id, state=state, reason=reason, since=now, owner=None, lease_until=None, **values)
    return state


def get_delivery(connection: Connection, delivery: uuid.UUID) -> Delivery:
    """The delivery with this id."""
    return _delivery(connection.execute(select(deliveries).where(deliveries.c.id == delivery)).one())


def next_due(connection: Connection) -> datetime | None:
    """When the next pending delivery may be sent."""
    statement = select(func.min(deliveries.c.not_before)).where(deliveries.c.state == DeliveryState.PENDING)
    return connection.execute(statement).scalar_one_or_none()


def waiting(connection: Connection) -> tuple[int, datetime | None]:
    """How many deliveries wait, and since when the oldest."""
    row = connection.execute(
        select(func.count(), func.min(deliveries.c.since)).where(deliveries.c.state == DeliveryState.PENDING)
    ).one()
    return row[0], row[1]


def _new_delivery(connection: Connection, job: Job, destination: str, now: datetime) -> uuid.UUID | None:
    row = {
        "id": new_id(),
        "job_id": job.id,
        "study_id": job.study_id,
        "destination": destination,
        "state": DeliveryState.PENDING,
        "reason": "waits to be sent",
        "since": now,
        "not_before": now,
    }
    made = upsert(deliveries).values(row).on_conflict_do_nothing().returning(deliveries.c.id)
    return connection.execute(made).scalar_one_or_none()


def _of_forms(connection: Connection, job: uuid.UUID, choices: Sequence[Choice]) -> list[str]:
    """UIDs of the job's results in the forms that were chosen."""
    forms = {one.form for one in choices}
    return [one.sop_uid for one in results_of(connection, job) if one.form in forms]


def _send_alone(connection: Connection, delivery: uuid.UUID, sop_uids: Sequence[str]) -> None:
    """Have these objects sent and, of those that are not stored, no others."""
    if sop_uids:
        rows = [{"delivery_id": delivery, "sop_uid": one} for one in sop_uids]
        connection.execute(upsert(delivery_objects).values(rows).on_conflict_do_nothing())
    unsent = and_(delivery_objects.c.delivery_id == delivery, delivery_objects.c.stored.is_(False))
    dropped = delivery_objects.c.sop_uid.not_in(sop_uids)
    connection.execute(update(delivery_objects).where(unsent).values(dropped=dropped))


def _pick(connection: Connection, condition: Any) -> Delivery | None:
    statement = select(deliveries).where(condition).order_by(deliveries.c.not_before, deliveries.c.id).limit(1)
    row = connection.execute(statement.with_for_update(skip_locked=True)).one_or_none()
    return _delivery(row) if row else None


def _set(connection: Connection, delivery: uuid.UUID, **values: Any) -> None:
    connection.execute(update(deliveries).where(deliveries.c.id == delivery).values(**values))


def _result(row: Row[Any]) -> Result:
    return Result(**{name: getattr(row, name) for name in Result.__dataclass_fields__})


def _delivery(row: Row[Any]) -> Delivery:
    fields = {name: getattr(row, name) for name in Delivery.__dataclass_fields__}
    return Delivery(**{**fields, "state": DeliveryState(row.state)})
