"""The role `deliver`: results to their destinations."""

from datetime import timedelta

from console.events import consume
from console.process import Context
from console.tasks import turns, until
from console.working import owner, queue
from consumers.delivery import Deliverer, DeliveryPlanner
from domain.clock import SystemClock
from domain.events import EventType
from domain.retry import RetryPolicy
from store import results
from store.results import DELIVERIES_CHANNEL


def deliver(context: Context) -> None:
    """Results to their destinations."""
    settings = context.settings
    policy = RetryPolicy(
        first=settings.delivery.first_delay,
        factor=2,
        longest=settings.delivery.longest_delay,
        total=timedelta(seconds=settings.delivery.give_up_after),
    )
    deliverer = Deliverer(
        context.ledger,
        context.objects,
        settings.destinations,
        settings.listener.aet,
        policy,
        settings.delivery.timeout,
        owner("deliver", context),
    )
    planner = DeliveryPlanner(settings.destinations)
    news = context.database.listener(DELIVERIES_CHANNEL)
    clock = SystemClock()
    # Whether a delivery of ours may lie about: from an earlier life of this process, or a turn that was cut short.
    left = True

    with consume(context, "delivery", {EventType.RESULTS_WRITTEN: planner}) as planning:

        def turn() -> None:
            nonlocal left
            planning.check()
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
