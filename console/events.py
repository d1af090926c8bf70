"""The roles' consumers on whichever bus is configured, and the role `relay`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from console.process import Context
from console.tasks import Beside, turns
from consumers.bus import Bus
from consumers.loop import RETRIES, Consumer, Handler
from consumers.postgres_bus import PostgresBus
from consumers.relay import Relay
from domain.clock import SystemClock
from domain.events import EventType

_POLL = 0.5


@contextmanager
def consume(context: Context, group: str, handlers: Mapping[EventType, Handler]) -> Iterator[Beside]:
    """A consumer of `group` in a thread, until the role stops; raises what ended it."""
    consumer = Consumer(_bus(context), context.ledger, group, handlers, RETRIES, SystemClock(), context.stop)
    beside = Beside(context, group, consumer.run, lambda: consumer.waiting_for)
    try:
        yield beside
    finally:
        context.stop.set()
        beside.join()


def relay(context: Context) -> None:
    """The outbox to Kafka."""
    from consumers.kafka_bus import KafkaPublisher  # noqa: PLC0415 - as in _bus

    carrier = Relay(context.database, KafkaPublisher(context.settings.bus), SystemClock(), context.stop)
    beside = Beside(context, "relay", carrier.run, lambda: carrier.waiting_for)
    watch(context, beside)
    beside.join()


def _bus(context: Context) -> Bus:
    if not context.settings.bus.kafka:
        return PostgresBus(context.database)
    # A node of one machine starts half a dozen processes, and none of them needs Kafka's client.
    from consumers.kafka_bus import KafkaBus  # noqa: PLC0415

    return KafkaBus(context.settings.bus)


def watch(context: Context, beside: Beside) -> None:
    """The loop of a role whose work is all in a thread beside it."""

    def turn() -> None:
        beside.check()
        context.stop.wait(_POLL)

    turns(context, turn)
