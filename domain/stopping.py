"""Going on until told to stop: the one loop that a thread or a process of ours lives in.

A wait inside it that is told to stop ends it by raising `Stopped`.
"""

import logging
import threading
from collections.abc import Callable, Iterator

from domain.errors import NodeError

_log = logging.getLogger(__name__)


class Stopped(NodeError):
    """The process was told to stop; what was not committed is delivered again."""


def loop_until(stop: threading.Event, pause: float = 0.0, *, at_once: bool = True) -> Iterator[None]:
    """A round after another until told to stop, with `pause` s between two; the first `at_once`, or after a pause too.

    Whoever has what it looped for leaves the loop by `return` or `break`.
    """
    if not at_once:
        stop.wait(pause)
    while not stop.is_set():
        yield
        if pause:
            stop.wait(pause)


def until_stopped(stop: threading.Event, step: Callable[[], object]) -> None:
    """Call `step` again and again until told to stop, also while it waits for a server."""
    try:
        for _ in loop_until(stop):
            step()
    except Stopped:
        _log.info("stopped while waiting; what was not committed comes again")
