"""The role `deliver`: results to their destinations."""

from datetime import timedelta

from consumers.destinations import ProfiledDestination, profiled_destinations
from consumers.steps.deliver import Deliverer, DeliveryPlanner
from consumers.steps.probe import PeriodicProbe
from domain.clock import SystemClock
from domain.retry import RetryPolicy
from roles.consume import consume
from roles.process import Context
from roles.tasks import BackgroundTask, turns, until
from roles.work import owner, queue
from store import results
from store.results import DELIVERIES_CHANNEL


def deliver(context: Context) -> None:
    """Results to their destinations."""
    settings, destinations = context.settings, profiled_destinations(context.settings)
    policy = RetryPolicy(
        first=settings.delivery.first_delay,
        factor=2,
        longest=settings.delivery.longest_delay,
        total=timedelta(seconds=settings.delivery.give_up_after),
    )
    deliverer = Deliverer(
        context.ledger,
        context.objects,
        destinations,
        settings.listener.aet,
        policy,
        settings.delivery.timeout,
        owner("deliver", context),
    )
    planner = DeliveryPlanner(destinations)
    news = context.database.listener(DELIVERIES_CHANNEL)
    clock = SystemClock()
    # Whether a delivery of ours may lie about: from an earlier life of this process, or a turn that was cut short.
    left = True
    asking = [_asking(context, one) for one in destinations]

    with consume(context, "delivery", planner) as planning:

        def turn() -> None:
            nonlocal left
            planning.check()
            for one in asking:
                one.check()
            deliverer.take_back(own=left)
            left = True
            while not context.stop.is_set() and deliverer.step():
                context.health.beat()
            left = False
            with context.database.transaction() as connection:
                queue("deliveries", results.waiting(connection), clock.now())
                due = results.next_due(connection)
            news.wait(until(due, clock))

        turns(context, turn)
    news.close()
    for one in asking:
        one.check()


def _asking(context: Context, recipient: ProfiledDestination) -> BackgroundTask:
    """Asks a destination what it takes, in a thread that is not waited for at the end: the peer may be silent."""
    settings = context.settings
    asker = PeriodicProbe(
        context.database,
        recipient,
        settings.listener.aet,
        settings.delivery.timeout,
        settings.delivery.ask_again,
        settings.delivery.longest_delay,
    )
    return BackgroundTask(context, f"asking {recipient.name}", lambda: asker.run(context.stop), str)
