"""Impressions as leased rows: one for each set of findings that a study's models came to together."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Row, and_, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.ids import JobId, StudyId, SummaryId, new_id, set_digest
from domain.states import SUMMARY, StudyState, SummaryEvent, SummaryState
from store.leases import NOW, Condition, LeaseTable
from store.tables import decisions, jobs, results, studies, summaries

if TYPE_CHECKING:
    from domain.impressions import Facts, FactSource, Impression

# Wakes whoever writes impressions.
SUMMARIES_CHANNEL = "dicom_node_summaries"

SUMMARIES = LeaseTable(
    summaries,
    SummaryState,
    SUMMARY,
    waits=SummaryState.REQUESTED,
    claimed=(SummaryEvent.START,),
    held=(SummaryState.RUNNING,),
    lost=SummaryEvent.LEASE_LOST,
    retry=SummaryEvent.RETRY,
    cancel=SummaryEvent.CANCEL,
    give_up=SummaryEvent.FAIL,
    asked_at=summaries.c.requested_at,
)

# As of jobs: more comes, or a person has to say whose images these are. What a newer revision wants is known when it is
# routed: then an impression is that revision's, or cancelled.
STUDY_IS_COMPLETE: Condition = ~exists(studies.c.id).where(
    studies.c.id == summaries.c.study_id,
    or_(
        studies.c.state.in_((StudyState.RECEIVING, StudyState.AMENDED)),
        studies.c.two_patients,
        studies.c.revision != summaries.c.revision,
    ),
)

OVERTAKEN = "other findings of the study are there by now, or come"
_WAITS = "waits to be written"
_GOING = (SummaryState.REQUESTED, SummaryState.RUNNING)
_NO_ANSWER = (SummaryState.FAILED, SummaryState.CANCELLED)


@dataclass(frozen=True)
class Summary:
    """The impression of a set of findings, as it stands. `revision` is the study's newest that wants it.

    `number` counts the study's impressions, from 1. `findings_set` is the digest of the `runs` that it is about. Facts,
    their sources, the runs and the impression are None and nothing until it is written, and once retention took them.
    """

    id: SummaryId
    study_id: StudyId
    revision: int
    number: int
    findings_set: str
    state: SummaryState
    reason: str
    since: datetime
    requested_at: datetime
    attempts: int
    facts: "Facts | None"
    sources: "tuple[FactSource, ...]"
    runs: tuple[JobId, ...]
    impression: "Impression | None"
    asked: tuple[str, ...]
    finished_at: datetime | None
    withdrawn_at: datetime | None

    @property
    def has_results(self) -> bool:
        """Whether it says something that nobody took back."""
        return self.state is SummaryState.SUCCEEDED and self.impression is not None and self.withdrawn_at is None

    @property
    def age(self) -> timedelta:
        """Attempts alone end it."""
        return timedelta()


@dataclass(frozen=True)
class Requested:
    """The impression of a set of findings: `opened` where it is requested now; the others are no longer wanted."""

    id: SummaryId
    opened: bool
    overtaken: tuple[SummaryId, ...] = ()


def request(
    connection: Connection, study: StudyId, revision: int, findings_set: str, *, anew: bool = False
) -> Requested:
    """The impression of these findings of a study that this transaction has locked: made where there is none.

    The newest one, where it is about these very findings, is this revision's from now on, and is opened again where it
    ended badly; with `anew` only there. What an earlier one was about is written anew, for archives may hide that by
    its UIDs, which derive from the set.
    """
    earlier = _of_study(connection, study)
    newest = next(iter(earlier[-1:]), None)
    taken = {one.findings_set for one in earlier}
    while findings_set in taken:
        if newest and findings_set == newest.findings_set and not _is_done_with(newest, anew=anew):
            return _adopted(connection, newest, revision)
        findings_set = set_digest([findings_set, "anew"])
    overtaken = tuple(one.id for one in earlier if one.state is SummaryState.REQUESTED)
    for one in overtaken:
        SUMMARIES.move(connection, one, SUMMARIES.cancel, reason=OVERTAKEN)
    number = newest.number + 1 if newest else 1
    return Requested(_new(connection, study, revision, findings_set, number), opened=True, overtaken=overtaken)


def _is_done_with(newest: Summary, *, anew: bool) -> bool:
    """Whether another one has to be written of the same findings."""
    return newest.withdrawn_at is not None or (anew and newest.state is SummaryState.SUCCEEDED)


def _adopted(connection: Connection, one: Summary, revision: int) -> Requested:
    if one.revision < revision:
        connection.execute(update(summaries).where(summaries.c.id == one.id).values(revision=revision))
    if one.state not in _NO_ANSWER:
        return Requested(one.id, opened=False)
    SUMMARIES.move(connection, one.id, SUMMARIES.retry, reason=_WAITS, attempts=0, requested_at=NOW, finished_at=None)
    return Requested(one.id, opened=True)


def _new(connection: Connection, study: StudyId, revision: int, findings_set: str, number: int) -> SummaryId:
    made = SummaryId(new_id())
    newest_run = select(jobs.c.sender).where(jobs.c.study_id == study).order_by(jobs.c.requested_at.desc()).limit(1)
    sender = func.coalesce(newest_run.scalar_subquery(), "")
    row = {
        "id": made,
        "study_id": study,
        "revision": revision,
        "number": number,
        "findings_set": findings_set,
        "state": SummaryState.REQUESTED,
        "reason": _WAITS,
        "since": NOW,
        "requested_at": NOW,
        "not_before": NOW,
        "sender": sender,
        "turn": SUMMARIES.turn(sender),
    }
    connection.execute(upsert(summaries).values(row))
    return made


def stop(connection: Connection, study: StudyId, reason: str, *, failed: bool = False) -> list[Summary]:
    """Cancel what waits or runs of a study that this transaction has locked, with `failed` also what failed."""
    states = (*_GOING, SummaryState.FAILED) if failed else _GOING
    going = [one for one in _of_study(connection, study) if one.state in states]
    for one in going:
        SUMMARIES.move(connection, one.id, SUMMARIES.cancel, reason=reason)
    return going


def withdraw(connection: Connection, study: StudyId, now: datetime) -> list[Summary]:
    """Take back the impressions of a study whose results are taken back, and which this transaction has locked."""
    mine = and_(summaries.c.study_id == study, summaries.c.withdrawn_at.is_(None))
    taken = update(summaries).where(mine).values(withdrawn_at=now).returning(summaries)
    return [one for one in map(_summary, connection.execute(taken)) if one.state is SummaryState.SUCCEEDED]


def is_overtaken(connection: Connection, one: Summary) -> bool:
    """Whether there is an impression of other findings by now, or a newer revision that does not want this one."""
    newer = exists(summaries.c.id).where(summaries.c.study_id == one.study_id, summaries.c.number > one.number)
    routed = exists(decisions.c.revision).where(
        decisions.c.study_id == one.study_id, decisions.c.revision > one.revision
    )
    return bool(connection.scalar(select(or_(newer, routed))))


def get(connection: Connection, summary: uuid.UUID) -> Summary:
    """The impression with this id."""
    return _summary(connection.execute(select(summaries).where(summaries.c.id == summary)).one())


def find(connection: Connection, summary: uuid.UUID) -> Summary | None:
    """The impression with this id, None where there is none."""
    row = connection.execute(select(summaries).where(summaries.c.id == summary)).one_or_none()
    return None if row is None else _summary(row)


def earlier(connection: Connection, one: Summary) -> list[Summary]:
    """The impressions of the study before this one that were written, the newest first."""
    written = exists(results.c.sop_uid).where(results.c.summary_id == summaries.c.id)
    before = and_(summaries.c.study_id == one.study_id, summaries.c.number < one.number, written)
    found = connection.execute(select(summaries).where(before).order_by(summaries.c.number.desc()))
    return [_summary(row) for row in found]


def newer_exist(connection: Connection, one: Summary) -> bool:
    """Whether a later impression of the study has results: those of this one are no longer wanted."""
    newer = exists(results.c.sop_uid).where(
        summaries.c.study_id == one.study_id, summaries.c.number > one.number, results.c.summary_id == summaries.c.id
    )
    return bool(connection.scalar(select(newer)))


def newest(connection: Connection, study: StudyId) -> Summary | None:
    """The impression that a study has, or that was asked for last; None where none was."""
    found = _of_study(connection, study)
    return found[-1] if found else None


def _of_study(connection: Connection, study: StudyId) -> list[Summary]:
    mine = select(summaries).where(summaries.c.study_id == study).order_by(summaries.c.number)
    return [_summary(row) for row in connection.execute(mine)]


def _summary(row: Row[*tuple[object, ...]]) -> Summary:
    from domain.impressions import Facts, Impression  # noqa: PLC0415 - a list of studies reads no impression

    fields = {name: getattr(row, name) for name in Summary.__dataclass_fields__}
    read: dict[str, object] = {
        "state": SummaryState(row.state),
        "facts": None if row.facts is None else Facts.from_json(row.facts),
        "sources": tuple(_source(**one) for one in row.sources or ()),
        "runs": tuple(JobId(uuid.UUID(one)) for one in row.runs or ()),
        "impression": None if row.impression is None else Impression.from_json(row.impression),
        "asked": tuple(row.asked or ()),
    }
    return Summary(**{**fields, **read})


def _source(fact: str, job: str, part: str, index: int) -> "FactSource":
    from domain.impressions import FactSource, Part  # noqa: PLC0415 - as above

    return FactSource(fact, JobId(uuid.UUID(job)), Part(part), index)
