"""Providers in an order, over a clock that moves only when told: what each error leads to, and how long it takes."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from domain.clock import ManualClock
from summary.prompt import Prompt
from summary.providers.cache import Cache, digest
from summary.providers.chain import Call, Chain, Completion, Leaving, Limits, Provider, Timeouts
from summary.providers.faults import HANDLING, Fault, Next, NoAnswer, ProviderError
from summary.providers.limits import Breaker, BreakerState, Bucket, Budget, Keys
from tests.support.counterparts import ROOT

ASKED = Prompt("system", "user", {"type": "object"})
OTHER = Prompt("system", "other", {"type": "object"})

Step = Completion | Fault | ProviderError


@dataclass
class Scripted:
    """A provider that says what it is told to, one after the other; the last thing again and again."""

    clock: ManualClock
    script: list[Step]
    takes: float = 1.0
    keys: list[str] = field(default_factory=list)
    given: list[Timeouts] = field(default_factory=list)

    def complete(self, asked: Prompt, key: str, timeouts: Timeouts) -> Completion:
        self.keys.append(key)
        self.given.append(timeouts)
        self.clock.sleep(min(self.takes, timeouts.total))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Completion):
            return step
        raise step if isinstance(step, ProviderError) else ProviderError(step)


GOOD = Completion("good", 100, 20)


class Trial:
    """A chain of scripted providers."""

    def __init__(
        self,
        *scripts: Sequence[Step],
        keys: Sequence[str] = (),
        limits: Limits | None = None,
        total: float = 120.0,
        takes: float = 1.0,
    ) -> None:
        self.clock = ManualClock()
        self.calls: list[Call] = []
        self.left: list[Leaving] = []
        self.clients = [Scripted(self.clock, list(one), takes) for one in scripts]
        providers = [
            Provider(f"p{number}", "m", client, keys, limits or Limits()) for number, client in enumerate(self.clients)
        ]
        self.chain = Chain(providers, self.clock, total, Cache(), self.left.append, self.calls.append, random.Random(1))

    def ask(self, asked: Prompt = ASKED) -> str:
        return self.chain(asked).provider


def test_the_first_that_answers_is_the_one() -> None:
    trial = Trial([GOOD], [GOOD])
    assert trial.ask() == "p0"
    assert not trial.clients[1].keys


@pytest.mark.parametrize("fault", [one for one in Fault if HANDLING[one].next is Next.PROVIDER])
def test_what_the_same_provider_would_fail_at_again_goes_to_the_next(fault: Fault) -> None:
    trial = Trial([fault], [GOOD])
    assert trial.ask() == "p1"
    assert len(trial.clients[0].keys) == 1
    assert [one.fault for one in trial.calls] == [fault, None]


@pytest.mark.parametrize("fault", [one for one in Fault if HANDLING[one].next is Next.WAIT])
def test_what_may_pass_is_tried_again_after_pauses_and_then_goes_to_the_next(fault: Fault) -> None:
    passing = Trial([fault, GOOD], [GOOD])
    assert passing.ask() == "p0"
    lasting = Trial([fault], [GOOD])
    assert lasting.ask() == "p1"
    assert 2 <= len(lasting.clients[0].keys) <= 3
    assert lasting.clock.elapsed > 3


@pytest.mark.parametrize("fault", [one for one in Fault if HANDLING[one].next is Next.KEY])
def test_a_key_that_is_refused_rests_and_the_next_one_is_taken(fault: Fault) -> None:
    trial = Trial([fault, GOOD, GOOD, GOOD], keys=("one", "two", "three"))
    trial.ask()
    trial.ask(OTHER)
    assert trial.clients[0].keys == ["one", "two", "three"]
    trial.ask(Prompt("system", "third", {}))
    assert trial.clients[0].keys[-1] == "two"


def test_a_provider_whose_every_key_is_refused_gives_way_to_the_next() -> None:
    trial = Trial([Fault.AUTHENTICATION], [GOOD], keys=("one", "two"))
    assert trial.ask() == "p1"
    assert trial.clients[0].keys == ["one", "two"]
    assert trial.ask(OTHER) == "p1"
    assert trial.clients[0].keys == ["one", "two"]


def test_several_keys_are_taken_in_turn() -> None:
    trial = Trial([GOOD], keys=("one", "two"))
    for number in range(4):
        trial.ask(Prompt("", str(number), {}))
    assert trial.clients[0].keys == ["one", "two", "one", "two"]


def test_retry_after_is_honoured_where_there_is_time_and_leads_on_where_there_is_none() -> None:
    waits = Trial([ProviderError(Fault.RATE_LIMIT, "", 40.0), GOOD], [GOOD])
    assert waits.ask() == "p0"
    assert waits.clock.elapsed >= 41
    long = Trial([ProviderError(Fault.RATE_LIMIT, "", 3600.0), GOOD], [GOOD])
    assert long.ask() == "p1"
    assert long.clock.elapsed < 5


def test_nobody_waits_longer_than_the_total_time_out() -> None:
    trial = Trial([Fault.OVERLOADED], [Fault.TIME_OUT], [Fault.NETWORK], total=30.0, takes=20.0)
    with pytest.raises(NoAnswer) as refusal:
        trial.ask()
    assert trial.clock.elapsed <= 30
    assert all(one.total <= 30 for client in trial.clients for one in client.given)
    assert "p0: the server is overloaded" in str(refusal.value)


def test_without_an_answer_each_provider_is_named_with_its_reason() -> None:
    trial = Trial([Fault.CONTENT_FILTER], [Fault.MODEL_GONE])
    with pytest.raises(NoAnswer, match=f"p0: {Fault.CONTENT_FILTER}; p1: {Fault.MODEL_GONE}"):
        trial.ask()


def test_one_question_is_asked_once_while_its_answer_is_kept() -> None:
    trial = Trial([GOOD])
    assert not trial.chain(ASKED).cached
    assert trial.chain(ASKED).cached
    assert len(trial.clients[0].keys) == 1
    assert trial.calls[-1].cached
    trial.clock.sleep(1800)
    assert not trial.chain(ASKED).cached


def test_the_breaker_opens_and_one_call_tries_it_after_a_while() -> None:
    trial = Trial([Fault.TIME_OUT, Fault.TIME_OUT, Fault.TIME_OUT, Fault.TIME_OUT, GOOD], [GOOD])
    questions = iter(Prompt("", str(number), {}) for number in range(100))
    for _ in range(5):
        assert trial.ask(next(questions)) == "p1"
    assert len(trial.clients[0].keys) == 3
    assert trial.chain.health()[0].breaker is BreakerState.OPEN
    trial.clock.sleep(31)
    assert trial.chain.health()[0].breaker is BreakerState.HALF_OPEN
    assert trial.ask(next(questions)) == "p1"  # the trial fails: it rests twice as long
    assert trial.ask(next(questions)) == "p1"
    assert len(trial.clients[0].keys) == 4
    trial.clock.sleep(61)
    assert trial.ask(next(questions)) == "p0"
    assert trial.chain.health()[0].breaker is BreakerState.CLOSED


def test_how_each_provider_is_is_told_in_words_and_one_that_rests_with_the_error_that_it_rests_for() -> None:
    trial = Trial([Fault.TIME_OUT], [GOOD])
    assert [one.said for one in trial.chain.health()] == ["was not asked yet"] * 2
    trial.ask()
    assert [one.said for one in trial.chain.health()] == [
        "did not answer the last question: no answer in time",
        "answers",
    ]
    for number in range(3):
        trial.ask(Prompt("system", str(number), {}))
    assert trial.chain.health()[0].said == "rests after errors: no answer in time"
    trial.clock.sleep(60)
    assert trial.chain.health()[0].said == "is tried by the next question: no answer in time"


def test_a_minutes_requests_are_waited_for_and_a_days_tokens_are_not() -> None:
    slow = Trial([GOOD], limits=Limits(requests_a_minute=2))
    for number in range(4):
        slow.ask(Prompt("", str(number), {}))
    assert slow.clock.elapsed >= 60
    spent = Trial([GOOD], [GOOD], limits=Limits(tokens_a_day=1000))
    assert [spent.ask(Prompt("", str(number), {})) for number in range(3)] == ["p0", "p0", "p1"]
    spent.clock.sleep(86400)
    assert spent.ask(Prompt("", "tomorrow", {})) == "p0"


def test_each_call_is_told_with_the_digest_of_what_left() -> None:
    trial = Trial([Fault.OVERLOADED, GOOD])
    trial.ask()
    assert [one.digest for one in trial.calls] == [digest(ASKED)] * 2
    assert [one.digest for one in trial.left] == [digest(ASKED)] * 2
    assert trial.calls[-1].tokens_in == 100


def test_the_page_says_of_each_error_what_follows() -> None:
    page = (ROOT / "docs" / "language-models.md").read_text("utf-8")
    for fault, handling in HANDLING.items():
        rests = f"; the key rests for {handling.rests / 3600:.0f} h" if handling.rests else ""
        counts = "yes" if handling.counts else "no"
        assert f"| {fault} | {handling.next}{rests} | {counts} |" in page


def test_every_fault_has_its_handling() -> None:
    assert set(HANDLING) == set(Fault)
    assert len(Fault) >= 10


@pytest.mark.parametrize(
    ("limit", "asked"),
    [
        (lambda: Bucket(None, 0.0).wait(10**9, 5.0), 0.0),
        (lambda: Bucket(60, 0.0).wait(1, 0.0), 0.0),
        (lambda: Bucket(60, 0.0).wait(600, 0.0), 0.0),
    ],
)
def test_a_bucket_that_is_full_lets_any_question_through(limit: Callable[[], float], asked: float) -> None:
    assert limit() == asked


def test_what_a_bucket_lent_is_owed() -> None:
    bucket = Bucket(60, 0.0)
    bucket.take(90, 0.0)
    assert bucket.wait(1, 0.0) == pytest.approx(31)
    assert bucket.wait(1, 31.0) == pytest.approx(0)


def test_a_budget_begins_anew_after_a_day() -> None:
    budget = Budget(100, 0.0)
    budget.take(100)
    assert not budget.allows(1, 86399.0)
    assert budget.allows(100, 86400.0)


def test_a_breaker_that_was_answered_is_closed_and_forgets() -> None:
    breaker = Breaker()
    for _ in range(2):
        breaker.failed(0.0)
    breaker.succeeded()
    breaker.failed(0.0)
    assert breaker.state(0.0) is BreakerState.CLOSED


def test_a_key_comes_back_when_it_has_rested() -> None:
    keys = Keys(("one",))
    keys.rest("one", 10.0)
    assert keys.next(9.0) is None
    assert keys.next(10.0) == "one"
