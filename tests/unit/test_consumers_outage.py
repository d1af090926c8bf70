"""Waiting: for ever, ever longer, told once, and ended at once by the order to stop."""

import logging
import threading
from collections.abc import Callable

import pytest

from consumers.bus.outage import RetryUntilAvailable
from domain.clock import ManualClock
from domain.errors import Retryable, Unavailable
from domain.stopping import Stopped, until_stopped


def _failing(times: int, error: Exception | None = None) -> Callable[[], str]:
    left = [error or Unavailable("no server at 127.0.0.1:1")] * times

    def call() -> str:
        if left:
            raise left.pop()
        return "answer"

    return call


def _raising(errors: list[Unavailable]) -> Callable[[], None]:
    def call() -> None:
        if errors:
            raise errors.pop(0)

    return call


def test_an_answer_comes_back_after_as_many_failures_as_it_takes() -> None:
    assert RetryUntilAvailable(ManualClock(), threading.Event()).call(_failing(1000)) == "answer"


def test_the_waits_grow_up_to_a_ceiling() -> None:
    clock = ManualClock()
    RetryUntilAvailable(clock, threading.Event()).call(_failing(106))
    # 0.2 doubles to 6.4 (12.6 s in all), then a hundred times 10.
    assert clock.monotonic() == pytest.approx(1012.6)


def test_an_outage_is_logged_when_it_begins_and_when_it_ends_and_not_at_each_try(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        RetryUntilAvailable(ManualClock(), threading.Event()).call(_failing(50))
    assert [record.getMessage() for record in caplog.records] == ["waiting for a server", "the server answers again"]


def test_a_wait_that_becomes_one_for_another_cause_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    class Refused(Unavailable):
        """The server is back and lets nobody in."""

    errors = [Unavailable("away"), Refused("password"), Unavailable("away"), Refused("password")] * 20
    with caplog.at_level(logging.WARNING):
        RetryUntilAvailable(ManualClock(), threading.Event()).call(_raising(errors))
    assert [record.__dict__["reason"] for record in caplog.records] == ["away", "password"]


def test_it_says_what_it_waits_for_while_it_waits() -> None:
    seen = []
    patience = RetryUntilAvailable(ManualClock(), threading.Event())
    failing = _failing(1)

    def call() -> str:
        seen.append(patience.waiting_for)
        return failing()

    patience.call(call)
    assert [*seen, patience.waiting_for] == ["", "no server at 127.0.0.1:1", ""]


def test_other_errors_pass_through() -> None:
    with pytest.raises(Retryable, match="busy"):
        RetryUntilAvailable(ManualClock(), threading.Event()).call(_failing(1, Retryable("busy")))


def test_the_order_to_stop_ends_the_wait_for_a_server() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        RetryUntilAvailable(ManualClock(), stop).call(_failing(1))


def test_the_order_to_stop_ends_a_pause_in_its_middle() -> None:
    stop = threading.Event()

    class StoppingClock(ManualClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            stop.set()

    clock = StoppingClock()
    with pytest.raises(Stopped):
        RetryUntilAvailable(clock, stop).pause(3600)
    assert clock.monotonic() < 3600


def test_a_step_of_the_wall_clock_neither_lengthens_nor_shortens_a_pause() -> None:
    for step in (-3600.0, 3600.0):

        class SteppingClock(ManualClock):
            def sleep(self, seconds: float, by: float = step) -> None:
                super().sleep(seconds)
                self.step(by)

        clock = SteppingClock()
        RetryUntilAvailable(clock, threading.Event()).pause(10)
        assert clock.monotonic() == pytest.approx(10)


def test_whoever_has_nothing_else_to_do_waits_for_whatever_may_pass_and_says_so() -> None:
    told: list[str] = []
    available = RetryUntilAvailable(
        ManualClock(), threading.Event(), Retryable, lambda error: told.append(str(error)), lambda: told.append("back")
    )
    assert available.call(_failing(2, Retryable("disk full"))) == "answer"
    assert told == ["disk full", "disk full", "back"]


def test_a_loop_ends_when_told_to_also_while_it_waits() -> None:
    stop = threading.Event()
    available = RetryUntilAvailable(ManualClock(), stop)
    steps: list[int] = []

    def step() -> None:
        steps.append(1)
        if len(steps) == 3:
            stop.set()
            available.call(_failing(1))

    until_stopped(stop, step)
    assert len(steps) == 3
