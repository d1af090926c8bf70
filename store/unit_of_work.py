"""A change of state and the events that announce it, committed together.

All appends to the outbox (and to the trail, which builds on this) are made at the very end of a transaction under one
lock that is held until its commit. So the order of numbers is the order of commits, and a reader of the log that has
seen number n will never meet a smaller one later.
"""

from functools import cache

from sqlalchemy import Connection, TextClause, insert, text

from domain.events import Event
from store.tables import outbox

_ORDER_LOCK = 0x6469636F  # "dico": any constant, as long as everybody takes the same
_TAKE_ORDER = text("SELECT pg_advisory_xact_lock(:key)")
EVENTS_CHANNEL = "dicom_node_events"
EVENTS_TOPIC = "events"
DEAD_LETTERS_TOPIC = "dead-letters"


class UnitOfWork:
    """Collects what a transaction announces. `connection` is for the change itself; `flush` is the last thing done."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._rows: list[dict[str, object]] = []
        self._channels: set[str] = set()

    def emit(self, event: Event, topic: str = EVENTS_TOPIC) -> None:
        """Announce `event` when this transaction commits."""
        self._rows.append(
            {"event_id": event.id, "key": str(event.study_id), "topic": topic, "envelope": event.envelope()}
        )

    def forward(self, row: dict[str, object]) -> None:
        """Append a row to the outbox as it is (a dead letter, or an event that is replayed)."""
        self._rows.append(row)

    def wake(self, channel: str) -> None:
        """Tell whoever listens on `channel`, once this has committed, that there is work."""
        self._channels.add(channel)

    def flush(self) -> None:
        """Write everything that was collected; called once, last."""
        if self._rows:
            self._take_order()
            self.connection.execute(insert(outbox).inline(), self._rows)  # who announces reads nothing there
            self._channels.add(EVENTS_CHANNEL)
        for channel in sorted(self._channels):
            self.connection.execute(_notify(channel))

    def _take_order(self) -> None:
        take_order(self.connection)


def take_order(connection: Connection) -> None:
    """Let nobody else append to the outbox or the trail until this transaction ends; the same again does nothing."""
    connection.execute(_TAKE_ORDER, {"key": _ORDER_LOCK})


@cache
def _notify(channel: str) -> TextClause:
    return text(f"NOTIFY {channel}")
