"""How a role's work goes on: turns of a loop that outlive a server's absence, and threads beside the loop."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from domain.clock import Clock
from domain.errors import Retryable, Unavailable
from domain.retry import RetryPolicy
from roles.process import Context

_log = logging.getLogger(__name__)
_OUTAGE = RetryPolicy(first=0.2, factor=2, longest=5)
# Longest wait for a notification (s): a lost one delays work by this much and no more.
_LOOK = 1.0


def turns(context: Context, turn: Callable[[], None]) -> None:
    """Call `turn` again and again until told to stop. Unavailable and Retryable make it wait, longer each time."""
    failures, missing = 0, ""
    while not context.stop.is_set():
        try:
            turn()
        except Retryable as error:
            failures += 1
            missing = _note(context, missing, error)
            context.stop.wait(_OUTAGE.delay(failures) or _OUTAGE.longest)
        else:
            if missing:
                context.health.ready(missing)
                _log.info("goes on")
            failures, missing = 0, ""
            context.health.beat()


class Throttled:
    """A call that is made at most once in `seconds`, for figures that a busy loop would spend itself on."""

    def __init__(self, seconds: float, call: Callable[[], None]) -> None:
        self._seconds = seconds
        self._call = call
        self._due = 0.0

    def __call__(self) -> None:
        """Make the call, if it is time."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + self._seconds
            self._call()


def wait_at_most(seconds: float | None) -> float:
    """Seconds to wait for a notification when the next thing that is known of comes in `seconds` (None: nothing is)."""
    return _LOOK if seconds is None else max(0.0, min(seconds, _LOOK))


def until(due: datetime | None, clock: Clock) -> float:
    """Seconds to wait for news when the next thing that is known of falls `due`."""
    left = (due - clock.now()).total_seconds() if due else _LOOK
    return max(0.0, min(left, _LOOK))


def _note(context: Context, missing: str, error: Retryable) -> str:
    what = "PostgreSQL" if isinstance(error, Unavailable) else "the object store"
    if what != missing:
        _log.warning("waits for a server", extra={"what": what, "reason": str(error)})
    if missing and missing != what:
        context.health.ready(missing)
    context.health.waiting(what)
    return what


class BackgroundTask:
    """A consumer in a thread beside the role's own loop; `check` is called from that loop and raises what it raised."""

    def __init__(self, context: Context, name: str, run: Callable[[], None], waiting_for: Callable[[], str]) -> None:
        self._context = context
        self._name = name
        self._run = run
        self._waiting_for = waiting_for
        self._error: BaseException | None = None
        self._waiting = False
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Report its health; raise the error that ended it."""
        if self._error:
            raise self._error
        waiting = bool(self._waiting_for())
        if waiting != self._waiting:
            (self._context.health.waiting if waiting else self._context.health.ready)(f"a server, for {self._name}")
            self._waiting = waiting

    def join(self) -> None:
        """Wait until it has stopped; raise the error that ended it."""
        self._thread.join()
        self.check()

    def _main(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._error = error
            self._context.stop.set()
