"""The roles' consumers on whichever bus is configured."""

from collections.abc import Iterator
from contextlib import contextmanager

from config import metrics
from config.retries import EVENTS
from consumers.bus.loop import DEAD_LETTER, Consumer, Handler
from consumers.bus.postgres import PostgresBus
from consumers.bus.protocol import Bus
from domain.clock import SystemClock
from roles.process import Context
from roles.table import GROUPS
from roles.tasks import BackgroundTask, at_once_then, run_loop

_POLL = 0.5


@contextmanager
def consume(context: Context, group: str, *steps: Handler) -> Iterator[BackgroundTask]:
    """A consumer of `group` in a thread, until the role stops; raises what ended it.

    roles.table says which of `steps` each event is for.
    """
    made = {f"{type(step).__module__}:{type(step).__qualname__}": step for step in steps}
    handlers = {event: made[step] for event, step in GROUPS[group].steps.items()}
    metrics.events_handled.labels(group, DEAD_LETTER)  # at 0, so that the first one is an increase
    alive = context.health.expect(group)
    consumer = Consumer(
        _bus(context), context.ledger, group, handlers, EVENTS, SystemClock(), context.stop, alive=alive
    )
    consuming = BackgroundTask(context, group, consumer.run, lambda: consumer.waiting_for)
    try:
        yield consuming
    finally:
        context.stop.set()
        consuming.join()


def _bus(context: Context) -> Bus:
    if not context.settings.bus.kafka:
        return PostgresBus(context.database)
    # A node of one machine starts half a dozen processes, and none of them needs Kafka's client.
    from consumers.bus.kafka import KafkaBus  # noqa: PLC0415

    return KafkaBus(context.settings.bus)


def watch(context: Context, task: BackgroundTask) -> None:
    """The loop of a role whose work is all done by a task in the background."""
    waits = at_once_then(_POLL)

    def turn() -> None:
        task.check()
        context.stop.wait(next(waits))

    run_loop(context, turn)
