"""What the destinations were seen to take, by the database's clock.

What was seen at one address counts for nothing at another.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from store.leases import NOW
from store.tables import destinations_seen

# SOP class and transfer syntax.
Context = tuple[str, str]
_FORGOTTEN = ""  # the address of what is none any more: no process of the node may remove a row here


@dataclass(frozen=True)
class SeenDestination:
    """What is known of a destination.

    `accepted` is None where it never answered at this address; `error` says why the last attempt saw nothing, "" where
    it did. `seen_at` is the last answer's moment, `changed_at` that of the first answer of the same content, `tried_at`
    that of the last attempt. `commits` is whether it takes storage commitment, None where it was not asked.
    """

    name: str
    address: str
    accepted: frozenset[Context] | None
    implementation: str
    seen_at: datetime | None
    changed_at: datetime | None
    tried_at: datetime
    error: str
    commits: bool | None


def note_commits(connection: Connection, name: str, commits: bool) -> None:
    """Keep whether the destination of this name takes storage commitment."""
    of = destinations_seen.c.name == name
    connection.execute(update(destinations_seen).where(of).values(commits=commits))


def note_answer(
    connection: Connection,
    name: str,
    address: str,
    accepted: Collection[Context],
    implementation: str,
) -> None:
    """Keep what the destination of this name answered at this address (AET@HOST:PORT)."""
    earlier = seen_at(connection, name, address)
    same = earlier is not None and earlier.accepted == frozenset(accepted)
    _set(
        connection,
        {
            "name": name,
            "address": address,
            "accepted": sorted(map(list, accepted)),
            "implementation": implementation,
            "seen_at": NOW,
            "changed_at": earlier.changed_at if earlier and same else NOW,
            "tried_at": NOW,
            "error": "",
        },
    )


def note_failure(connection: Connection, name: str, address: str, error: str) -> None:
    """Keep why nothing was seen; what was seen at this address before stays."""
    earlier = seen_at(connection, name, address)
    nothing = {} if earlier else {"accepted": None, "implementation": "", "seen_at": None, "changed_at": None}
    _set(connection, {"name": name, "address": address, "tried_at": NOW, "error": error, **nothing})


def seen_at(connection: Connection, name: str, address: str) -> SeenDestination | None:
    """What is known of the destination of this name at this address; None where it was never asked there."""
    query = select(destinations_seen).where(destinations_seen.c.name == name, destinations_seen.c.address == address)
    row = connection.execute(query).one_or_none()
    return _seen(row) if row else None


def all_seen(connection: Connection) -> list[SeenDestination]:
    """Everything that was ever asked and is not forgotten, by name."""
    query = select(destinations_seen).where(destinations_seen.c.address != _FORGOTTEN)
    return [_seen(row) for row in connection.execute(query.order_by(destinations_seen.c.name))]


def note_forgotten(connection: Connection, name: str) -> None:
    """Forget what the destination of this name was; asked again, it is seen as for the first time."""
    of = destinations_seen.c.name == name
    connection.execute(update(destinations_seen).where(of).values(address=_FORGOTTEN, accepted=None, error=""))


def _set(connection: Connection, values: Mapping[str, object]) -> None:
    statement = upsert(destinations_seen).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=dict(values)))


def _seen(row: Row[*tuple[object, ...]]) -> SeenDestination:
    fields = {name: getattr(row, name) for name in SeenDestination.__dataclass_fields__}
    accepted = None if row.accepted is None else frozenset((one, other) for one, other in row.accepted)
    return SeenDestination(**{**fields, "accepted": accepted})
