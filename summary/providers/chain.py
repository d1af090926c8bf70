"""Providers in an order: the first that answers in time; what each error of one leads to is in `faults.HANDLING`."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from domain.clock import Clock
from domain.retry import RetryPolicy
from summary.prompt import Prompt
from summary.providers.cache import Cache, digest, payload
from summary.providers.faults import HANDLING, Fault, Next, NoAnswer, ProviderError
from summary.providers.limits import Breaker, BreakerState, Bucket, Budget, Keys
from summary.writing import Answered


@dataclass(frozen=True)
class Timeouts:
    """Seconds: to connect, to the first byte of an answer, and for the whole call."""

    connect: float = 5.0
    first_byte: float = 30.0
    total: float = 60.0

    def within(self, left: float) -> "Timeouts":
        """The same, none longer than what is left."""
        return Timeouts(min(self.connect, left), min(self.first_byte, left), min(self.total, left))


class Client(Protocol):
    """One kind of provider. Raises ProviderError, and nothing else, for whatever the other side does."""

    def complete(self, asked: Prompt, key: str, timeouts: Timeouts) -> "Completion": ...


@dataclass(frozen=True)
class Completion:
    """What came: the text, and tokens as the server counts them; 0 where it does not."""

    text: str
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True)
class Limits:
    """How much may be asked of a provider; None: no limit. `answer` is the most tokens of one answer."""

    requests_a_minute: int | None = None
    tokens_a_minute: int | None = None
    tokens_a_day: int | None = None
    answer: int = 800


@dataclass(frozen=True)
class Provider:
    """A provider as a site names it."""

    name: str
    model: str
    client: Client
    keys: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(frozen=True)
class Call:
    """What became of one question to one provider, for the trail and the metrics."""

    provider: str
    model: str
    digest: str  # of what left
    fault: Fault | None
    seconds: float
    tokens_in: int = 0
    tokens_out: int = 0
    cached: bool = False


@dataclass(frozen=True)
class Leaving:
    """What is about to be told to whom: `payload` are the bytes that `digest` is of."""

    provider: str
    model: str
    digest: str
    payload: bytes


@dataclass(frozen=True)
class Health:
    """How a provider is now, for people and for the door."""

    name: str
    model: str
    breaker: BreakerState
    last: Fault | None
    tokens_today: int
    asked: bool = True

    @property
    def said(self) -> str:
        """In words: `answers`, `rests after errors: no connection`."""
        how = {BreakerState.OPEN: "rests after errors", BreakerState.HALF_OPEN: "is tried by the next question"}
        if not self.asked:
            return "was not asked yet"
        if self.breaker is BreakerState.CLOSED and self.last is None:
            return "answers"
        return f"{how.get(self.breaker, 'did not answer the last question')}: {self.last or 'no answer'}"


class _Line:
    """A provider with what is known of it so far."""

    def __init__(self, provider: Provider, now: float) -> None:
        limits = provider.limits
        self.provider = provider
        self.breaker = Breaker()
        self.requests = Bucket(limits.requests_a_minute, now)
        self.tokens = Bucket(limits.tokens_a_minute, now)
        self.budget = Budget(limits.tokens_a_day, now)
        self.keys = Keys(provider.keys)
        self.last: Fault | None = None
        self.asked = False

    def may(self, wanted: int, now: float) -> float:
        """Seconds until it may be asked; raises ProviderError where it may not be today, or not soon."""
        if self.breaker.state(now) is BreakerState.OPEN:
            raise ProviderError(Fault.RESTING)
        if not self.budget.allows(wanted, now):
            raise ProviderError(Fault.BUDGET)
        return max(self.requests.wait(1, now), self.tokens.wait(wanted, now))

    def spent(self, used: int, now: float) -> None:
        """Count a call."""
        self.requests.take(1, now)
        self.tokens.take(used, now)
        self.budget.take(used)


# A character of English is about a quarter of a token; of JSON more.
_CHARACTERS_A_TOKEN = 3
# A picture is more, however many bytes it has: what vendors count for one of a thousand pixels a side, rounded up.
_TOKENS_A_PICTURE = 2000
_PAUSES = RetryPolicy(first=1.0, factor=2.0, longest=20.0, attempts=3)


# Told an answer's text.
Check = Callable[[str], None]


def _tokens(asked: Prompt) -> int:
    """About how many tokens a question has."""
    texts = len(payload(replace(asked, picture=b""))) // _CHARACTERS_A_TOKEN
    return texts + (_TOKENS_A_PICTURE if asked.picture else 0)


class Chain:
    """Asks. `total` (s) is the longest that a question takes over all providers.

    `leaves` is told before anything leaves, and may raise to keep it here; `record` is told what came of each call.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        clock: Clock,
        total: float = 120.0,
        cache: Cache | None = None,
        leaves: Callable[["Leaving"], None] = lambda leaving: None,
        record: Callable[[Call], None] = lambda call: None,
        chance: random.Random | None = None,
    ) -> None:
        self._clock = clock
        self._total = total
        self._cache = Cache() if cache is None else cache
        self._leaves = leaves
        self._record = record
        self._chance = chance or random.Random()
        self._lines = [_Line(one, clock.monotonic()) for one in providers]

    def __call__(self, asked: Prompt, check: Check = lambda text: None) -> Answered:
        """The first answer; raises NoAnswer where no provider has one in time.

        `check` raises ProviderError of what is no answer to this question: then the next provider is asked.
        """
        deadline = self._clock.monotonic() + self._total
        reasons, faults = [], []
        for line in self._lines:
            try:
                return self._answer(line, asked, deadline, check)
            except ProviderError as error:
                if error.fault is not Fault.RESTING:  # what it rests for is what a reader wants to know
                    line.last = error.fault
                faults.append(error.fault)
                reasons.append(f"{line.provider.name}: {error.sentence}")
        raise NoAnswer("; ".join(reasons) or "there is no provider", faults)

    def health(self) -> Sequence[Health]:
        """How each is now."""
        now = self._clock.monotonic()
        return [
            Health(one.provider.name, one.provider.model, one.breaker.state(now), one.last, one.budget.spent, one.asked)
            for one in self._lines
        ]

    def _answer(self, line: _Line, asked: Prompt, deadline: float, check: Check) -> Answered:
        """One provider's answer: from the cache, or from it, by as many tries as its errors allow."""
        provider = line.provider
        if kept := self._cache.get(provider.name, provider.model, asked, self._clock.monotonic()):
            self._tell(line, asked, None, 0.0, Completion(""), cached=True)
            return replace(kept, cached=True)
        failures = 0
        while True:
            try:
                return self._try(line, asked, deadline, check)
            except ProviderError as error:
                failures += 1
                pause = self._pause(line, error, failures)
                if pause is None or self._clock.monotonic() + pause >= deadline:
                    raise
                self._clock.sleep(pause)

    def _pause(self, line: _Line, error: ProviderError, failures: int) -> float | None:
        """Seconds until the same provider is tried once more; None where it is not."""
        now, handling = self._clock.monotonic(), HANDLING[error.fault]
        if handling.next is Next.PROVIDER or line.breaker.state(now) is BreakerState.OPEN:
            return None
        another = any(line.keys.resting.get(key, 0.0) <= now for key in line.keys.keys)
        if handling.next is Next.KEY or (error.fault is Fault.RATE_LIMIT and another):
            return 0.0 if another and failures < _PAUSES_MOST + len(line.keys.keys) else None
        planned = _PAUSES.delay(failures)
        if planned is None:
            return None
        # Full jitter above half, so that many nodes do not come back at once; never sooner than the server asked.
        return max(error.retry_after or 0.0, planned * self._chance.uniform(0.5, 1.0))

    def _try(self, line: _Line, asked: Prompt, deadline: float, check: Check) -> Answered:
        """One call."""
        provider = line.provider
        wanted = _tokens(asked) + provider.limits.answer
        wait = line.may(wanted, self._clock.monotonic())
        if self._clock.monotonic() + wait >= deadline:
            raise ProviderError(Fault.BUSY)
        if wait:
            self._clock.sleep(wait)
        began = self._clock.monotonic()
        key = line.keys.next(began)
        if key is None:
            raise ProviderError(Fault.AUTHENTICATION if line.last is None else line.last, "every key of it rests")
        line.asked = True
        self._leaves(Leaving(provider.name, provider.model, digest(asked), payload(asked)))
        try:
            completion = provider.client.complete(asked, key, provider.timeouts.within(deadline - began))
            check(completion.text)
        except ProviderError as error:
            self._failed(line, asked, key, error, began)
            raise
        line.breaker.succeeded()
        line.last = None
        line.spent((completion.tokens_in + completion.tokens_out) or wanted, self._clock.monotonic())
        self._tell(line, asked, None, self._clock.monotonic() - began, completion)
        answered = Answered(completion.text, provider.name, provider.model, completion.tokens_in, completion.tokens_out)
        self._cache.put(answered, asked, self._clock.monotonic())
        return answered

    def _failed(self, line: _Line, asked: Prompt, key: str, error: ProviderError, began: float) -> None:
        now, handling = self._clock.monotonic(), HANDLING[error.fault]
        line.last = error.fault
        line.spent(0, now)
        if handling.counts:
            line.breaker.failed(now)
        elif line.breaker.state(now) is not BreakerState.CLOSED:
            line.breaker.succeeded()  # it is there again, whatever it said
        rests = max(handling.rests, (error.retry_after or 0.0) if error.fault is Fault.RATE_LIMIT else 0.0)
        if rests:
            line.keys.rest(key, now + rests)
        self._tell(line, asked, error.fault, now - began, Completion(""))

    def _tell(
        self, line: _Line, asked: Prompt, fault: Fault | None, seconds: float, done: Completion, cached: bool = False
    ) -> None:
        provider = line.provider
        self._record(
            Call(
                *(provider.name, provider.model, digest(asked), fault, seconds),
                *(done.tokens_in, done.tokens_out, cached),
            )
        )


_PAUSES_MOST = 3
