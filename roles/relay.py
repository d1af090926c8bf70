"""The role `relay`: the outbox to Kafka."""

from config import metrics
from config.certificates import first_expiry
from config.settings import Settings
from consumers.bus.kafka import KafkaPublisher
from consumers.bus.relay import Relay
from domain.clock import SystemClock
from roles.consume import watch
from roles.process import Context
from roles.tasks import BackgroundTask, Throttled

_LOOKS = 60.0  # s between two looks at certificates, which somebody renews


def relay(context: Context) -> None:
    """The outbox to Kafka."""
    publisher = KafkaPublisher(context.settings.bus)
    carrier = Relay(context.database, publisher, SystemClock(), context.stop, context.health.expect("relay"))
    carrying = BackgroundTask(context, "relay", carrier.run, lambda: carrier.waiting_for)
    watch(context, carrying, Throttled(_LOOKS, lambda: _measure(context.settings)))
    carrying.join()


def _measure(settings: Settings) -> None:
    ends = first_expiry(settings.bus.ca) if settings.bus.ca else None
    if ends is not None:
        metrics.certificate_expiry.labels("bus.ca").set(ends)
