"""The archives that may be asked at this moment: one that does not answer is left alone for a while."""

import logging
from collections.abc import Sequence

from config.peers import Source
from dicom_node.scu.find import TakesNoQuery
from domain.clock import Clock
from domain.errors import Retryable, Unavailable

_log = logging.getLogger(__name__)

# s for which an archive is not asked that is away, and one that answers no such question.
_AWAY, _NEVER = 30.0, 600.0


class Archives:
    """Some of the settings' sources. `sources` are asked in their order; `asked_for` says what, for logs."""

    def __init__(self, sources: Sequence[Source], clock: Clock, asked_for: str) -> None:
        self.sources = sources
        self._clock = clock
        self._asked_for = asked_for
        self._until: dict[str, float] = {}
        self._why: dict[str, str] = {}

    def asked(self) -> list[Source]:
        """Those that are worth a question."""
        return [one for one in self.sources if self._until.get(one.name, 0.0) <= self._clock.monotonic()]

    def leave(self, source: Source, error: Retryable) -> None:
        """Not to be asked again for a while, where it would not answer then either."""
        pause = _AWAY if isinstance(error, Unavailable) else _NEVER if isinstance(error, TakesNoQuery) else 0.0
        self._until[source.name] = self._clock.monotonic() + pause
        self._why[source.name] = error.sentence
        told = {"source": source.name, "asked_for": self._asked_for, "error": error.sentence}
        _log.warning("an archive was asked in vain", extra=told)

    def said(self) -> list[str]:
        """Why those that are left alone are."""
        asked = {one.name for one in self.asked()}
        return [f"{one.name}: {self._why[one.name]}" for one in self.sources if one.name not in asked]
