"""How a role's work goes on: turns of a loop that outlive a server's absence, and tasks in the background."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from typing import TypeVar

from config import metrics
from consumers.bus.outage import RetryUntilAvailable
from domain.clock import SystemClock
from domain.errors import Retryable, Unavailable
from domain.stopping import loop_until, until_stopped
from roles.process import Context, process_name
from store.leases import Backlog

T = TypeVar("T")

# Longest wait for a notification (s): a lost one delays work by this much and no more.
_LOOK = 1.0
# Between two signs of life (s) of something that takes long; health.HEARTBEAT_LIMIT is far above it.
_BEAT = 5.0


def run_loop(context: Context, turn: Callable[[], object]) -> None:
    """Call `turn` again and again until told to stop; while a server is missing it waits, longer each time."""
    missing = _Missing(context)
    available = RetryUntilAvailable(SystemClock(), context.stop, Retryable, missing.failed, missing.back)

    def step() -> None:
        available.call(turn)
        context.health.beat()

    until_stopped(context.stop, step)


def until_available(context: Context, call: Callable[[], T]) -> T:
    """What `call` returns, once its server is there; raises Stopped when told to stop before."""
    missing = _Missing(context)
    waiting = RetryUntilAvailable(
        SystemClock(), context.stop, Retryable, missing.failed, missing.back, context.health.pulse
    )
    return waiting.call(call)


class _Missing:
    """What a role's own loop waits for, said to whoever asks for its health."""

    def __init__(self, context: Context) -> None:
        self._health = context.health
        self._what = ""

    def failed(self, error: Retryable) -> None:
        what = "PostgreSQL" if isinstance(error, Unavailable) else "the object store"
        if self._what not in ("", what):
            self._health.ready(self._what)
        self._what = what
        self._health.waiting(what, error.sentence)

    def back(self) -> None:
        self._health.ready(self._what)
        self._what = ""


@contextmanager
def beating(context: Context) -> Iterator[None]:
    """Signs of life from a thread, while the role's own loop is at something that takes long and has an end."""
    done = threading.Event()

    def beat() -> None:
        for _ in loop_until(done, _BEAT, at_once=False):
            context.health.pulse()

    thread = threading.Thread(target=beat, name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Throttled:
    """A call that is made at most once in `seconds`, for figures that a busy loop would spend itself on.

    It takes `share` of the loop's time at the most.
    """

    def __init__(self, seconds: float, call: Callable[[], None], share: float = 1.0) -> None:
        self._seconds = seconds
        self._rest = 1 / share - 1
        self._call = call
        self._due = 0.0

    def __call__(self) -> None:
        """Make the call, if it is time."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + self._seconds
            self._call()
            after = time.monotonic()
            self._due = max(self._due, after + (after - now) * self._rest)


def at_once_then(seconds: float) -> Iterator[float]:
    """How long each turn of a loop waits for work: the first not at all, for its end says that the role has begun."""
    return chain((0.0,), repeat(seconds))


def wait_at_most(seconds: float | None) -> float:
    """Seconds to wait for a notification when the next thing that is known of comes in `seconds` (None: nothing is)."""
    return _LOOK if seconds is None else max(0.0, min(seconds, _LOOK))


def holder_name(role: str, context: Context) -> str:
    """The name under which this process holds leases: the same after a restart, another on every host."""
    return f"{process_name(role, context.index)}@{socket.gethostname()}"


def publish_backlog(queue: str, backlog: Backlog) -> None:
    """Publish how much is not done and how old the oldest of it is."""
    metrics.queue_depth.labels(queue).set(backlog.count)
    metrics.queue_age.labels(queue).set(backlog.age)


class BackgroundTask:
    """Work in a thread of its own; `check` is called from the role's own loop and raises what it raised."""

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
        missing, why = f"a server, for {self._name}", self._waiting_for()
        if why:
            self._context.health.waiting(missing, why)
        elif self._waiting:
            self._context.health.ready(missing)
        self._waiting = bool(why)

    def join(self, seconds: float | None = None) -> None:
        """Wait until it has stopped, `seconds` at most; raise the error that ended it."""
        self._thread.join(seconds)
        self.check()

    def _main(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._error = error
            self._context.stop.set()
        finally:
            self._context.health.dismiss(self._name)
