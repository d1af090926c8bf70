"""Studies: how many are in which state, the latest ones, and which one is meant."""

import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, ColumnElement, Connection, Text, cast, exists, func, literal, or_, select, true, tuple_

from domain.errors import Permanent
from domain.ids import StudyId
from domain.records import StudyRecord, StudySummary
from domain.states import DeliveryState, JobState, StudyState
from store.database import Database
from store.leases import Condition
from store.quarantine import unreadable_by_study
from store.queries.current import who_wait, work_of
from store.queries.records import read, rows_of
from store.tables import (
    associations,
    dead_letters,
    deliveries,
    instances,
    jobs,
    series,
    studies,
    study_associations,
)


@dataclass(frozen=True)
class StudyFilter:
    """What is true of the studies that are asked for; None and nothing ask for no more.

    `marks` are digests of whom their images name (domain.identity), `sender` is an AE title, `destination` one that
    results of them go or went to, `model` one that was asked; `since` and `until` are of the last instance that came.
    `seen_by` leaves those that somebody may see.
    """

    states: Collection[StudyState] = ()
    marks: Collection[str] = ()
    modality: str | None = None
    sender: str | None = None
    destination: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    uid: str | None = None
    model: str | None = None
    seen_by: "Bound | None" = None


@dataclass(frozen=True)
class Bound:
    """Whoever may see some studies: those with results for one of `destinations`, those that one of `senders` sent."""

    destinations: Collection[str]
    senders: Collection[str]


ANY = StudyFilter()


def studies_by_state(database: Database) -> dict[str, int]:
    """How many studies are in each state; a state that none is in counts 0, so that its figure falls back."""
    with database.transaction() as connection:
        found = connection.execute(select(studies.c.state, func.count()).group_by(studies.c.state))
        return {state.value: 0 for state in StudyState} | {row[0]: int(row[1]) for row in found}


def latest_studies(database: Database, limit: int, wanted: StudyFilter = ANY) -> tuple[StudySummary, ...]:
    """The studies that last received something, newest first, with what holds up their results where anything does."""
    among = rows_of(StudyRecord, studies).where(*conditions(wanted))
    newest = among.order_by(studies.c.last_received.desc()).limit(limit)
    with database.transaction() as connection:
        return _summaries(connection, read(connection, newest, StudyRecord))


def page_of_studies(
    database: Database, limit: int, wanted: StudyFilter = ANY, after: tuple[datetime, uuid.UUID] | None = None
) -> tuple[StudySummary, ...]:
    """The studies by when they first came, the newest first; those behind the one that `after` names.

    Neither that moment nor the id of a study ever changes, and no study is removed: whoever asks for page after page
    gets each that was there at the first one, once.
    """
    order = tuple_(studies.c.first_received, studies.c.id)
    among = rows_of(StudyRecord, studies).where(*conditions(wanted))
    if after is not None:
        among = among.where(order < tuple_(*map(literal, after)))
    page = among.order_by(studies.c.first_received.desc(), studies.c.id.desc()).limit(limit)
    with database.transaction() as connection:
        return _summaries(connection, read(connection, page, StudyRecord))


def known_study(database: Database, wanted: str, seen_by: Bound | None = None) -> StudyId | None:
    """The study whose internal id or StudyInstanceUID is `wanted`, None where there is none that may be seen."""
    named = (cast(studies.c.id, Text) == wanted.lower()) | (studies.c.study_uid == wanted)
    query = select(studies.c.id).where(named, *conditions(StudyFilter(seen_by=seen_by)))
    with database.transaction() as connection:
        found = connection.scalar(query)
    return StudyId(found) if found else None


def _summaries(connection: Connection, rows: Sequence[StudyRecord]) -> tuple[StudySummary, ...]:
    found = who_wait(connection, tuple(rows))
    if not found:
        return ()
    ids = [one.id for one in found]
    counts, work = _counts(connection, ids), work_of(connection, ids)
    unreadable = unreadable_by_study(connection, ids)
    senders, told = _senders(connection, ids), _told(connection, ids)
    return tuple(
        StudySummary(
            one,
            images,
            series,
            **vars(work[one.id]),
            unreadable=unreadable.get(one.id, 0),
            senders=senders.get(one.id, ()),
            modalities=told.get(one.id, ((), ""))[0],
            description=told.get(one.id, ((), ""))[1],
        )
        for one in found
        for images, series in (counts.get(one.id, (None, None)),)
    )


def lack_mark(connection: Connection, attribute: str) -> bool:
    """Whether a study is indexed of which no digest of `attribute` is known."""
    marked = func.array_to_string(studies.c.named, "\n").contains(f"{attribute}:")
    return bool(connection.scalar(select(exists().where(~marked))))


def how_many_studies(database: Database, wanted: StudyFilter = ANY) -> int:
    """How many there are of these."""
    among = select(func.count()).select_from(studies).where(*conditions(wanted))
    with database.transaction() as connection:
        return connection.scalar(among) or 0


