"""What cannot be done as it was asked for, told to who asked: the sentence that a command would print."""

from collections.abc import Iterator
from contextlib import contextmanager

from console.api.problems import Kind, ProblemError
from domain.errors import ConfigurationError


@contextmanager
def told(kind: Kind = Kind.NOT_NOW, sentence: str = "") -> Iterator[None]:
    """What is wrong with what was given is a problem of this kind, in its own words where no `sentence` is given.

    Elsewhere a ConfigurationError is of the node's settings, whose words are for its operator.
    """
    try:
        yield
    except ConfigurationError as error:
        raise ProblemError(kind, sentence or error.sentence) from error
