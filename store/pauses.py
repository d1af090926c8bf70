"""Which destinations and models are paused: a row each, for as long as that lasts."""

from sqlalchemy import Column, Connection, delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.pauses import Held, Pause
from domain.states import DeliveryState
from store.commitment_tables import commitment_requests
from store.leases import NOW, Condition
from store.locks import locked_in_order
from store.tables import deliveries, jobs, paused, rejections


def _goes_on(kind: Held, name: Column[str]) -> Condition:
    return ~exists(paused.c.name).where(paused.c.kind == kind, paused.c.name == name)


# A row that is claimed goes on; one that waits is claimed by nobody.
DELIVERIES_GO_ON: Condition = _goes_on(Held.DESTINATION, deliveries.c.destination)
REQUESTS_GO_ON: Condition = _goes_on(Held.DESTINATION, commitment_requests.c.destination)
NOTES_GO_ON: Condition = _goes_on(Held.DESTINATION, rejections.c.destination)
MODEL_GOES_ON: Condition = _goes_on(Held.MODEL, jobs.c.model)


def all_paused(connection: Connection) -> tuple[Pause, ...]:
    """Everything that is, in the order of names."""
    found = connection.execute(select(paused).order_by(paused.c.kind, paused.c.name)).mappings()
    return tuple(Pause(**row) for row in found)


def pause(connection: Connection, kind: Held, name: str, reason: str, user: str) -> bool:
    """Hold it back; False where it is already."""
    row = {"kind": kind, "name": name, "since": NOW, "reason": reason, "paused_by": user}
    made = upsert(paused).values(row).on_conflict_do_nothing().returning(paused.c.name)
    return connection.execute(made).one_or_none() is not None


def resume(connection: Connection, kind: Held, name: str) -> Pause | None:
    """Let it go on; the pause that ends, None where there was none.

    The time of a pause is none of the patience of what waited (`delivery.give_up_after`), and is tried at once.
    """
    its_own = (paused.c.kind == kind, paused.c.name == name)
    found = connection.execute(select(paused).where(*its_own)).mappings().one_or_none()
    if found is None:
        return None
    if kind is Held.DESTINATION:
        _without_the_pause(connection, Pause(**found))
    connection.execute(delete(paused).where(*its_own))
    return Pause(**found)


def _without_the_pause(connection: Connection, ended: Pause) -> None:
    for table in (deliveries, rejections):
        waits = (table.c.destination == ended.name, table.c.state == DeliveryState.PENDING)
        ids = connection.execute(locked_in_order(select(table.c.id).where(*waits), table)).scalars().all()
        later = table.c.first_attempt + (NOW - ended.since)
        connection.execute(update(table).where(table.c.id.in_(ids)).values(first_attempt=later, not_before=NOW))
