"""The bus of one machine: the outbox itself is the log, so there is nothing to run beside PostgreSQL.

One consumer of a group is active at a time; the next one takes over when its session ends. That keeps every key in
order, and a message has one partition, 0, whose offsets are the outbox's numbers.
"""

from consumers.bus.protocol import Message, TakenOver
from store.database import Database
from store.outbox import OutboxReader
from store.unit_of_work import EVENTS_TOPIC


class PostgresBus:
    """Subscriptions to the outbox of `database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def subscribe(self, group: str, topic: str = EVENTS_TOPIC) -> "PostgresSubscription":
        """See `consumers.bus.protocol.Bus`."""
        name = group if topic == EVENTS_TOPIC else f"{group} of {topic}"
        return PostgresSubscription(OutboxReader(self._database, name, [topic]))


class PostgresSubscription:
    """One group's place in the outbox; see `consumers.bus.protocol.Subscription`."""

    def __init__(self, reader: OutboxReader) -> None:
        self._reader = reader

    def poll(self, timeout: float) -> list[Message]:
        return [Message(entry.envelope.encode(), entry.key, 0, entry.seq) for entry in self._reader.read(timeout)]

    def commit(self, message: Message) -> None:
        if not self._reader.commit(message.offset):
            raise TakenOver("the session that read this message has ended")

    def close(self) -> None:
        self._reader.close()
