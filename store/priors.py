"""Requests for earlier studies, and the studies that come by them."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import (
    Connection,
    Integer,
    Row,
    Uuid,
    and_,
    column,
    exists,
    extract,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from domain import priors
from domain.ids import StudyId
from domain.priors import EarlierChoice, Wanted
from domain.states import JobState, StudyState
from store.columns import SCHEMA
from store.leases import NOW
from store.locks import locked
from store.prior_tables import fetched_studies, prior_requests
from store.routing import WAITS_FOR_A_WORKER
from store.tables import (
    associations,
    instances,
    jobs,
    studies,
    study_associations,
)

# s after the deadline of a request, and around a clock of another host, in which what comes is still of it.
_LATE = 120.0
_WAITS = "waits for an earlier study of the patient to compare with"
# Between a request and the jobs that wait for it, in one transaction.
_A_MOMENT = timedelta(seconds=5)


class RequestState(StrEnum):
    """How far a request is."""

    ASKED = "asked"  # archives are to be asked
    COMING = "coming"  # archives have sent what they have
    ANSWERED = "answered"


@dataclass(frozen=True)
class PriorRequest:
    """What the models of a study compare with. `seconds` are left until they run without; `sent` is how many images of
    each study archives say to have sent.
    """

    study_id: StudyId
    study_uid: str
    state: RequestState
    reason: str
    wanted: Mapping[str, Wanted]
    earlier: Mapping[str, EarlierChoice]
    sent: Mapping[str, int]
    seconds: float


@dataclass(frozen=True)
class Earlier:
    """An earlier study of the same patient, so many `days` before."""

    study_id: StudyId
    days: int
    revision: int


def ask(connection: Connection, study: StudyId, wanted: Mapping[str, Wanted], seconds: float) -> float:
    """Have archives asked for what models of `study` want; how long these wait at the most, 0 where it is answered.

    What was asked for once is asked for again where a model wants what no model wanted.
    """
    connection.execute(locked(select(prior_requests.c.study_id).filter_by(study_id=study), prior_requests))
    known = of_study(connection, study)
    if known and all(known.wanted.get(model) == one for model, one in wanted.items()):
        return known.seconds if known.state is not RequestState.ANSWERED else 0.0
    every = {**(known.wanted if known else {}), **wanted}
    row = {
        "state": RequestState.ASKED,
        "reason": "earlier studies are asked for",
        "wanted": {model: one.to_json() for model, one in every.items()},
        "earlier": {},
        "sent": {},
        "asked_at": NOW,
        "until": NOW + timedelta(seconds=seconds),
        "owner": None,
    }
    made = upsert(prior_requests).values(study_id=study, **row)
    connection.execute(made.on_conflict_do_update(index_elements=["study_id"], set_=row))
    return seconds


def let_wait(connection: Connection, job: uuid.UUID) -> None:
    """Say what a job waits for that was requested now."""
    connection.execute(update(jobs).where(jobs.c.id == job).values(reason=_WAITS))


def claim(connection: Connection, owner: str) -> PriorRequest | None:
    """The oldest request whose archives are to be asked, which is then this owner's; None where there is none."""
    waits = and_(prior_requests.c.state == RequestState.ASKED, prior_requests.c.owner.is_(None))
    first = select(prior_requests.c.study_id).where(waits, prior_requests.c.until > NOW)
    found = connection.scalar(locked(first.order_by(prior_requests.c.asked_at).limit(1), prior_requests, skip=True))
    if found is None:
        return None
    connection.execute(update(prior_requests).where(prior_requests.c.study_id == found).values(owner=owner))
    return of_study(connection, StudyId(found))


def release(connection: Connection, owner: str) -> None:
    """What an earlier life of this owner was asking for is asked for again."""
    its = and_(prior_requests.c.owner == owner, prior_requests.c.state == RequestState.ASKED)
    connection.execute(update(prior_requests).where(its).values(owner=None))


def open_requests(connection: Connection) -> list[PriorRequest]:
    """The requests that are not answered and need no archive any more: all has been sent, or their time is over."""
    over = or_(prior_requests.c.state == RequestState.COMING, prior_requests.c.until <= NOW)
    found = connection.execute(_REQUESTS.where(prior_requests.c.state != RequestState.ANSWERED, over))
    return [_request(row) for row in found]


def of_study(connection: Connection, study: StudyId) -> PriorRequest | None:
    """The request of a study, None where there is none."""
    row = connection.execute(_REQUESTS.where(prior_requests.c.study_id == study)).one_or_none()
    return _request(row) if row else None


def expect(
    connection: Connection, request: PriorRequest, study_uid: str, source: str, calling_ae: str, address: str
) -> None:
    """Note that an archive is about to send a study of which nothing is here."""
    row = {
        "source": source,
        "calling_ae": calling_ae,
        "address": address,
        "asked_for": request.study_id,
        "asked_at": NOW,
        "until": NOW + timedelta(seconds=request.seconds + _LATE),
    }
    made = upsert(fetched_studies).values(study_uid=study_uid, **row)
    connection.execute(made.on_conflict_do_update(index_elements=["study_uid"], set_=row))


def note_sent(connection: Connection, study: StudyId, sent: Mapping[str, int], reason: str) -> None:
    """Archives have sent what they have, as far as they say."""
    row = {"state": RequestState.COMING, "sent": dict(sent), "reason": reason, "owner": None}
    asked = and_(prior_requests.c.study_id == study, prior_requests.c.state == RequestState.ASKED)
    connection.execute(update(prior_requests).where(asked).values(row))


