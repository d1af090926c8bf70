"""The part of `assemble` that asks archives for earlier studies, in a thread of its own: no study waits behind it."""

from collections.abc import Callable
from functools import partial

from consumers.bus.outage import RetryUntilAvailable
from consumers.steps.fetch_priors import PriorsFetcher
from consumers.steps.request_priors import PRIORS_CHANNEL
from domain.clock import SystemClock
from domain.errors import Retryable
from domain.stopping import until_stopped
from models.installed import installed
from roles.process import Context
from roles.tasks import BackgroundTask, holder_name, wait_at_most


def priors_task(context: Context) -> BackgroundTask | None:
    """The thread; None where no archive may be asked. What it hangs at is over with the time of its requests."""
    settings = context.settings
    archives = [one for one in settings.sources if one.priors]
    if not archives:
        return None
    owner = holder_name("assemble", context)
    fetcher = PriorsFetcher(
        context.ledger, context.objects, archives, settings.listener.aet, owner, lambda: installed(settings)
    )
    available = RetryUntilAvailable(SystemClock(), context.stop, Retryable)

    def run() -> None:
        notifications = context.database.listener(PRIORS_CHANNEL)
        try:
            until_stopped(context.stop, partial(_turn, available, fetcher, notifications.wait))
        finally:
            notifications.close()

    return BackgroundTask(context, "earlier studies", run, lambda: available.waiting_for)


def _turn(available: RetryUntilAvailable, fetcher: PriorsFetcher, wait: Callable[[float], object]) -> None:
    again_in = available.call(fetcher.step)
    wait(wait_at_most(again_in))
