"""Leases are renewed while their holder works, and no longer: from a thread, as long as the one that works gives signs.

A holder that hangs would keep its rows from everybody else for ever if a thread beside it renewed them all the same.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from types import TracebackType
from typing import Self, TypeVar

from domain.errors import NodeError
from domain.stopping import loop_until
from store.database import Database
from store.holders import Holder
from store.leases import Lease, LeaseTable

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)

_log = logging.getLogger(__name__)
_LOOK = 0.5  # s between two looks at whether the process was told to stop


class Renewal:
    """Renews `leases` three times within their length of `seconds`, while its `with` block lasts; says it, on `stop`.

    `alive` is called each time, until the block's own thread has given no `sign` for `longest` s.
    """

    def __init__(
        self,
        database: Database,
        rows: LeaseTable[S, E],
        holder: Holder,
        leases: Sequence[Lease],
        seconds: float,
        longest: float,
        alive: Callable[[], None],
        stop: threading.Event,
    ) -> None:
        self._database = database
        self._prolong = rows.renew
        self._note_stop = rows.note_stop
        self._holder = holder
        self._leases = leases
        self._seconds = seconds
        self._longest = longest
        self._alive = alive
        self._stop = stop
        self._told = False
        self._done = threading.Event()
        self._last = time.monotonic()

    def sign(self) -> None:
        """The work goes on."""
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._renew_until_done, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _renew_until_done(self) -> None:
        renewed = time.monotonic()
        for _ in loop_until(self._done, min(_LOOK, self._seconds / 3), at_once=False):
            if self._stop.is_set() and not self._told:
                self._tell()
            if time.monotonic() - renewed < self._seconds / 3:
                continue
            renewed = time.monotonic()
            if time.monotonic() - self._last > self._longest:
                _log.error("leased work hangs; its leases are renewed no more", extra={"rows": len(self._leases)})
                return
            self._alive()
            self._renew()

    def _tell(self) -> None:
        """Say that this process was told to stop, which kills the work where that takes too long."""
        try:
            with self._database.transaction() as connection:
                self._note_stop(connection, self._leases)
            self._told = True
        except NodeError as error:
            _log.warning("the stop is not noted", extra={"rows": len(self._leases), "reason": str(error)})

    def _renew(self) -> None:
        try:
            self._holder.life.prove()
            with self._database.transaction() as connection:
                self._prolong(connection, self._leases, self._seconds)
        except NodeError as error:
            _log.warning("leases not renewed", extra={"rows": len(self._leases), "reason": str(error)})
