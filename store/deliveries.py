"""Deliveries as leased rows: the results of one job, or a study's impression, to one destination, object by object."""

import operator
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, and_, exists, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.ids import JobId, StudyId, SummaryId, new_id
from domain.profiles import Choice
from domain.records import ChoiceRecord
from domain.retry import RetryPolicy
from domain.states import DELIVERY, DeliveryEvent, DeliveryState
from store import conflicts
from store.jobs import Job
from store.leases import NOW, Condition, LeaseTable
from store.locks import locked, locked_in_order
from store.results import Result, as_result, of, results_of
from store.summaries import Summary
from store.tables import deliveries, delivery_objects, jobs, results, studies, summaries

# Wakes whoever delivers.
DELIVERIES_CHANNEL = "dicom_node_deliveries"

DELIVERIES = LeaseTable(
    deliveries,
    DeliveryState,
    DELIVERY,
    waits=DeliveryState.PENDING,
    claimed=(DeliveryEvent.SEND,),
    held=(DeliveryState.SENDING,),
    lost=DeliveryEvent.SENDER_LOST,
    retry=DeliveryEvent.RETRY,
    cancel=DeliveryEvent.CANCEL,
    give_up=DeliveryEvent.REFUSE,
    # A plan that is made anew moves `planned_at`, and the first attempt was before that.
    asked_at=func.least(deliveries.c.planned_at, deliveries.c.first_attempt, deliveries.c.since),
    at_claim={"first_attempt": func.coalesce(deliveries.c.first_attempt, NOW)},
)

WAITS_TO_BE_SENT = "waits to be sent"
_ARRIVED = (DeliveryState.STORED, DeliveryState.COMMITTED)
_ENDED_BADLY = (DeliveryState.FAILED, DeliveryState.REFUSED)


# Of a study whose images name two patients, or are somebody else's by a correction that waits, nothing goes out.
OF_ONE_PATIENT: Condition = and_(
    ~exists(studies.c.id).where(studies.c.id == deliveries.c.study_id, studies.c.two_patients),
    ~conflicts.are_doubted(deliveries.c.study_id),
)


@dataclass(frozen=True)
class Delivery:
    """The results of one job, or of one impression, on their way to one destination.

    `age` is how long ago the first attempt was. `withdrawn` says that the results were taken back as wrong. `number` is
    that of the impression among the study's, None of a job's; `model` is "" for an impression.
    """

    id: uuid.UUID
    job_id: JobId | None
    summary_id: SummaryId | None
    study_id: StudyId
    destination: str
    state: DeliveryState
    attempts: int
    age: timedelta
    choices: Sequence[ChoiceRecord]
    planned_at: datetime | None
    rewritten: int
    model: str
    revision: int
    number: int | None
    withdrawn: bool


@dataclass(frozen=True)
class Planned:
    """A delivery that waits to be sent, and how often its results were written anew."""

    id: uuid.UUID
    rewritten: int


def plan_delivery(
    connection: Connection, item: Job | Summary, destination: str, choices: Sequence[Choice], rewrites: RetryPolicy
) -> Planned | None:
    """Make the delivery of those results of a job, or of an impression, that were chosen; one that waits is made anew.

    None where it is under way or has ended. What is stored stays stored. By `rewrites` it waits, where its results were
    written anew.
    """
    own = and_(of(deliveries, item), DELIVERIES.bound_for(destination))
    waits = select(deliveries.c.id, deliveries.c.rewritten).where(own, deliveries.c.state == DeliveryState.PENDING)
    _new_delivery(connection, item, destination)
    row = connection.execute(locked(waits, deliveries)).one_or_none()
    if row is None:
        return None
    pause = rewrites.delay(row.rewritten) or 0.0 if row.rewritten else 0.0
    planned = update(deliveries).where(deliveries.c.id == row.id)
    not_before = NOW + timedelta(seconds=pause)
    connection.execute(planned.values(choices=chosen_as_json(choices), planned_at=NOW, not_before=not_before))
    _send_alone(connection, row.id, _of_forms(connection, item, choices))
    return Planned(row.id, row.rewritten)


def make(connection: Connection, item: Job | Summary, destination: str) -> Delivery | None:
    """A delivery of which nothing is planned; None where there is one."""
    own = and_(of(deliveries, item), DELIVERIES.bound_for(destination))
    if connection.scalar(select(exists().where(own))):
        return None
    _new_delivery(connection, item, destination)
    return _delivery(connection.execute(_DELIVERY.where(own)).one())


