"""The tree of errors. The type says what happens next.

NodeError
├── Retryable            try again: the same call may succeed later
│   └── Unavailable      a server does not answer; wait for it, never count it against the work
├── Permanent            the same call can never succeed; dead letter, or failed with the reason
│   ├── UnusableInput    the study cannot be processed as it is (geometry, pixels, missing attribute)
│   │   └── NotSuitable  a guard of the package refuses it: nothing failed, and nothing is to be mended
│   └── ConfigurationError   a setting, rules file or model package is wrong; names file and line
├── Unfounded            an event says what the database does not: it counts for nothing, and nothing is written
├── IntegrityError       something was changed, lost or forged; what it concerns stops and calls a person
└── IllegalTransition    a state table has no such pair; a defect, never an operating condition

Exceptions of libraries are translated where they enter, with `from`.

A message quotes what came from outside: names of files, a peer's words. So it is made visible as it is made.
"""

from collections.abc import Mapping

from domain.visible import visible


class NodeError(Exception):
    """Root of everything that the node raises on purpose. The message says what to do, a line for each thing."""

    def __init__(self, *lines: str) -> None:
        self.lines = tuple(visible(line) for line in lines)
        super().__init__("\n".join(self.lines))

    @property
    def sentence(self) -> str:
        """The message on one line, as rows and the trail keep it."""
        return "; ".join(self.lines)


class Retryable(NodeError):
    """The same call may succeed later."""


class Unavailable(Retryable):
    """A server (database, broker, archive) does not answer. Waiting for it costs no attempt."""


class Permanent(NodeError):
    """The same call can never succeed."""


class UnusableInput(Permanent):
    """The study cannot be processed as it is; the message is the reason that `status` prints."""


class NotSuitable(UnusableInput):
    """A guard of the package refuses the images: an answer, and no failure. The message is the reason."""


class ConfigurationError(Permanent):
    """A setting, rules file or model package is wrong; the message names file and line."""


class Unfounded(NodeError):
    """What an event says is not so in the database. It is counted, and nothing else comes of it."""


class IntegrityError(NodeError):
    """Something was changed, lost or forged. What it concerns does not go on until a person has looked."""


class IllegalTransition(NodeError):
    """A state table has no entry for this pair of state and event."""


# The nearest type of an error that has a word here.
_WORDS: Mapping[type[NodeError], str] = {
    Unavailable: "a server is away",
    Retryable: "it may pass",
    NotSuitable: "not suitable",
    UnusableInput: "the images cannot be used",
    ConfigurationError: "a setting, rule or package is wrong",
    IntegrityError: "something was changed, lost or forged",
}


def word(error: NodeError) -> str:
    """Of which kind it is, in words of a list: for logs, since a message may quote what came from outside."""
    return next((_WORDS[kind] for kind in type(error).__mro__ if kind in _WORDS), "it cannot succeed")


def exit_code(error: NodeError) -> int:
    """What a process ends with: 2 where a setting is wrong, so that starting again changes nothing, else 1."""
    return 2 if isinstance(error, ConfigurationError) else 1
