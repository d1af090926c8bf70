"""Whom the node's files are for: their owner alone; what is made for others says so where it is made."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

OTHERS = 0o077  # permission bits of everybody but the owner


def keep_to_owner() -> None:
    """What this process and its children write from now on is for their user alone: images and names are among it."""
    os.umask(OTHERS)


@contextmanager
def readable_by_others() -> Iterator[None]:
    """What is written within may be read by others, as model packages and public keys are to be."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)
