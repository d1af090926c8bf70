"""The roles' consumers on whichever bus is configured, and the role `relay`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from console.process import Context
from console.tasks import Beside, turns
from consumers.bus import Bus
from consumers.kafka_bus import KafkaBus, KafkaPublisher
from consumers.loop import RETRIES, Consumer, Handler
from consumers.postgres_bus import PostgresBus
from consumers.relay import Relay
from domain.clock import SystemClock
from domain.events import EventType

_POLL = 0.5


@contextmanager
def consume(context: Context, group: str, handlers: Mapping[EventType, Handler]) -> Iterator[Beside]:
    """A consumer of `group` in a thread, until the role stops; raises what ended it."""
    bus: Bus = KafkaBus(context.settings.bus) if context.settings.bus.kafka else PostgresBus(context.database)
    consumer = Consumer(bus, context.ledger, group, handlers, RETRIES, SystemClock(), context.stop)
    beside = Beside(context, group, consumer.run, lambda: consumer.waiting_for)
    try:
        yield beside
    finally:
        context.stop.set()
        beside.join()


def relay(context: Context) -> None:
    """The outbox to Kafka."""
    carrier = Relay(context.database, KafkaPublisher(context.settings.bus), SystemClock(), context.stop)
    beside = Beside(context, "relay", carrier.run, lambda: carrier.waiting_for)
    watch(context, beside)
    beside.join()


def watch(context: Context, beside: Beside) -> None:
    """The loop of a role whose work is all in a thread beside it."""

    def turn() -> None:
        beside.check()
        context.stop.wait(_POLL)

    turns(context, turn)