def why_cancelled(connection: Connection, job: Job) -> str:
    """Why a job's results go nowhere any more, "" where none was cancelled."""
    ended = (of(deliveries, job), deliveries.c.state == DeliveryState.CANCELLED)
    newest = select(deliveries.c.reason).where(*ended).order_by(deliveries.c.since.desc()).limit(1)
    return connection.execute(newest).scalar_one_or_none() or ""


def hold_back(connection: Connection, planned: Planned, written_for: datetime, seconds: float) -> None:
    """Let a delivery that was just planned wait for results that are written anew, `seconds` at the most.

    `written_for` is when, by the database's clock, the answers were looked at that the present ones were written for.
    """
    not_before = NOW + timedelta(seconds=seconds)
    values = {"rewritten": planned.rewritten + 1, "planned_at": written_for, "not_before": not_before}
    connection.execute(update(deliveries).where(deliveries.c.id == planned.id).values(values))


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


def get(connection: Connection, delivery: uuid.UUID) -> Delivery:
    """The delivery with this id."""
    return _delivery(connection.execute(_DELIVERY.where(deliveries.c.id == delivery)).one())


def lock(connection: Connection, *of: uuid.UUID) -> None:
    """Lock the deliveries of these studies: whoever writes the outcome of one is waited for."""
    connection.execute(locked_in_order(select(deliveries.c.id).where(deliveries.c.study_id.in_(of)), deliveries))


def ended_badly(connection: Connection, study: uuid.UUID) -> list[Delivery]:
    """The study's deliveries that were given up or refused."""
    ended = _DELIVERY.where(deliveries.c.study_id == study, deliveries.c.state.in_(_ENDED_BADLY))
    return [_delivery(row) for row in connection.execute(ended.order_by(deliveries.c.id))]


def reopen(
    connection: Connection, study: uuid.UUID, reason: str, revision: int | None = None, destination: str | None = None
) -> int:
    """Have the study's deliveries that ended badly tried anew; how many.

    Those of `revision` where one is given, and those to `destination` where one is.
    """
    ended = [one for one in ended_badly(connection, study) if revision in (None, one.revision)]
    return try_anew(connection, [one for one in ended if destination in (None, one.destination)], reason)


def studies_without(connection: Connection, destination: str) -> list[StudyId]:
    """The studies with a delivery that the destination refused, that was given up, or that waits."""
    missing = deliveries.c.state.in_((*_ENDED_BADLY, DeliveryState.PENDING))
    found = select(deliveries.c.study_id).where(DELIVERIES.bound_for(destination), missing).distinct()
    return [StudyId(one) for one in connection.execute(found).scalars()]


def studies_forgotten_without(connection: Connection, destination: str) -> list[StudyId]:
    """The studies with results that went with a forgotten destination and were never planned for this one."""
    other = deliveries.alias()
    planned = exists().where(other.c.job_id == deliveries.c.job_id, other.c.destination == destination)
    counts = exists().where(jobs.c.id == deliveries.c.job_id, jobs.c.withdrawn_at.is_(None))
    found = select(deliveries.c.study_id).where(deliveries.c.forgotten, counts, ~planned).distinct()
    return [StudyId(one) for one in connection.execute(found).scalars()]


def planned_for(connection: Connection, item: Job | Summary) -> dict[str, bool]:
    """The destinations that results were planned for, each with whether it was forgotten meanwhile."""
    rows = connection.execute(select(deliveries.c.destination, deliveries.c.forgotten).where(of(deliveries, item)))
    return {row.destination: row.forgotten for row in rows}


def without_objects(connection: Connection, item: Job | Summary) -> list[Delivery]:
    """What ended, of the deliveries of a job or an impression, with no object that was to go.

    Not what was forgotten with its destination.
    """
    over = (DeliveryState.STORED, DeliveryState.CANCELLED)
    going = exists().where(delivery_objects.c.delivery_id == deliveries.c.id, delivery_objects.c.dropped.is_(False))
    ended = and_(of(deliveries, item), deliveries.c.state.in_(over), ~deliveries.c.forgotten, ~going)
    return [_delivery(row) for row in connection.execute(_DELIVERY.where(ended).order_by(deliveries.c.id))]


