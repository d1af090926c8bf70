"""A line on standard error while something takes long, so that nobody wonders whether it still goes on."""

import time
from collections.abc import Callable

from console.cli.output import say

_SILENCE = 3.0  # s


def telling(what: str) -> Callable[[int, int], None]:
    """For a loop to call with how many of how many are done: a line every three seconds, and none for what is short."""
    said = time.monotonic()

    def tell(done: int, of: int) -> None:
        nonlocal said
        if time.monotonic() - said >= _SILENCE:
            said = time.monotonic()
            say(f"{what}: {done} of {of}", err=True)

    return tell
