"""Functions by the kind of step that they carry out, each of which gets steps of its own kind alone."""

from collections.abc import Callable
from typing import TypeVar

from models.steps import Step

S = TypeVar("S", bound=Step)
G = TypeVar("G")
M = TypeVar("M")


def carried(kind: type[S], make: Callable[[G, S], M]) -> tuple[type[Step], Callable[[G, Step], M]]:
    """An entry of a table of functions: `make` for steps of `kind`."""

    def made(given: G, step: Step) -> M:
        assert isinstance(step, kind)
        return make(given, step)

    return kind, made
