"""The role `deliver`: results to their destinations, each from a thread of its own."""

import threading
import time
from collections.abc import Callable
from functools import partial

from config import retries
from consumers.bus.outage import RetryUntilAvailable, until_stopped
from consumers.destinations import ProfiledDestination, profiled_destinations
from consumers.leased import LeasedLoop
from consumers.steps.deliver import DeliveryTo, DeliveryToNobody, Sent
from consumers.steps.plan import DeliveryPlanner
from consumers.steps.probe import PeriodicProbe
from domain.clock import SystemClock
from domain.errors import Retryable
from roles.consume import consume
from roles.process import Context
from roles.tasks import BackgroundTask, Throttled, holder_name, publish_backlog, run_loop, wait_at_most
from store.deliveries import DELIVERIES, DELIVERIES_CHANNEL, Delivery
from store.holders import Holder, Life

# Seconds that a delivery stays with a process that no longer renews it.
_LEASE = 30.0
# Seconds that a delivery which is under way at the order to stop is given; what is cut off then is sent again.
_GRACE = 3.0
# Seconds between looks at figures that cost a query.
_FIGURES = 1.0


def deliver(context: Context) -> None:
    """Results to their destinations."""
    destinations = profiled_destinations(context.settings)
    life = Life(context.database, [one.name for one in destinations])
    unconfigured = DeliveryToNobody([one.name for one in destinations], retries.deliveries(context.settings.delivery))
    to_nobody: LeasedLoop[Delivery, Sent] = LeasedLoop(
        context.ledger, unconfigured, Holder(holder_name("deliver", context), life), _LEASE
    )
    notifications = context.database.listener(DELIVERIES_CHANNEL)
    senders = [_Sender(context, one, life) for one in destinations]
    tasks = [*(sender.task for sender in senders), *(_probing(context, one) for one in destinations)]
    measure = Throttled(_FIGURES, lambda: _measure(context))

    with consume(context, "delivery", DeliveryPlanner(destinations)) as planning:

        def turn() -> None:
            for task in (planning, *tasks):
                task.check()
            measure()
            if not to_nobody.step() and notifications.wait(wait_at_most(None)):
                for sender in senders:
                    sender.wake.set()

        run_loop(context, turn)
    notifications.close()
    end = time.monotonic() + _GRACE  # for all of them: a supervisor waits for the process, however many they are
    for sender in senders:
        sender.task.join(max(0.0, end - time.monotonic()))
    for task in tasks:
        task.check()
    life.close()


class _Sender:
    """Delivers to one destination from a thread; `wake` tells it that there may be something new."""

    def __init__(self, context: Context, destination: ProfiledDestination, life: Life) -> None:
        self.wake = threading.Event()
        name = f"delivery to {destination.name}"
        alive = context.health.expect(name)
        self._loop = _loop(context, destination, life, alive)
        self._available = RetryUntilAvailable(SystemClock(), context.stop, Retryable, alive=alive)
        run = partial(until_stopped, context.stop, self._turn)
        self.task = BackgroundTask(context, name, run, lambda: self._available.waiting_for)

    def _turn(self) -> None:
        self.wake.clear()
        if not self._available.call(self._loop.step):
            self.wake.wait(wait_at_most(self._available.call(self._loop.seconds_until_due)))


def _loop(
    context: Context, destination: ProfiledDestination, life: Life, alive: Callable[[], None]
) -> LeasedLoop[Delivery, Sent]:
    settings = context.settings
    work = DeliveryTo(
        context.ledger,
        context.objects,
        destination,
        settings.listener.aet,
        retries.deliveries(settings.delivery),
        settings.delivery.timeout,
    )
    holder = Holder(f"{holder_name('deliver', context)} to {destination.name}", life)
    return LeasedLoop(context.ledger, work, holder, _LEASE, alive)


def _probing(context: Context, destination: ProfiledDestination) -> BackgroundTask:
    """Asks a destination what it takes, in a thread that is not waited for at the end: the peer may be silent."""
    settings, name = context.settings, f"probes of {destination.name}"
    probing = PeriodicProbe(
        context.database,
        destination,
        settings.listener.aet,
        settings.delivery.timeout,
        settings.delivery.ask_again,
        settings.delivery.longest_delay,
        alive=context.health.expect(name),
    )
    return BackgroundTask(context, name, lambda: probing.run(context.stop), str)


def _measure(context: Context) -> None:
    with context.database.transaction() as connection:
        publish_backlog("deliveries", *DELIVERIES.backlog(connection))