def forgotten(connection: Connection, study: uuid.UUID) -> list[Delivery]:
    """The study's deliveries that were cancelled because their destination was forgotten."""
    cancelled = _DELIVERY.where(deliveries.c.study_id == study, deliveries.c.forgotten)
    return [_delivery(row) for row in connection.execute(cancelled.order_by(deliveries.c.id))]


def remember(connection: Connection, study: uuid.UUID, destinations: Collection[str], reason: str) -> int:
    """Have what was cancelled of a study tried anew where its destination is one of `destinations`; how many."""
    again = [one for one in forgotten(connection, study) if one.destination in destinations]
    return try_anew(connection, again, reason)


def try_anew(connection: Connection, ended: Sequence[Delivery], reason: str) -> int:
    """Have these, which have ended, tried from the beginning; how many they are."""
    for one in ended:
        DELIVERIES.move(
            connection,
            one.id,
            DeliveryEvent.RETRY,
            reason=reason,
            attempts=0,
            first_attempt=None,
            rewritten=0,
            forgotten=False,
        )
    return len(ended)


def unfinished(connection: Connection, destination: str) -> list[Delivery]:
    """What has not arrived at a destination and was not cancelled, locked."""
    over = (*_ARRIVED, DeliveryState.CANCELLED)
    going = _DELIVERY.where(DELIVERIES.bound_for(destination), deliveries.c.state.not_in(over))
    return [_delivery(row) for row in connection.execute(locked_in_order(going, deliveries))]


def is_known(connection: Connection, destination: str) -> bool:
    """Was anything ever to go to this destination?"""
    return bool(connection.scalar(select(exists().where(DELIVERIES.bound_for(destination)))))


def is_overtaken(connection: Connection, delivery: Delivery) -> bool:
    """Whether the results of a later revision by the same model have arrived there, or it had none for there.

    Of an impression: whether a later one of the study's has.
    """
    sent = exists().where(delivery_objects.c.delivery_id == deliveries.c.id)
    newer = exists().where(
        deliveries.c.study_id == delivery.study_id,
        deliveries.c.destination == delivery.destination,
        or_(deliveries.c.state.in_(_ARRIVED), and_(deliveries.c.state == DeliveryState.CANCELLED, ~sent)),
        _of_same(delivery, later=True),
    )
    return bool(connection.scalar(select(newer)))


def hurry(connection: Connection, study: uuid.UUID, destination: str | None = None) -> int:
    """Let the study's pending deliveries be tried now instead of at the end of their pause; how many there are.

    Those to `destination` alone where one is given.
    """
    there = DELIVERIES.bound_for(destination) if destination is not None else true()
    pending = and_(deliveries.c.study_id == study, deliveries.c.state == DeliveryState.PENDING, there)
    return connection.execute(update(deliveries).where(pending).values(not_before=NOW)).rowcount


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
    return [as_result(row) for row in found]


def note_object(
    connection: Connection,
    delivery: uuid.UUID,
    sop_uid: str,
    stored: bool,
    status: int | None,
    unanswered: bool = False,
) -> None:
    """Keep what the destination said to one object; one that is `unanswered` was sent and may be there."""
    statement = update(delivery_objects).where(
        delivery_objects.c.delivery_id == delivery, delivery_objects.c.sop_uid == sop_uid
    )
    said = {"status": status, "at": NOW} if status is not None or unanswered else {}
    connection.execute(statement.values(stored=stored, **said))


def say(connection: Connection, delivery: uuid.UUID, reason: str) -> None:
    """Have a delivery that arrived say what became of it since; its state and its time stay."""
    mine = and_(deliveries.c.id == delivery, deliveries.c.state == DeliveryState.STORED.value)
    connection.execute(update(deliveries).where(mine).values(reason=reason))


def note_unanswered(connection: Connection, delivery: uuid.UUID) -> None:
    """Of what a sender that writes no more had in hand, nobody knows whether it arrived."""
    unsaid = and_(delivery_objects.c.delivery_id == delivery, delivery_objects.c.at.is_(None))
    going = update(delivery_objects).where(unsaid, delivery_objects.c.dropped.is_(False))
    connection.execute(going.values(at=NOW))


def of_study(connection: Connection, study: uuid.UUID) -> list[Delivery]:
    """All deliveries of a study."""
    every = _DELIVERY.where(deliveries.c.study_id == study)
    return [_delivery(row) for row in connection.execute(every.order_by(deliveries.c.id))]


