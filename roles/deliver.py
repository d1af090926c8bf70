"""The role `deliver`: results to their destinations, each from a thread of its own."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from config import metrics, retries
from config.settings import Settings
from consumers.bus.outage import RetryUntilAvailable
from consumers.destinations import ProfiledDestination, profiled_destinations
from consumers.leased import LeasedLoop
from consumers.reachability import Reachability
from consumers.steps.commit import ArchiveAnswer, RequestTo, RequestToNobody
from consumers.steps.deliver import DeliveryTo, DeliveryToNobody, Sent
from consumers.steps.deliver_note import NotesTo, NotesToNobody
from consumers.steps.plan import DeliveryPlanner
from consumers.steps.probe import PeriodicProbe
from consumers.steps.report_commitment import ReportToPeer, addresses
from domain.clock import SystemClock
from domain.errors import Retryable
from domain.stopping import until_stopped
from roles.consume import consume
from roles.process import Context
from roles.tasks import BackgroundTask, Throttled, holder_name, publish_backlog, run_loop, wait_at_most
from store.commitment_requests import REQUESTS, CommitmentRequest
from store.commitments import COMMITMENTS, COMMITMENTS_CHANNEL
from store.deliveries import DELIVERIES, DELIVERIES_CHANNEL, Delivery
from store.holders import Holder, Life
from store.leases import Backlog
from store.rejections import REJECTIONS, Rejection

# Seconds that a delivery stays with a process that no longer renews it.
_LEASE = 30.0
# Seconds that a delivery which is under way at the order to stop is given; what is cut off then is sent again.
_GRACE = 3.0
# Seconds between looks at figures that cost a query.
_FIGURES = 1.0


class _Loop(Protocol):
    """A share of one kind of leased work, whatever it is about."""

    def step(self) -> bool: ...

    def seconds_until_due(self) -> float | None: ...


_Loops = Sequence[_Loop]


def deliver(context: Context) -> None:
    """Results to their destinations."""
    destinations = profiled_destinations(context.settings)
    life = Life(context.database, [one.name for one in destinations])
    to_nobody = _to_nobody(context, [one.name for one in destinations], life)
    notifications = context.database.listener(DELIVERIES_CHANNEL)
    decided = context.database.listener(COMMITMENTS_CHANNEL)
    measure = Throttled(_FIGURES, _DeliveryMetrics(context, [one.name for one in destinations]).measure)
    found = {one.name: Reachability(one.name) for one in destinations}
    senders = [
        *(
            _Sender(context, f"delivery to {one.name}", _to(context, one, life, found[one.name]))
            for one in destinations
        ),
        *(_Sender(context, f"questions to {one.name}", _asking(context, one, life)) for one in destinations),
        _Sender(context, "reports of storage commitment", _reporting(context, life)),
    ]
    tasks = [*(sender.task for sender in senders), *(_probing(context, one, found[one.name]) for one in destinations)]

    with consume(context, "delivery", DeliveryPlanner(destinations)) as planning:

        def turn() -> None:
            for task in (planning, *tasks):
                task.check()
            measure()
            if not _any_step(to_nobody) and (notifications.wait(wait_at_most(None)) or decided.wait(0.0)):
                for sender in senders:
                    sender.wake.set()

        run_loop(context, turn)
    notifications.close()
    decided.close()
    end = time.monotonic() + _GRACE  # for all of them: a supervisor waits for the process, however many they are
    for sender in senders:
        sender.task.join(max(0.0, end - time.monotonic()))
    for task in tasks:
        task.check()
    life.close()


_MakeLoops = Callable[[Callable[[], None]], _Loops]


class _Sender:
    """Works for one peer from a thread; `wake` tells it that there may be something new."""

    def __init__(self, context: Context, name: str, loops: _MakeLoops) -> None:
        self.wake = threading.Event()
        alive = context.health.expect(name)
        self._loops = loops(alive)
        self._available = RetryUntilAvailable(SystemClock(), context.stop, Retryable, alive=alive)
        run = partial(until_stopped, context.stop, self._turn)
        self.task = BackgroundTask(context, name, run, lambda: self._available.waiting_for)

    def _turn(self) -> None:
        self.wake.clear()
        if not self._available.call(lambda: _any_step(self._loops)):
            self.wake.wait(wait_at_most(self._available.call(lambda: _soonest(self._loops))))


def _to(context: Context, destination: ProfiledDestination, life: Life, reachability: Reachability) -> _MakeLoops:
    """What goes to a destination: notes on what it has before, then results."""
    settings = context.settings
    policy, timeout = retries.deliveries(settings.delivery), settings.delivery.timeout
    aet, objects = settings.listener.aet, context.objects
    notes = NotesTo(objects, destination, aet, policy, timeout, reachability=reachability)
    work = DeliveryTo(context.ledger, objects, destination, aet, policy, timeout, reachability=reachability)
    holder = Holder(f"{holder_name('deliver', context)} to {destination.name}", life)
    return lambda alive: (
        LeasedLoop[Rejection, int](context.ledger, notes, holder, _LEASE, alive, context.stop),
        LeasedLoop[Delivery, Sent](context.ledger, work, holder, _LEASE, alive, context.stop),
    )


def _asking(context: Context, destination: ProfiledDestination, life: Life) -> _MakeLoops:
    """Whether a destination keeps what it was sent: beside the deliveries, which wait for no answer to that."""
    delivery, aet = context.settings.delivery, context.settings.listener.aet
    policy = retries.deliveries(delivery)
    asks = RequestTo(
        context.database, context.objects, destination, aet, policy, delivery.timeout, delivery.report_after
    )
    holder = Holder(f"{holder_name('deliver', context)} asks {destination.name}", life)
    return lambda alive: (
        LeasedLoop[CommitmentRequest, ArchiveAnswer](context.ledger, asks, holder, _LEASE, alive, context.stop),
    )


def _reporting(context: Context, life: Life) -> _MakeLoops:
    """Reports to those who asked us to keep what they sent."""
    settings = context.settings
    ports: dict[str, int] = {}

    def take(new: Settings) -> None:
        ports.clear()
        ports.update({one.aet: one.port for one in new.listener.callers if one.port is not None})

    take(settings)
    if context.reloading is not None:
        context.reloading.taken_by(take)
    policy, timeout = retries.deliveries(settings.delivery), settings.delivery.timeout
    tells = ReportToPeer(addresses(ports, settings.destinations), settings.listener.aet, policy, timeout)
    holder = Holder(f"{holder_name('deliver', context)} reports", life)
    return lambda alive: (LeasedLoop(context.ledger, tells, holder, _LEASE, alive, context.stop),)


def _to_nobody(context: Context, known: Sequence[str], life: Life) -> _Loops:
    """What goes to destinations that are none."""
    policy, holder = retries.deliveries(context.settings.delivery), Holder(holder_name("deliver", context), life)
    return tuple(
        LeasedLoop(context.ledger, work, holder, _LEASE)
        for work in (NotesToNobody(known, policy), DeliveryToNobody(known, policy), RequestToNobody(known, policy))
    )


def _any_step(loops: _Loops) -> bool:
    """A step of the first that has something to do; whether one had."""
    return any(loop.step() for loop in loops)


def _soonest(loops: _Loops) -> float | None:
    """How soon one of them has something to do."""
    waits = [seconds for loop in loops if (seconds := loop.seconds_until_due()) is not None]
    return min(waits, default=None)


def _probing(context: Context, destination: ProfiledDestination, reachability: Reachability) -> BackgroundTask:
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
        every=settings.delivery.echo,
        reachability=reachability,
    )
    return BackgroundTask(context, name, lambda: probing.run(context.stop), str)


class _DeliveryMetrics:
    """How much is under way to whom: a destination whose last delivery has arrived falls back to 0."""

    def __init__(self, context: Context, destinations: Sequence[str]) -> None:
        self._database = context.database
        self._names = set(destinations)
        # What an earlier life of this process said of destinations that are none any more.
        for one in (metrics.destination_reachable, metrics.delivery_depth, metrics.delivery_age):
            one.clear()

    def measure(self) -> None:
        """Publish it."""
        with self._database.transaction() as connection:
            publish_backlog("deliveries", DELIVERIES.backlog(connection))
            publish_backlog("rejection notes", REJECTIONS.backlog(connection))
            publish_backlog("storage commitment", REQUESTS.backlog(connection))
            publish_backlog("reports of storage commitment", COMMITMENTS.backlog(connection))
            found = DELIVERIES.backlogs(connection, DELIVERIES.table.c.destination)
        self._names |= found.keys()
        for name in self._names:
            backlog = found.get(name, Backlog(0, 0.0))
            metrics.delivery_depth.labels(name).set(backlog.count)
            metrics.delivery_age.labels(name).set(backlog.age)
