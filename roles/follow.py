"""The role `follow`: what is new at sources whose changes are followed comes into the spool. It has no database."""

import logging
import time
from functools import partial

from config import metrics
from config.peers import Source
from consumers.bus.outage import RetryUntilAvailable
from dicom_node.orthanc.feed import Follower
from dicom_node.orthanc.fetching import Fetcher
from dicom_node.orthanc.line import Rules, Taken
from dicom_node.orthanc.place import PlaceFile
from dicom_node.spool import SpoolUnavailable, SpoolWriter
from dicom_node.spool.numbers import SpoolNumber
from domain.clock import SystemClock
from domain.errors import ConfigurationError, Retryable
from domain.stopping import loop_until, until_stopped
from roles.process import Context
from roles.tasks import BackgroundTask

_log = logging.getLogger(__name__)
_LOOK = 0.5
_ASK = 2.0  # s between two questions for what is new, where nothing was
_SAY = 900.0  # s between two lines on a source that stays away
_GRACE = 3.0


def follow(context: Context) -> None:
    """Follow every source that is to be followed until told to stop."""
    sources = [one for one in context.settings.sources if one.changes]
    if not sources:
        for _ in loop_until(context.stop, _LOOK):
            context.health.beat()
        return
    # What an earlier life of this process said of sources that are followed no more.
    for figure in (metrics.source_reachable, metrics.source_behind):
        figure.clear()
    writer = _writer(context)
    try:
        tasks = [_task(context, source, writer) for source in sources]
        for _ in loop_until(context.stop, _LOOK):
            for task in tasks:
                task.check()
            context.health.beat()
        end = time.monotonic() + _GRACE
        for task in tasks:
            task.join(max(0.0, end - time.monotonic()))
    finally:
        writer.close()


def _writer(context: Context) -> SpoolWriter:
    root = context.settings.data / "spool"
    try:
        return SpoolWriter(root, SpoolNumber.FOLLOWER, context.settings.spool)
    except OSError as error:
        raise ConfigurationError(f"{root} cannot be used as spool: {error.strerror}") from error


def _task(context: Context, source: Source, writer: SpoolWriter) -> BackgroundTask:
    """A source that is away is said by figures and in the log: the node is ready without it."""
    settings, name = context.settings, f"changes of {source.name}"
    alive = context.health.expect(name)
    rules = Rules(settings.listener.aet, settings.listener.max_instance, settings.delivery.timeout)
    place = PlaceFile(settings.data / "spool" / "follow", source.name)
    fetcher = Fetcher(source, writer, rules, context.stop, alive)
    follower = Follower(source, place, fetcher, rules.timeout, partial(_count, source.name))
    reach = _Reach(source.name)
    available = RetryUntilAvailable(SystemClock(), context.stop, Retryable, reach.failed, reach.back, alive)

    def turn() -> None:
        more = available.call(follower.step)
        metrics.source_behind.labels(source.name).set(follower.behind)
        reach.answered()
        if not more:
            available.pause(_ASK)

    def run() -> None:
        try:
            until_stopped(context.stop, turn)
        finally:
            follower.close()

    return BackgroundTask(context, name, run, str)


def _count(source: str, outcome: Taken) -> None:
    metrics.source_instances.labels(source, outcome.value).inc()


class _Reach:
    """Whether a source answers: a figure, and a line when that changes."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._said = 0.0

    def failed(self, error: Retryable) -> None:
        if not isinstance(error, SpoolUnavailable):  # that is our own disk's
            metrics.source_reachable.labels(self._source).set(0)
        now = time.monotonic()
        if not self._said or now - self._said > _SAY:
            self._said = now
            _log.warning("a source cannot be followed now", extra={"source": self._source, "reason": error.sentence})

    def back(self) -> None:
        self._said = 0.0
        _log.warning("a source is followed again", extra={"source": self._source})

    def answered(self) -> None:
        metrics.source_reachable.labels(self._source).set(1)