def superseded(connection: Connection, delivery: Delivery) -> list[Delivery]:
    """The deliveries of older results of the same model, or of older impressions, to the same destination.

    Those that send nothing any more.
    """
    same = (deliveries.c.study_id == delivery.study_id, deliveries.c.destination == delivery.destination)
    older = and_(*same, _of_same(delivery, later=False))
    still = _DELIVERY.where(older, deliveries.c.state != DeliveryState.SENDING)
    return [_delivery(row) for row in connection.execute(still.order_by(deliveries.c.id))]


def objects_of(connection: Connection, delivery: uuid.UUID) -> list[tuple[str, bool, int | None]]:
    """UID, whether it is stored, and the destination's last status, of each object that is to go."""
    columns = (delivery_objects.c.sop_uid, delivery_objects.c.stored, delivery_objects.c.status)
    going = and_(delivery_objects.c.delivery_id == delivery, delivery_objects.c.dropped.is_(False))
    statement = select(*columns).where(going).order_by(columns[0])
    return [(row.sop_uid, row.stored, row.status) for row in connection.execute(statement)]


def _of_same(delivery: Delivery, *, later: bool) -> Condition:
    """What is of the same model, or is an impression as well, and later or earlier than this delivery's."""
    compare = operator.gt if later else operator.lt
    if delivery.number is not None:
        other = exists(summaries.c.id).where(
            summaries.c.id == deliveries.c.summary_id, compare(summaries.c.number, delivery.number)
        )
    else:
        other = exists(jobs.c.id).where(
            jobs.c.id == deliveries.c.job_id,
            jobs.c.model == delivery.model,
            compare(jobs.c.revision, delivery.revision),
        )
    return other.correlate(deliveries)


def _new_delivery(connection: Connection, item: Job | Summary, destination: str) -> None:
    if isinstance(item, Job):
        sender = select(jobs.c.sender).where(jobs.c.id == item.id).scalar_subquery()
    else:
        sender = select(summaries.c.sender).where(summaries.c.id == item.id).scalar_subquery()
    row = {
        "id": new_id(),
        "job_id" if isinstance(item, Job) else "summary_id": item.id,
        "study_id": item.study_id,
        "destination": destination,
        "state": DeliveryState.PENDING,
        "reason": WAITS_TO_BE_SENT,
        "since": NOW,
        "not_before": NOW,
        "sender": sender,
        "turn": DELIVERIES.turn(sender),
    }
    connection.execute(upsert(deliveries).values(row).on_conflict_do_nothing())


def _of_forms(connection: Connection, item: Job | Summary, choices: Sequence[Choice]) -> list[str]:
    """UIDs of its results in the forms that were chosen."""
    forms = {one.form for one in choices}
    return [one.sop_uid for one in results_of(connection, item) if one.form in forms]


def _send_alone(connection: Connection, delivery: uuid.UUID, sop_uids: Sequence[str]) -> None:
    """Have these objects sent and, of those that are not stored, no others."""
    if sop_uids:
        rows = [{"delivery_id": delivery, "sop_uid": one} for one in sop_uids]
        connection.execute(upsert(delivery_objects).values(rows).on_conflict_do_nothing())
    unsent = and_(delivery_objects.c.delivery_id == delivery, delivery_objects.c.stored.is_(False))
    dropped = delivery_objects.c.sop_uid.not_in(sop_uids)
    connection.execute(update(delivery_objects).where(unsent).values(dropped=dropped))


_DELIVERY = (
    select(
        deliveries,
        func.coalesce(NOW - deliveries.c.first_attempt, timedelta()).label("age"),
        func.coalesce(jobs.c.model, "").label("model"),
        func.coalesce(jobs.c.revision, summaries.c.revision).label("revision"),
        summaries.c.number,
        or_(jobs.c.withdrawn_at.is_not(None), summaries.c.withdrawn_at.is_not(None)).label("withdrawn"),
    )
    .outerjoin(jobs, jobs.c.id == deliveries.c.job_id)
    .outerjoin(summaries, summaries.c.id == deliveries.c.summary_id)
)


def _delivery(row: Row[*tuple[object, ...]]) -> Delivery:
    fields = {name: getattr(row, name) for name in Delivery.__dataclass_fields__}
    choices = tuple(ChoiceRecord(**one) for one in row.choices)
    return Delivery(**{**fields, "state": DeliveryState(row.state), "choices": choices})
