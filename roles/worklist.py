"""The part of `assemble` that asks worklists what was requested, each in a thread of its own."""

from collections.abc import Callable, Iterable
from functools import partial

from config.peers import Source
from config.rules import Rule
from config.settings import Settings
from consumers.bus.outage import RetryUntilAvailable
from consumers.steps.ask_worklist import WorklistAsker
from domain.clock import SystemClock
from domain.errors import Retryable
from domain.routing import asks_for_procedures
from domain.stopping import until_stopped
from models.registry import Package
from roles.process import Context
from roles.tasks import BackgroundTask, wait_at_most
from store.index import STUDIES_CHANNEL


def worklists(settings: Settings) -> list[Source]:
    """The sources that have one."""
    return [one for one in settings.sources if one.worklist]


def any_asks(packages: Iterable[Package], rules: Iterable[Rule] | None) -> bool:
    """Whether any package, or any rule of the site, chooses by what was requested."""
    of_packages = (one.conditions for package in packages for one in package.manifest.inputs)
    return any(map(asks_for_procedures, (*of_packages, *(one.when for one in rules or ()))))


def worklist_tasks(context: Context) -> list[BackgroundTask]:
    """A thread for each worklist."""
    return [_task(context, source) for source in worklists(context.settings)]


def _task(context: Context, source: Source) -> BackgroundTask:
    settings = context.settings
    asker = WorklistAsker(
        context.ledger,
        context.objects,
        source,
        settings.listener.aet,
        settings.assembly.worklist,
        settings.privacy.descriptions,
    )
    available = RetryUntilAvailable(SystemClock(), context.stop, Retryable)

    def run() -> None:
        notifications = context.database.listener(STUDIES_CHANNEL)
        try:
            until_stopped(context.stop, partial(_turn, available, asker, notifications.wait))
        finally:
            notifications.close()

    return BackgroundTask(context, f"the worklist of {source.name}", run, lambda: available.waiting_for)


def _turn(available: RetryUntilAvailable, asker: WorklistAsker, wait: Callable[[float], object]) -> None:
    again_in = available.call(asker.step)
    wait(wait_at_most(again_in))
