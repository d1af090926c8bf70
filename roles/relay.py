"""The role `relay`: the outbox to Kafka."""

from consumers.bus.kafka import KafkaPublisher
from consumers.bus.relay import Relay
from domain.clock import SystemClock
from roles.consume import watch
from roles.process import Context
from roles.tasks import BackgroundTask


def relay(context: Context) -> None:
    """The outbox to Kafka."""
    publisher = KafkaPublisher(context.settings.bus)
    carrier = Relay(context.database, publisher, SystemClock(), context.stop, context.health.expect("relay"))
    carrying = BackgroundTask(context, "relay", carrier.run, lambda: carrier.waiting_for)
    watch(context, carrying)
    carrying.join()
