"""What the listener tells whoever counts."""

from typing import Protocol

from dicom_node.spool import Close


class ListenerEvents(Protocol):
    """Called from the threads of the associations, so to be quick, and safe to call from many. Must not raise."""

    def instance(self, caller: str, outcome: str, size: int, seconds: float) -> None:
        """An instance was answered: `outcome` "stored", or the name of a `Status`; `size` in bytes of its data set.

        `seconds` run from the arrival of its command to the answer.
        """
        ...

    def echo(self, caller: str) -> None:
        """A C-ECHO was answered."""
        ...

    def message(self, caller: str, operation: str, taken: bool) -> None:
        """A request of another service was answered; `operation` as the standard writes it."""
        ...

    def opened(self, caller: str) -> None:
        """An association was accepted."""
        ...

    def closed(self, caller: str, how: Close) -> None:
        """An association that was accepted has ended."""
        ...

    def refused(self, reason: str) -> None:
        """A connection became no association: "rejected-<result>-<source>-<code>", "no-context", "protocol", "silent",
        "busy", "tls-at-plain-port", or one of dicom_node.tls.faults.CODES."""
        ...


class NoEvents:
    """Nobody counts."""

    def instance(self, caller: str, outcome: str, size: int, seconds: float) -> None: ...

    def echo(self, caller: str) -> None: ...

    def message(self, caller: str, operation: str, taken: bool) -> None: ...

    def opened(self, caller: str) -> None: ...

    def closed(self, caller: str, how: Close) -> None: ...

    def refused(self, reason: str) -> None: ...
