"""Where what is fetched by HTTP comes in: a spool beside the listeners', which the same index reads."""

from pathlib import Path

from config.settings import Spool
from dicom_node.spool import SpoolWriter
from dicom_node.spool.numbers import SpoolNumber
from domain.errors import Retryable


class FetchSpool:
    """Opened with the first instance, for who never fetches has none. For one thread.

    `longest` are the bytes that a data set may have.
    """

    def __init__(self, root: Path, settings: Spool, longest: int) -> None:
        self.longest = longest
        self._root = root
        self._settings = settings
        self._writer: SpoolWriter | None = None

    def writer(self) -> SpoolWriter:
        """The spool; raises Retryable where it cannot be had, or another process has it."""
        if self._writer is None:
            try:
                self._writer = SpoolWriter(self._root, SpoolNumber.PRIORS, self._settings)
            except OSError as error:
                raise Retryable(f"{self._root} cannot be used as spool: {error.strerror}") from error
        return self._writer

    def close(self) -> None:
        """Let go of it."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
