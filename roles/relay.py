"""The role `relay`: the outbox to Kafka."""

from consumers.bus.kafka import KafkaPublisher
from consumers.bus.relay import Relay
from domain.clock import SystemClock
from roles.consume import watch
from roles.process import Context
from roles.tasks import BackgroundTask


def relay(context: Context) -> None:
    """The outbox to Kafka."""
    carrier = Relay(context.database, KafkaPublisher(context.settings.bus), SystemClock(), context.stop)
    beside = BackgroundTask(context, "relay", carrier.run, lambda: carrier.waiting_for)
    watch(context, beside)
    beside.join()
