"""What can go wrong with a provider, and what is done next: one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import Retryable


class Next(StrEnum):
    """What follows an error."""

    WAIT = "the same provider once more, after a pause"
    KEY = "another key of the same provider; the next provider where there is none"
    PROVIDER = "the next provider"


class Fault(StrEnum):
    """The kinds of error of a call, in words for people."""

    RATE_LIMIT = "too many requests"
    QUOTA = "the account's quota is used up"
    AUTHENTICATION = "the key is not accepted"
    PERMISSION = "the key may not use this model"
    NETWORK = "no connection"
    CERTIFICATE = "the server's certificate is not trusted"
    TIME_OUT = "no answer in time"
    OVERLOADED = "the server is overloaded"
    SERVER = "an error of the server"
    CONTENT_FILTER = "the provider's content filter refused"
    MALFORMED = "an answer that cannot be read"
    CUT_SHORT = "the answer was cut short at its most tokens"
    CONTEXT_TOO_LONG = "the question is too long for the model"
    MODEL_GONE = "there is no such model"
    REFUSED = "the request was refused"
    BUDGET = "the day's tokens are spent"
    BUSY = "the minute's requests or tokens are spent"
    RESTING = "it rests after errors"


@dataclass(frozen=True)
class Handling:
    """What is done after an error. `counts`: towards the breaker; `rests` (s): how long the key is left alone."""

    next: Next
    counts: bool
    rests: float = 0.0


_HOUR, _DAY = 3600.0, 86400.0

HANDLING: Mapping[Fault, Handling] = {
    Fault.RATE_LIMIT: Handling(Next.WAIT, counts=False),
    Fault.QUOTA: Handling(Next.KEY, counts=False, rests=_HOUR),
    Fault.AUTHENTICATION: Handling(Next.KEY, counts=False, rests=_DAY),
    Fault.PERMISSION: Handling(Next.KEY, counts=False, rests=_HOUR),
    Fault.NETWORK: Handling(Next.WAIT, counts=True),
    Fault.CERTIFICATE: Handling(Next.PROVIDER, counts=True),
    Fault.TIME_OUT: Handling(Next.PROVIDER, counts=True),
    Fault.OVERLOADED: Handling(Next.WAIT, counts=True),
    Fault.SERVER: Handling(Next.WAIT, counts=True),
    Fault.CONTENT_FILTER: Handling(Next.PROVIDER, counts=False),
    Fault.MALFORMED: Handling(Next.PROVIDER, counts=True),
    Fault.CUT_SHORT: Handling(Next.PROVIDER, counts=False),
    Fault.CONTEXT_TOO_LONG: Handling(Next.PROVIDER, counts=False),
    Fault.MODEL_GONE: Handling(Next.PROVIDER, counts=True),
    Fault.REFUSED: Handling(Next.PROVIDER, counts=False),
    Fault.BUDGET: Handling(Next.PROVIDER, counts=False),
    Fault.BUSY: Handling(Next.PROVIDER, counts=False),
    Fault.RESTING: Handling(Next.PROVIDER, counts=False),
}


class ProviderError(Retryable):
    """A call that came to nothing. `retry_after` (s) is what the server asked for, where it did."""

    def __init__(self, fault: Fault, said: str = "", retry_after: float | None = None) -> None:
        super().__init__(f"{fault.value}: {said}" if said else fault.value)
        self.fault = fault
        self.retry_after = retry_after


# The same question meets it again, whenever it is asked.
LASTING = frozenset({Fault.CONTENT_FILTER, Fault.CONTEXT_TOO_LONG, Fault.REFUSED})


class NoAnswer(Retryable):
    """No provider answered; the message names each with its reason. `faults` are the kinds of those."""

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = faults

    @property
    def lasts(self) -> bool:
        """Whether asking again changes nothing."""
        return bool(self.faults) and LASTING.issuperset(self.faults)
