"""How long a server may keep anybody, and how long it asks to be left alone."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from threading import Thread
from typing import TypeVar

from summary.providers.faults import Fault, ProviderError

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """What `call` gives; a server that sends a byte now and then holds nobody up for longer."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:
            done.set_exception(error)

    Thread(target=run, name="call", daemon=True).start()
    try:
        return done.result(seconds)
    except FutureTimeoutError as error:
        raise ProviderError(Fault.TIME_OUT) from error


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of Retry-After (RFC 9110 10.2.3); a date there is a wish that other limits grant anyhow."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86400 else None
