"""The whole trail verified for somebody who waits: how far it is, every second, and what was found at the end."""

import json
import logging
import threading
import time
from collections.abc import Iterator

from audit.actions import Action
from audit.chain import Row
from audit.trail import Ledger
from audit.verification import TrailVerdict
from config.settings import Settings
from console import json_views
from console.actions.trail import size, verified
from console.api.streams import Pieces
from domain.errors import NodeError, word
from domain.json_records import JsonObject
from roles.outside_places import configured, signed_here
from roles.seal_keys import trusted_keys

_log = logging.getLogger(__name__)
_TELL = 1.0  # s between two lines


class _ToldToEnd(Exception):
    """Nobody waits any longer."""


class _Verification(threading.Thread):
    """Reads the trail in a thread of its own, until it is at the end or told to end."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        super().__init__(name="verification", daemon=True)
        self._ledger, self._settings = ledger, settings
        self._keys, self._places = trusted_keys(settings), [*configured(settings), *signed_here(settings)]
        self._told = threading.Event()
        self.checked = 0
        self.verdict: TrailVerdict | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.verdict = verified(
                self._ledger, self._keys, self._places, passing=self._passing, unheld_of=self._settings
            )
        except _ToldToEnd:
            pass
        except Exception as error:  # the thread's boundary: who waits for it raises it
            self.error = error

    def found(self) -> JsonObject:
        """The verdict as it is told; raises what it ended with."""
        if self.error is not None or self.verdict is None:
            raise self.error or RuntimeError("the verification ended by itself")
        return json_views.verdict(self.verdict, [place.name for place in self._places])

    def end(self) -> None:
        """End it where it is; that it was not brought to its end is an entry."""
        self._told.set()
        self.join()
        if self.verdict is None:
            self._ledger.record(Action.READ, what="verify, not to its end", entries=self.checked)

    def _passing(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            if self._told.is_set():
                raise _ToldToEnd
            yield row
            self.checked += 1


def verification(ledger: Ledger, settings: Settings, seconds: float) -> Pieces:
    """Lines of JSON: how many entries there are, how many were checked so far, and the verdict, or that time is up."""
    work, end = _Verification(ledger, settings), time.monotonic() + seconds
    yield _line({"checked": 0, "of": size(ledger.database)})
    work.start()
    try:
        while work.is_alive():
            work.join(min(_TELL, max(0.0, end - time.monotonic())))
            if work.is_alive() and time.monotonic() >= end:
                yield _line({"ended": f"after {seconds:g} s", "checked": work.checked})
                return
            if work.is_alive():
                yield _line({"checked": work.checked})
        yield _line(_last(work))
    finally:
        work.end()


def _last(work: _Verification) -> JsonObject:
    try:
        return {"verdict": work.found()}
    except NodeError as error:
        _log.error("the trail could not be verified: %s", error)
        return {"ended": f"{word(error)}: the log of the role serve says more", "checked": work.checked}


def _line(said: JsonObject) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"
