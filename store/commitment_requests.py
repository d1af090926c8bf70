"""What we ask of archives, as leased rows: whether what a delivery stored there is kept, one row a delivery."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, Row, and_, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.commitment import REQUEST, RequestEvent, RequestState
from domain.ids import StudyId, new_id
from domain.json_records import JsonObject
from domain.states import DeliveryEvent, DeliveryState
from store.commitment_tables import commitment_requests
from store.deliveries import DELIVERIES, DELIVERIES_CHANNEL, Delivery
from store.leases import NOW, LeaseTable
from store.locks import locked_in_order
from store.results import Result, as_result
from store.tables import deliveries, delivery_objects, results

# Who asks is who delivers.
CHANNEL = DELIVERIES_CHANNEL

REQUESTS = LeaseTable(
    commitment_requests,
    RequestState,
    REQUEST,
    waits=RequestState.PENDING,
    claimed=(RequestEvent.ASK,),
    held=(RequestState.ASKING,),
    lost=RequestEvent.ASKER_LOST,
    retry=RequestEvent.RETRY,
    cancel=RequestEvent.CANCEL,
    give_up=RequestEvent.GIVE_UP,
    asked_at=commitment_requests.c.requested_at,
    at_claim={"first_attempt": func.coalesce(commitment_requests.c.first_attempt, NOW)},
)


@dataclass(frozen=True)
class CommitmentRequest:
    """What is asked about one delivery.

    `transactions` are the Transaction UIDs that it was asked under, the newest last; `report` is what the archive said
    on an association of its own, None until it has; `is_asked` says that it has taken the question and owes a report.
    """

    id: uuid.UUID
    delivery_id: uuid.UUID
    study_id: StudyId
    destination: str
    transactions: Sequence[str]
    rounds: int
    report: JsonObject | None
    is_asked: bool
    state: RequestState
    delivered: DeliveryState
    attempts: int
    age: timedelta


def request(connection: Connection, delivery: Delivery) -> None:
    """Have the destination asked about what was just stored there; anew where it was asked before."""
    sender = select(deliveries.c.sender).where(deliveries.c.id == delivery.id).scalar_subquery()
    row = {
        "id": new_id(),
        "delivery_id": delivery.id,
        "study_id": delivery.study_id,
        "destination": delivery.destination,
        "state": RequestState.PENDING,
        "reason": "waits to be asked about",
        "since": NOW,
        "not_before": NOW,
        "requested_at": NOW,
        "sender": sender,
        "turn": REQUESTS.turn(sender),
    }
    made = upsert(commitment_requests).values(row).on_conflict_do_nothing().returning(commitment_requests.c.id)
    if connection.execute(made).one_or_none() is None:
        its = commitment_requests.c.delivery_id == delivery.id
        known = connection.execute(select(commitment_requests.c.id).where(its)).scalar_one()
        REQUESTS.move(
            connection,
            known,
            RequestEvent.RETRY,
            reason="waits to be asked about",
            attempts=0,
            first_attempt=None,
            transactions=[],
            report=None,
            asked_at=None,
        )


def get(connection: Connection, request_id: uuid.UUID) -> CommitmentRequest:
    """The request with this id."""
    return _request(connection.execute(_REQUEST.where(commitment_requests.c.id == request_id)).one())


def begin(connection: Connection, request_id: uuid.UUID, transaction_uid: str) -> None:
    """A question goes out under this Transaction UID: what reports of it is known from now on."""
    transactions = func.array_append(commitment_requests.c.transactions, transaction_uid)
    its = update(commitment_requests).where(commitment_requests.c.id == request_id)
    connection.execute(its.values(transactions=transactions, asked_at=None, report=None))


def ask_anew(connection: Connection, request_id: uuid.UUID) -> None:
    """What was said counts for nothing any more: the next question is another."""
    its = update(commitment_requests).where(commitment_requests.c.id == request_id)
    connection.execute(its.values(asked_at=None, report=None))


def note_report(connection: Connection, transaction_uid: str, report: Mapping[str, object]) -> StudyId | None:
    """Keep what an archive said, and have it looked at now; the study that it is about, None where nobody asked."""
    its = and_(
        commitment_requests.c.transactions.contains([transaction_uid]),
        commitment_requests.c.state.in_((RequestState.PENDING, RequestState.ASKING)),
    )
    query = locked_in_order(
        select(commitment_requests.c.id, commitment_requests.c.study_id).where(its), commitment_requests
    )
    found = connection.execute(query).one_or_none()
    if found is None:
        return None
    said = update(commitment_requests).where(commitment_requests.c.id == found.id)
    connection.execute(said.values(report=report, not_before=NOW))
    return StudyId(found.study_id)


def objects(connection: Connection, one: CommitmentRequest) -> list[Result]:
    """What the delivery stored."""
    joined = select(results).join(delivery_objects, delivery_objects.c.sop_uid == results.c.sop_uid)
    stored = joined.where(delivery_objects.c.delivery_id == one.delivery_id, delivery_objects.c.stored)
    return [as_result(row) for row in connection.execute(stored.order_by(results.c.kind, results.c.sop_uid))]


def send_again(connection: Connection, one: CommitmentRequest, sop_uids: Collection[str], reason: str) -> None:
    """Have these objects delivered once more; the delivery asks anew when they are stored."""
    lacking = and_(delivery_objects.c.delivery_id == one.delivery_id, delivery_objects.c.sop_uid.in_(sop_uids))
    connection.execute(update(delivery_objects).where(lacking).values(stored=False, status=None))
    DELIVERIES.move(connection, one.delivery_id, DeliveryEvent.RETRY, reason=reason, attempts=0, first_attempt=None)


_REQUEST = select(
    commitment_requests,
    deliveries.c.state.label("delivered"),
    commitment_requests.c.asked_at.is_not(None).label("is_asked"),
    func.coalesce(NOW - commitment_requests.c.first_attempt, timedelta()).label("age"),
).join(deliveries, deliveries.c.id == commitment_requests.c.delivery_id)


def _request(row: Row[*tuple[object, ...]]) -> CommitmentRequest:
    fields = {name: getattr(row, name) for name in CommitmentRequest.__dataclass_fields__}
    states = {"state": RequestState(row.state), "delivered": DeliveryState(row.delivered)}
    return CommitmentRequest(**{**fields, **states})
