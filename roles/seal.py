"""The role `seal`: what is new on the trail is signed, and what is signed goes to outside places."""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress

from audit.actions import Action
from audit.checkpoints import Sealer
from audit.publishing import Publisher
from audit.witnesses.choice import outlet
from config import metrics
from config.audit import Witness
from config.retries import SERVERS
from consumers.bus.outage import RetryUntilAvailable
from domain.clock import SystemClock
from domain.errors import ConfigurationError, IntegrityError, NodeError, Retryable
from domain.stopping import loop_until, until_stopped
from roles.process import Context
from roles.seal_keys import key_folder
from roles.tasks import BackgroundTask, run_loop
from store import trail

_log = logging.getLogger(__name__)
_LOOK = 0.25  # s between two looks at how far the trail is
_ANEW = 15.0  # s until a trail that could not be signed is looked at again
_KEYS = 5.0  # s between two looks at the keys while no entry comes
_GRACE = 3.0  # s that a place has to take what it was given when the role is to stop
_WAITS = "a trail that can be signed"


def seal(context: Context) -> None:
    """Sign what is new on the trail until told to stop."""
    for figure in (metrics.witness_up, metrics.witness_behind, metrics.witness_at):
        figure.clear()  # what an earlier life of this process said of places that are no more
    tasks = [_publishing(context, one) for one in context.settings.audit.witnesses]
    Sealing(context, tasks).run()
    for task in tasks:
        task.join(_GRACE)


class Sealing:
    """Makes a checkpoint whenever `audit.batch` entries are new, or any is and `audit.every` seconds are over."""

    def __init__(self, context: Context, tasks: Sequence[BackgroundTask] = ()) -> None:
        self._context = context
        self._tasks = tasks
        self._settings = context.settings.audit
        self._sealer = Sealer(context.ledger, key_folder(context.settings), SystemClock(), "the role seal")
        self._signed = 0
        self._due = self._idle = 0.0
        self._refused = ""

    def run(self) -> None:
        """Until the role is told to stop; what the others recorded until then is signed at the end."""
        run_loop(self._context, self._turn)
        with suppress(NodeError):
            self._sealer.seal()

    def _turn(self) -> None:
        with self._context.database.transaction() as connection:
            found = trail.last(connection)
        new = (found[0] if found else 0) - self._signed
        metrics.audit_unsigned.set(new)
        now = time.monotonic()
        if now >= self._idle or (new and now >= self._due) or (new >= self._settings.batch and not self._refused):
            self._seal()
        for task in self._tasks:
            task.check()
        self._context.stop.wait(_LOOK)

    def _seal(self) -> None:
        """Everything that is new, in as many checkpoints as it takes."""
        try:
            for _ in loop_until(self._context.stop):
                row = self._sealer.seal()
                self._signed = self._sealer.size
                metrics.audit_signed.set(self._signed)
                if row is None:
                    break
                self._context.health.pulse()
        except (IntegrityError, ConfigurationError) as error:
            self._refuse(error)
            return
        self._due = time.monotonic() + self._settings.every
        self._idle = self._due + _KEYS
        metrics.audit_refused.set(0)
        if self._refused:
            self._refused = ""
            self._context.health.ready(_WAITS)
            _log.warning("the trail is signed again")

    def _refuse(self, error: NodeError) -> None:
        """Said once on the trail and in the log, and for as long as it lasts to whoever asks for the role's health."""
        self._due = self._idle = time.monotonic() + _ANEW
        metrics.audit_refused.set(1)
        self._context.health.waiting(_WAITS, error.sentence)
        if error.sentence != self._refused:
            self._refused = error.sentence
            _log.critical("the trail is not signed: %s", error.sentence)
            self._context.ledger.record(Action.NOT_SEALED, reason=error.sentence)


def _publishing(context: Context, witness: Witness) -> BackgroundTask:
    """A place of its own thread: that one is away is said by figures and on the trail, and holds up no other."""
    name = f"checkpoints to {witness.name}"
    alive = context.health.expect(name)
    available = RetryUntilAvailable(SystemClock(), context.stop, Retryable, alive=alive)

    def run() -> None:
        publisher = Publisher(context.ledger, witness, outlet, SystemClock())
        failures = 0

        def turn() -> None:
            nonlocal failures
            failures = 0 if available.call(publisher.step) else failures + 1
            available.pause(SERVERS.delay(failures) or SERVERS.longest if failures else witness.every)

        until_stopped(context.stop, turn)

    return BackgroundTask(context, name, run, str)