def answer(connection: Connection, study: StudyId, earlier: Mapping[str, EarlierChoice], reason: str) -> None:
    """Let no job of the study wait for earlier studies any longer; its model compares with what is in `earlier`.

    The transaction has locked the study's jobs. `reason` is why there is nothing to compare with.
    """
    wanted = func.jsonb_exists(prior_requests.c.wanted, jobs.c.model)
    asked = exists(select(literal(1)).where(prior_requests.c.study_id == jobs.c.study_id, wanted))
    waits = and_(jobs.c.study_id == study, asked, jobs.c.state == JobState.REQUESTED)
    until = select(prior_requests.c.until + _A_MOMENT).where(prior_requests.c.study_id == study).scalar_subquery()
    connection.execute(
        update(jobs)
        .where(waits, jobs.c.not_before > NOW, jobs.c.not_before <= until)
        .values(not_before=NOW, reason=WAITS_FOR_A_WORKER)
    )
    told = {model: one.to_json() for model, one in earlier.items()}
    row = {"state": RequestState.ANSWERED, "reason": reason, "earlier": told, "owner": None}
    connection.execute(update(prior_requests).where(prior_requests.c.study_id == study).values(row))


def here(connection: Connection, uids: Collection[str]) -> set[str]:
    """Those of these studies of which images are here, or were; not those that are still being fetched."""
    on_its_way = and_(fetched_studies.c.study_uid == studies.c.study_uid, fetched_studies.c.until > NOW)
    coming = and_(studies.c.state == StudyState.RECEIVING, exists(select(literal(1)).where(on_its_way)))
    found = select(studies.c.study_uid).where(studies.c.study_uid.in_(list(uids)), ~coming)
    return set(connection.execute(found).scalars())


def came(connection: Connection, uids: Collection[str]) -> dict[str, tuple[StudyId, int, bool]]:
    """Of each of these studies that is here: its id, how many images it has, and whether all are synced."""
    counted = select(func.count()).where(instances.c.study_id == studies.c.id).scalar_subquery()
    synced = func.cardinality(studies.c.unsynced) == 0
    found = select(studies.c.study_uid, studies.c.id, counted.label("images"), synced.label("synced"))
    rows = connection.execute(found.where(studies.c.study_uid.in_(list(uids))))
    return {row.study_uid: (StudyId(row.id), row.images, row.synced) for row in rows}


def only_fetched(connection: Connection, ids: Collection[StudyId]) -> set[StudyId]:
    """Those of these studies of which nothing came but what an archive was asked for, from there and in that time."""
    around = timedelta(seconds=_LATE)
    asked_for = and_(
        or_(
            associations.c.calling_ae == fetched_studies.c.calling_ae,
            associations.c.address == fetched_studies.c.address,
        ),
        associations.c.opened_at.between(fetched_studies.c.asked_at - around, fetched_studies.c.until),
    )
    brought = study_associations.join(associations, associations.c.id == study_associations.c.association_id)
    others = select(literal(1)).select_from(brought).where(study_associations.c.study_id == studies.c.id, ~asked_for)
    found = (
        select(studies.c.id)
        .join(fetched_studies, fetched_studies.c.study_uid == studies.c.study_uid)
        .where(studies.c.id.in_(list(ids)), ~exists(others.correlate(studies, fetched_studies)))
    )
    return {StudyId(one) for one in connection.execute(found).scalars()}


def earlier_studies(connection: Connection, study: StudyId, within_days: int) -> Sequence[Earlier]:
    """The earlier studies of the same patient that have images, the newest first.

    Which they are the database says, by the marks of whom images name and by nobody's word (migration 0024).
    """
    before = getattr(func, SCHEMA).earlier_studies(study)
    columns = before.table_valued(column("study_id", Uuid), column("days", Integer), name="before")
    found = (
        select(columns.c.study_id, columns.c.days, studies.c.revision)
        .join(studies, studies.c.id == columns.c.study_id)
        .where(columns.c.days <= within_days, studies.c.revision > 0)
        .order_by(columns.c.days, columns.c.study_id)
    )
    return [Earlier(StudyId(row.study_id), row.days, row.revision) for row in connection.execute(found)]


def seconds_until_over(connection: Connection) -> float | None:
    """How soon a request's time is over, None where none is open."""
    soonest = extract("epoch", func.min(prior_requests.c.until) - NOW)
    left = connection.scalar(select(soonest).where(prior_requests.c.state != RequestState.ANSWERED))
    return None if left is None else max(0.0, float(left))


_REQUESTS = select(
    prior_requests.c.study_id,
    studies.c.study_uid,
    prior_requests.c.state,
    prior_requests.c.reason,
    prior_requests.c.wanted,
    prior_requests.c.earlier,
    prior_requests.c.sent,
    extract("epoch", prior_requests.c.until - NOW).label("left"),
).join(studies, studies.c.id == prior_requests.c.study_id)


def _request(row: Row[*tuple[object, ...]]) -> PriorRequest:
    return PriorRequest(
        StudyId(row.study_id),
        row.study_uid,
        RequestState(row.state),
        row.reason,
        {model: priors.of_json(one) for model, one in row.wanted.items()},
        {model: priors.choice_of_json(one) for model, one in row.earlier.items()},
        dict(row.sent),
        max(0.0, float(row.left)),
    )
