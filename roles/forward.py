"""The role `forward`: what stands on the trail goes to every receiver of the settings, each by itself."""

import logging
import time

from audit.export.forwarding import Forwarder, ReceiverAway
from config import metrics
from config.audit_receivers import AuditReceiver
from consumers.bus.outage import RetryUntilAvailable
from domain.clock import SystemClock
from domain.errors import Retryable
from domain.stopping import loop_until, until_stopped
from roles.process import Context
from roles.receivers import outlet
from roles.tasks import BackgroundTask

_log = logging.getLogger(__name__)
_LOOK = 0.5
_ASK = 1.0  # s between two looks at the trail, where nothing new was
_GRACE = 3.0


def forward(context: Context) -> None:
    """Send every receiver what it has not yet, until told to stop."""
    for figure in (metrics.audit_receiver_reachable, metrics.audit_receiver_behind):
        figure.clear()  # what an earlier life of this process said of receivers that are none any more
    tasks = [_task(context, one) for one in context.settings.audit.receivers]
    for _ in loop_until(context.stop, _LOOK):
        for task in tasks:
            task.check()
        context.health.beat()
    end = time.monotonic() + _GRACE
    for task in tasks:
        task.join(max(0.0, end - time.monotonic()))


def _task(context: Context, receiver: AuditReceiver) -> BackgroundTask:
    """A receiver that is away is said by figures and in the log: the node is ready without it."""
    clock, name = SystemClock(), f"entries to {receiver.name}"
    alive = context.health.expect(name)
    # A server of FHIR answers each resource when it has it.
    again = 0.0 if receiver.kind == "fhir" else receiver.again
    forwarder = Forwarder(context.ledger, receiver.name, outlet(receiver), clock, again, receiver.begin == "now")
    reach = _Reach(receiver.name)
    available = RetryUntilAvailable(clock, context.stop, Retryable, reach.failed, reach.back, alive)

    def turn() -> None:
        more = available.call(forwarder.step)
        metrics.audit_receiver_behind.labels(receiver.name).set(forwarder.behind)
        metrics.audit_receiver_reachable.labels(receiver.name).set(not forwarder.is_away)
        if not more:
            available.pause(_ASK)

    def run() -> None:
        try:
            until_stopped(context.stop, turn)
        finally:
            forwarder.close()

    return BackgroundTask(context, name, run, lambda: reach.database)


class _Reach:
    """Whether a receiver takes what it is sent, or the database what is noted of it; a line when that changes."""

    def __init__(self, receiver: str) -> None:
        self._receiver = receiver
        self._said = False
        self.database = ""

    def failed(self, error: Retryable) -> None:
        if not isinstance(error, ReceiverAway):
            self.database = error.sentence
            return
        self.database = ""
        metrics.audit_receiver_reachable.labels(self._receiver).set(0)
        if not self._said:
            self._said = True
            extra = {"receiver": self._receiver, "reason": error.sentence}
            _log.warning("a receiver of the trail's entries takes none now; none is lost", extra=extra)

    def back(self) -> None:
        self.database = ""
        if self._said:
            self._said = False
            _log.warning("a receiver of the trail's entries is sent to again", extra={"receiver": self._receiver})
