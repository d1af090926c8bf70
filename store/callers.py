"""Who called, accepted or refused: one row for each AE title and address, of which there are not more than `MOST`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Executable, bindparam, delete, func, select, text, tuple_, update

from domain.habits import FADES, Caller, Habit, Span
from domain.ids import StudyId
from store.arrays import as_arrays, from_arrays
from store.arrival_tables import callers
from store.locks import locked

# Strangers choose their names: those that were never accepted go, the oldest first, where there are more.
MOST = 1000


@dataclass
class Calls:
    """How often somebody was accepted and refused, when last, and why refused."""

    accepted: int = 0
    refused: int = 0
    last_accepted: datetime | None = None
    last_refused: datetime | None = None
    refusal: str = ""
    reason: str = ""


def note_calls(connection: Connection, calls: Mapping[Caller, Calls]) -> None:
    """Add to what is known of these callers."""
    # In one order, so that two hosts that note the same callers wait for each other and no more.
    rows = [{"calling_ae": aet, "address": address, **vars(one)} for (aet, address), one in sorted(calls.items())]
    if rows:
        connection.execute(_NOTE, as_arrays(rows))
        connection.execute(_FORGET_STRANGERS, {"most": MOST})


def spans(connection: Connection, ids: Collection[StudyId]) -> Mapping[StudyId, Sequence[Span]]:
    """When associations brought these studies."""
    found: dict[StudyId, list[Span]] = {}
    for row in connection.execute(_SPANS, {"studies": list(ids)}):
        span = Span((row.calling_ae, row.address), row.first, row.last)
        found.setdefault(StudyId(row.study_id), []).append(span)
    return found


def note_habits(connection: Connection, seen: Mapping[Caller, Habit]) -> None:
    """Add what was seen of how these callers send."""
    # In one order, as all that hangs on nothing.
    rows = [
        {"aet": aet, "at": address, "new": one.studies, "paused": one.pause}
        for (aet, address), one in sorted(seen.items())
    ]
    if rows:
        connection.execute(_NOTE_HABITS, rows)


_NOTE_HABITS = (
    update(callers)
    .where(callers.c.calling_ae == bindparam("aet"), callers.c.address == bindparam("at"))
    .values(
        studies=callers.c.studies + bindparam("new"),
        pause=func.greatest(callers.c.pause * func.power(FADES, bindparam("new")), bindparam("paused")),
    )
)
_SPANS = text(
    """
    SELECT i.study_id, a.calling_ae, a.address, min(i.received_at) AS first, max(i.received_at) AS last
    FROM dicom_node.instances i JOIN dicom_node.associations a ON a.id = i.association_id
    WHERE i.study_id = ANY (:studies) GROUP BY i.study_id, a.id
    """
)


def _note() -> Executable:
    new = from_arrays(callers, "calling_ae", "address", *Calls.__dataclass_fields__)
    kept, seen = callers.c, new.excluded
    last = {name: func.greatest(kept[name], seen[name]) for name in ("last_accepted", "last_refused")}
    counts = {name: kept[name] + seen[name] for name in ("accepted", "refused")}
    why = {name: func.coalesce(func.nullif(seen[name], ""), kept[name]) for name in ("refusal", "reason")}
    return new.on_conflict_do_update(index_elements=["calling_ae", "address"], set_=last | counts | why)


def _forget_strangers() -> Executable:
    key = (callers.c.calling_ae, callers.c.address)
    strangers = select(*key).where(callers.c.accepted == 0).order_by(callers.c.last_refused.desc())
    gone = locked(strangers.offset(bindparam("most")), callers, skip=True)
    return delete(callers).where(tuple_(*key).in_(gone))


# Built once, for to build a statement takes longer than to send it.
_NOTE, _FORGET_STRANGERS = _note(), _forget_strangers()
