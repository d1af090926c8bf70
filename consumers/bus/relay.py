"""The relay: carries what transactions committed to the outbox on to Kafka, in their order, at least once.

Its place is that of one more reader of the outbox, so only one relay is at work and the next goes on where it stopped.
The place moves when every replica has the entries; whoever is killed in between has them published twice, and the
consumers' inbox knows them.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from consumers.bus.outage import RetryUntilAvailable
from domain.clock import Clock
from domain.stopping import until_stopped
from store.database import Database
from store.outbox import OutboxEntry, OutboxReader
from store.unit_of_work import DEAD_LETTERS_TOPIC, EVENTS_TOPIC

READER = "relay"
_POLL = 1.0  # s


class Publisher(Protocol):
    """Where the relay carries entries; `consumers.bus.kafka.KafkaPublisher` is the one."""

    def connect(self) -> None:
        """Reach the broker, and make the topics that are missing; raises Unavailable, and is then called again."""
        ...

    def publish(self, entries: Sequence[OutboxEntry]) -> None:
        """Return when every entry is safe; raises Unavailable, and is then called again with the same entries."""
        ...

    def close(self) -> None:
        """Give the connection up."""
        ...


class Relay:
    """Reads the outbox of `database` and publishes it, until `stop` is set; calls `alive` as it comes round."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        clock: Clock,
        stop: threading.Event,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._reader = OutboxReader(database, READER, [EVENTS_TOPIC, DEAD_LETTERS_TOPIC])
        self._publisher = publisher
        self._available = RetryUntilAvailable(clock, stop, alive=alive)
        self._stop = stop

    @property
    def waiting_for(self) -> str:
        """What the relay waits for, empty when nothing is missing."""
        return self._available.waiting_for

    def run(self) -> None:
        """Carry entries until told to stop."""
        try:
            until_stopped(self._stop, self._carry)
        finally:
            self._publisher.close()
            self._reader.close()

    def _carry(self) -> None:
        # First of all: consumers who may make no topics wait for these.
        self._available.call(self._publisher.connect)
        entries = self._available.call(partial(self._reader.read, _POLL))
        if entries:
            self._available.call(partial(self._publisher.publish, entries))
            # False where the session has ended meanwhile: the next read starts at the place as it is written.
            self._available.call(partial(self._reader.commit, entries[-1].seq))
