"""What several roles need is imported once, by the supervisor, and each copy of it has it already.

Every copy would otherwise import pydicom, NumPy and SQLAlchemy for itself, which is most of what a start costs.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module

from config.imports import importing
from roles.table import module

# Least to import first: each role begins while the next one's libraries are read.
_LEAST_FIRST = (
    "follow",
    "work",
    "assemble",
    "relay",
    "seal",
    "forward",
    "index",
    "retain",
    "summarise",
    "deliver",
    "write",
    "serve",
)
# One process of a node needs these libraries, so that it loads them itself: all others would have them in vain.
_BY_ITSELF = frozenset({"serve"})
# What sets the number of threads that NumPy's BLAS starts when it is imported; a process of one alone may be copied.
_BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def least_first(processes: Sequence[str]) -> list[str]:
    """The roles' processes (`work`, `work-1`), those first that need the least."""
    return sorted(processes, key=lambda name: _LEAST_FIRST.index(role_of(name)))


def role_of(process: str) -> str:
    """The role of a process: `work` of `work-1`."""
    return process.partition("-")[0]


def load(processes: Sequence[str], *, first_start: bool) -> Iterator[str]:
    """Import what these roles need, a part a turn, so that others have theirs in between; gives what was imported.

    On a first start that includes what makes the schema.
    """
    yield _imported("roles.recorded")
    if first_start:
        yield _imported("store.schema")
    for name in dict.fromkeys(map(role_of, least_first(processes))):
        load_role(name)
        yield name


def load_role(role: str) -> None:
    """Import what `role` needs. Where that is missing or broken nothing is said: the role says it of itself."""
    if role in _BY_ITSELF:
        return
    with importing(), _one_thread(), suppress(Exception):  # a library may raise anything, and other roles go on
        module(role)


def _imported(name: str) -> str:
    with importing(), suppress(ImportError):
        import_module(name)
    return name


@contextmanager
def _one_thread() -> Iterator[None]:
    before = os.environ.get(_BLAS_THREADS)
    os.environ[_BLAS_THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_BLAS_THREADS]
        else:
            os.environ[_BLAS_THREADS] = before
