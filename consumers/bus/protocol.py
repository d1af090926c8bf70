"""How events reach their consumers: the protocol that the Kafka bus and the PostgreSQL bus both fill in.

Delivery is at least once and in order for one key. A group has its own place in the log; consumers of one group share
its work, consumers of different groups know nothing of each other.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from domain.errors import Retryable
from domain.events import read_id
from store.unit_of_work import EVENTS_TOPIC


class TakenOver(Retryable):
    """Another consumer of the group has this partition now; what was not committed is delivered again, there."""


@dataclass(frozen=True)
class Message:
    """One message as the bus carries it. `key` is the internal study id; `offset` counts within `partition`.

    Whoever may write on the topic wrote it: what it says is a hint, and the outbox knows what was announced.
    """

    body: bytes
    key: str
    partition: int
    offset: int

    @cached_property
    def content(self) -> Mapping[str, object]:
        """What it says, whether or not it is an event; empty where that is no object of JSON."""
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def event_id(self) -> uuid.UUID | None:
        """The id of the event that it says it is; None where it names none."""
        try:
            return read_id(self.content.get("id"))
        except (TypeError, ValueError):
            return None

    @property
    def type(self) -> str:
        """The type of the event that it says it is; empty where it names none."""
        said = self.content.get("type")
        return said if isinstance(said, str) else ""


class Subscription(Protocol):
    """One consumer's share of a topic. Not for use by several threads."""

    def poll(self, timeout: float) -> list[Message]:
        """The next messages, in order for each key; waits up to `timeout` s for one, and may return none.

        A message is given once to a subscription; what it did not commit is given to the next one. Raises Unavailable
        where the server does not answer.
        """
        ...

    def commit(self, message: Message) -> None:
        """Everything on the message's partition up to and including it is done.

        Raises Unavailable where the server does not answer (the commit may be repeated) and TakenOver where the
        partition went to another consumer: whatever else was polled is to be forgotten.
        """
        ...

    def close(self) -> None:
        """Leave the group, so that another consumer takes over at once."""
        ...


class Bus(Protocol):
    """Where subscriptions come from."""

    def subscribe(self, group: str, topic: str = EVENTS_TOPIC) -> Subscription:
        """A subscription of `group` to EVENTS_TOPIC or DEAD_LETTERS_TOPIC; a new group begins with the oldest message.

        Connects no sooner than the first poll.
        """
        ...
