"""The loop that runs a group's handlers: one message, one transaction, then the offset.

A message only says where to look: what is handled is the event as the outbox has it, and what it says has to agree with
the rows that it is about. What does not is counted ("unfounded") and leaves nothing, whoever wrote it and how often.

The inbox row, the handler's changes, its events and its audit entries commit together, and the offset moves last; so a
crash anywhere repeats a message and never its effect. The type of an error says what happens next: wait for the server,
try again by the policy, or make the message a dead letter. A group stops where too many of them follow each other.
"""

import logging
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

from audit.trail import Ledger, Transaction
from config import metrics
from config.logs import at_work_on
from consumers.bus.announced import announced
from consumers.bus.dead_letters import DEAD_LETTER_LIMIT, DeadLetterLimit, set_aside
from consumers.bus.outage import RetryUntilAvailable
from consumers.bus.protocol import Bus, Message, Subscription, TakenOver
from domain.clock import Clock
from domain.errors import IntegrityError, NodeError, Permanent, Retryable, Unfounded
from domain.events import Event, EventType
from domain.retry import RetryPolicy
from domain.stopping import until_stopped
from store.outbox import mark_handled

Handler = Callable[[Transaction, Event], None]

_POLL = 1.0  # s
DEAD_LETTER = "dead letter"  # the outcome of an event that no attempt could handle
_log = logging.getLogger(__name__)


class Defect(Permanent):
    """A handler raised what no handler should; named by its type alone, for its text may quote data."""


class Consumer:
    """Runs the handlers of one group until `stop` is set. An event that `handlers` does not name is passed over.

    Each handler gets the transaction in which everything that it does is to happen, and the event. `limit` is how many
    dead letters the group may make before this consumer stops. `alive` is called whenever the loop comes round.
    """

    def __init__(
        self,
        bus: Bus,
        ledger: Ledger,
        group: str,
        handlers: Mapping[EventType, Handler],
        policy: RetryPolicy,
        clock: Clock,
        stop: threading.Event,
        limit: DeadLetterLimit = DEAD_LETTER_LIMIT,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._bus = bus
        self._ledger = ledger
        self._group = group
        self._handlers = handlers
        self._for_others = {one.value for one in EventType} - set(handlers)
        self._policy = policy
        self._clock = clock
        self._stop = stop
        self._limit = limit
        self._available = RetryUntilAvailable(clock, stop, alive=alive)
        # To keep a message as a dead letter is the last that can be done with it, and is tried until it is.
        self._certain = RetryUntilAvailable(clock, stop, Retryable, alive=alive)

    @property
    def waiting_for(self) -> str:
        """What the loop waits for, empty when nothing is missing."""
        return self._available.waiting_for or self._certain.waiting_for

    def run(self) -> None:
        """Handle messages until told to stop.

        Raises TooManyDeadLetters at the limit, ConfigurationError where no broker can be as the settings say; the
        message that it was at is not committed.
        """
        subscription = self._bus.subscribe(self._group)
        try:
            until_stopped(self._stop, partial(self._round, subscription))
        finally:
            subscription.close()

    def _round(self, subscription: Subscription) -> None:
        try:
            for message in self._available.call(partial(subscription.poll, _POLL)):
                if self._stop.is_set():
                    return
                self._count(self._settle(message))
                self._available.call(partial(subscription.commit, message))
        except TakenOver as error:
            _log.info("another consumer goes on", extra={"group": self._group, "reason": str(error)})

    def _settle(self, message: Message) -> str:
        """Handle `message` to its end and say how it ended."""
        # What says that it is for others is left to them: whether it is true makes no difference here.
        return "passed over" if message.type in self._for_others else self._handle(message)

    def _handle(self, message: Message) -> str:
        failures, first = 0, self._clock.monotonic()
        while True:
            try:
                return self._available.call(partial(self._attempt, message))
            except Unfounded:
                return "unfounded"
            except Retryable as error:
                failures += 1
                delay = self._policy.delay(failures, timedelta(seconds=self._clock.monotonic() - first))
                if delay is None:
                    return self._give_up(message, error, failures)
                self._count("retried")
                self._available.pause(delay)
            except (Permanent, IntegrityError) as error:
                return self._give_up(message, error, failures + 1)

    def _attempt(self, message: Message) -> str:
        try:
            with self._ledger.transaction() as transaction:
                return self._act(transaction, message)
        except (Retryable, Permanent, IntegrityError, Unfounded):
            raise
        except Exception as error:  # a handler's defect must cost one message and not the group
            frames = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
            kind = type(error).__name__
            _log.error("a handler failed", extra={"group": self._group, "kind": kind, "frames": frames})
            raise Defect(f"{kind} in the handler of {message.type} in group {self._group}") from error

    def _act(self, transaction: Transaction, message: Message) -> str:
        event = announced(transaction.connection, message)
        handler = self._handlers.get(event.type)
        if handler is None:
            return "passed over"
        if not mark_handled(transaction.connection, self._group, event.id, self._clock.now()):
            return "duplicate"
        with at_work_on(study=event.study_id):
            handler(transaction, event)
        return "handled"

    def _give_up(self, message: Message, error: NodeError, attempts: int) -> str:
        now = self._clock.now()
        write = partial(set_aside, self._ledger, self._group, message, error, attempts, now, self._limit)
        try:
            number = self._certain.call(write)
        except Unfounded:
            return "unfounded"
        extra = {"group": self._group, "dead_letter": number, "reason": error.sentence}
        _log.error("an event became a dead letter (dicom-node dead-letters list)", extra=extra)
        return DEAD_LETTER

    def _count(self, outcome: str) -> None:
        metrics.events_handled.labels(self._group, outcome).inc()
