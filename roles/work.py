"""The role `work`: inference."""

import logging
import socket
from datetime import datetime

from config import metrics
from config.settings import Settings
from consumers.steps.infer import Worker
from domain.clock import SystemClock
from domain.errors import ConfigurationError, IntegrityError, Retryable
from domain.retry import RetryPolicy
from inference_worker.model_process import ModelProcess, ModelProcessSettings
from models.installed import installed
from roles.devices import setup
from roles.process import Context, process_name
from roles.tasks import turns, until
from store import jobs
from store.routing import JOBS_CHANNEL

_log = logging.getLogger(__name__)


def work(context: Context) -> None:
    """Run jobs until told to stop."""
    settings = context.settings
    child = ModelProcess(ModelProcessSettings(setup(settings, context.index)))
    worker = Worker(
        context.ledger,
        context.objects,
        child,
        RetryPolicy(first=1, factor=4, longest=60, attempts=settings.models.attempts),
        settings.models.timeout,
        settings.models.lease,
        settings.data / "work",
        owner("work", context),
        alive=context.health.beat,
        together=lambda model: _together(settings, model),
    )
    news = context.database.listener(JOBS_CHANNEL)
    warm = _Warm(context, child)
    clock = SystemClock()
    # Whether a job of ours may lie about: from an earlier life of this process, or a turn that was cut short.
    left = True

    def turn() -> None:
        nonlocal left
        worker.take_back(own=left)
        left = True
        warm.refresh()
        while not context.stop.is_set() and worker.step():
            context.health.beat()
        left = False
        with context.database.transaction() as connection:
            queue("jobs", jobs.waiting(connection), clock.now())
            due = jobs.next_due(connection)
        news.wait(until(due, clock))

    try:
        turns(context, turn)
    finally:
        child.stop()
        news.close()


def _together(settings: Settings, model: str) -> int:
    """How many jobs of a model share the network's batches: several only where it reads image by image."""
    images = (one for one in installed(settings) if one.name == model and one.manifest.inputs[0].kind == "images")
    return settings.models.together if next(images, None) else 1


def owner(role: str, context: Context) -> str:
    """The name under which this process holds leases: the same after a restart, another on every host."""
    return f"{process_name(role, context.index)}@{socket.gethostname()}"


def queue(name: str, waiting: tuple[int, datetime | None], now: datetime) -> None:
    """Publish how much waits and for how long the oldest has."""
    count, oldest = waiting
    metrics.queue_depth.labels(name).set(count)
    metrics.queue_age.labels(name).set((now - oldest).total_seconds() if oldest else 0)


class _Warm:
    """Keeps the model process on the packages as they are: it starts anew when one was added, removed or changed."""

    def __init__(self, context: Context, child: ModelProcess) -> None:
        self._context = context
        self._child = child
        self._digests: list[str] | None = None
        self._fault = ""

    def refresh(self) -> None:
        """Start the process where it has not these packages. A wrong package is said once here, and by each job."""
        try:
            digests = [package.digest for package in installed(self._context.settings)]
            if digests == self._digests:
                return
            self._digests = digests
            self._context.health.waiting("the models to be warm")
            self._child.stop()
            self._child.start()
            _log.info("models are warm", extra={"models": len(digests)})
            self._fault = ""
        except (ConfigurationError, IntegrityError, Retryable) as error:
            if str(error) != self._fault:
                _log.error("models cannot be loaded: %s", error)
            self._fault = str(error)
        self._context.health.ready("the models to be warm")
