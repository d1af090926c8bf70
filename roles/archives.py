"""The parts of `assemble` that ask archives, each in a thread of its own: no study waits behind a question."""

from collections.abc import Callable
from functools import partial

from consumers.bus.outage import RetryUntilAvailable
from consumers.steps.ask_counts import CountAsker
from consumers.steps.fetch_priors import PriorsFetcher
from consumers.steps.request_priors import PRIORS_CHANNEL
from dicom_node.scu.fetch_spool import FetchSpool
from domain.clock import SystemClock
from domain.errors import Retryable
from domain.stopping import until_stopped
from models.installed import installed
from roles.process import Context
from roles.tasks import BackgroundTask, holder_name, wait_at_most
from store.index import STUDIES_CHANNEL


def archive_tasks(context: Context) -> list[BackgroundTask]:
    """The threads; none where no archive is to be asked. What one hangs at is over with the time of its question."""
    settings, tasks = context.settings, []
    if counts := [one for one in settings.sources if one.counts]:
        asker = CountAsker(context.ledger, counts, settings.listener.aet)
        tasks.append(_task(context, "counts", asker.step, STUDIES_CHANNEL))
    if archives := [one for one in settings.sources if one.priors]:
        owner, packages = holder_name("assemble", context), partial(installed, settings)
        into = FetchSpool(settings.data / "spool", settings.spool, settings.listener.max_instance)
        aet = settings.listener.aet
        fetcher = PriorsFetcher(context.ledger, context.objects, archives, aet, owner, packages, into=into)
        tasks.append(_task(context, "earlier studies", fetcher.step, PRIORS_CHANNEL, into.close))
    return tasks


def _task(
    context: Context,
    name: str,
    step: Callable[[], float | None],
    channel: str,
    close: Callable[[], None] = lambda: None,
) -> BackgroundTask:
    available = RetryUntilAvailable(SystemClock(), context.stop, Retryable)

    def run() -> None:
        notifications = context.database.listener(channel)
        try:
            until_stopped(context.stop, lambda: notifications.wait(wait_at_most(available.call(step))))
        finally:
            notifications.close()
            close()

    return BackgroundTask(context, name, run, lambda: available.waiting_for)
