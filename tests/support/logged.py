"""A test sets up the log of a process; the test run's own log and hooks come back afterwards."""

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hooks_kept() -> Iterator[None]:
    """Whatever `config.logs` takes over in the meantime is given back."""
    root = logging.getLogger()
    kept = root.handlers[:], root.level, warnings.showwarning
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    try:
        yield
    finally:
        root.handlers[:], level, warnings.showwarning = kept
        root.setLevel(level)
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
