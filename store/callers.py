"""Who called, accepted or refused: one row for each AE title and address, of which there are not more than `MOST`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Executable, bindparam, delete, func, select, tuple_

from store.arrays import as_arrays, from_arrays
from store.locks import locked
from store.tables import callers

# Strangers choose their names: those that were never accepted go, the oldest first, where there are more.
MOST = 1000

Caller = tuple[str, str]  # AE title and address


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