def studies_in_trouble(database: Database, *, stuck_alone: bool) -> list[StudyId]:
    """The studies that are stuck, the oldest first, and those of which anything failed, was refused or set aside."""
    bad = [studies.c.state == StudyState.STUCK]
    if not stuck_alone:
        its = studies.c.id
        refused = deliveries.c.state.in_((DeliveryState.FAILED, DeliveryState.REFUSED))
        failed = jobs.c.state.in_((JobState.FAILED, JobState.TIMED_OUT))
        bad += [
            exists().where(deliveries.c.study_id == its, refused),
            exists().where(jobs.c.study_id == its, jobs.c.revision == studies.c.revision, failed),
            exists().where(dead_letters.c.study_id == its, dead_letters.c.replayed_at.is_(None)),
        ]
    found = select(studies.c.id).where(or_(*bad)).order_by(studies.c.last_received)
    with database.transaction() as connection:
        return [StudyId(one) for one in connection.execute(found).scalars()]


def find_study(database: Database, wanted: str) -> StudyId:
    """The study whose internal id or StudyInstanceUID is `wanted` or begins with it; raises Permanent otherwise."""
    # The prefix is data, so its wildcards are escaped by `autoescape`.
    as_text = cast(studies.c.id, Text)
    exact = select(studies.c.id, studies.c.study_uid).where(
        (as_text == wanted.lower()) | (studies.c.study_uid == wanted)
    )
    begins = select(studies.c.id, studies.c.study_uid).where(
        as_text.startswith(wanted.lower(), autoescape=True) | studies.c.study_uid.startswith(wanted, autoescape=True)
    )
    with database.transaction() as connection:
        found = connection.execute(exact).all() or connection.execute(begins.limit(6)).all()
    if not found:
        raise Permanent(
            f"no study {wanted}: give its id or StudyInstanceUID, or the beginning of either; an Accession Number or "
            "Patient ID is asked for by `dicom-node status --accession` or `--patient-id`"
        )
    if len(found) > 1:
        shown = ", ".join(str(row.id)[:8] for row in found[:5])
        raise Permanent(f"{wanted} is the beginning of several studies ({shown}, ...): give more of it")
    return StudyId(found[0].id)


def _counts(connection: Connection, ids: Collection[StudyId]) -> dict[StudyId, tuple[int, int]]:
    """How many instances and series of each study are indexed; a study that has none is not among them."""
    counted = select(instances.c.study_id, func.count(), func.count(instances.c.series_id.distinct()))
    query = counted.where(instances.c.study_id.in_(ids)).group_by(instances.c.study_id)
    return {study: (images, series) for study, images, series in connection.execute(query)}


def conditions(wanted: StudyFilter) -> Iterator[Condition]:
    """What holds for a row of `studies` that is wanted."""
    its = studies.c.id
    if wanted.states:
        yield studies.c.state.in_(wanted.states)
    if wanted.marks:
        yield studies.c.named.op("@>")(cast(list(wanted.marks), ARRAY(Text)))
    if wanted.modality:
        yield exists(series.c.id).where(series.c.study_id == its, series.c.modality == wanted.modality)
    if wanted.uid:
        yield studies.c.study_uid == wanted.uid
    if wanted.model:
        yield exists().where(jobs.c.study_id == its, jobs.c.model == wanted.model)
    yield from _whose(wanted)
    if wanted.since:
        yield studies.c.last_received >= wanted.since
    if wanted.until:
        yield studies.c.last_received < wanted.until


def may_be_seen(study: ColumnElement[uuid.UUID], seen_by: Bound | None) -> Condition:
    """Whether the study that a row of another table names may be seen."""
    if seen_by is None:
        return true()
    return study.in_(select(studies.c.id).where(*conditions(StudyFilter(seen_by=seen_by))))


def _whose(wanted: StudyFilter) -> Iterator[Condition]:
    if wanted.sender:
        yield _sent_by([wanted.sender])
    if wanted.destination:
        yield _goes_to([wanted.destination])
    if wanted.seen_by is not None:
        yield or_(_goes_to(wanted.seen_by.destinations), _sent_by(wanted.seen_by.senders))


def _goes_to(destinations: Collection[str]) -> Condition:
    return exists().where(deliveries.c.study_id == studies.c.id, deliveries.c.destination.in_(destinations))


def _sent_by(senders: Collection[str]) -> Condition:
    of = (study_associations.c.study_id == studies.c.id, associations.c.id == study_associations.c.association_id)
    return exists().where(*of, associations.c.calling_ae.in_(senders))


def _senders(connection: Connection, ids: Collection[StudyId]) -> dict[StudyId, tuple[str, ...]]:
    """The AE titles of those who sent something of each study."""
    named = func.array_agg(associations.c.calling_ae.distinct())
    query = (
        select(study_associations.c.study_id, named)
        .join(associations, associations.c.id == study_associations.c.association_id)
        .where(study_associations.c.study_id.in_(ids))
        .group_by(study_associations.c.study_id)
    )
    return {study: tuple(sorted(found)) for study, found in connection.execute(query)}


def _told(connection: Connection, ids: Collection[StudyId]) -> dict[StudyId, tuple[tuple[str, ...], str]]:
    """Of each study its modalities, and what was written of it: of several the first in the alphabet."""
    kinds: ColumnElement[Sequence[str]] = func.array_agg(series.c.modality.distinct())
    query = select(series.c.study_id, kinds, func.min(func.nullif(series.c.study_description, "")))
    found = connection.execute(query.where(series.c.study_id.in_(ids)).group_by(series.c.study_id))
    return {study: (tuple(sorted(filter(None, kinds))), told or "") for study, kinds, told in found}
