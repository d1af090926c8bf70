"""Importing much at once: what is imported stays, so looking through it for waste is work for nothing."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Within it nothing is collected, and what it leaves is not looked at again.

    It saves an eighth of the time of a large import, and lets copies of this process share what they do not change.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
