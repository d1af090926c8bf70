"""Which procedure steps the listener has taken, and how each stands: what an N-CREATE or N-SET is answered by.

One file below the spool's folder, for all listener processes of a host and over every restart. It holds UIDs, states
and AE titles and nothing else, and it is bounded: who is asked of a step that it has let go knows none. Only one
request is judged at a time, from its look at the memory until its record is durable.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from dicom_node.spool import SpoolUnavailable
from domain.states import ProcedureStepState

FILE = "procedure-steps.sqlite"
# A department makes some hundreds a day; of those that have ended the oldest are let go first.
MOST = 50_000
_TRIM_EVERY = 256
_PATIENCE = 10.0  # s to wait for those before
_TABLE = """
    CREATE TABLE IF NOT EXISTS begun_steps (
        uid TEXT PRIMARY KEY, caller TEXT NOT NULL, state TEXT NOT NULL, given TEXT NOT NULL, at REAL NOT NULL
    ) WITHOUT ROWID
"""
_TRIM = """
    DELETE FROM begun_steps WHERE uid IN (
        SELECT uid FROM begun_steps ORDER BY state = 'IN PROGRESS' DESC, at DESC LIMIT -1 OFFSET ?
    )
"""


class StepMemory:
    """The memory in `folder`, of `most` steps or a few more."""

    def __init__(self, folder: Path, most: int = MOST) -> None:
        self._file = folder / FILE
        self._most = most
        self._kept = 0
        self._lock = threading.Lock()

    def look(self, uid: str) -> "Look":
        """Begin to judge a request on the step `uid`; raises SpoolUnavailable where the memory cannot be had."""
        connection = None
        try:
            connection = sqlite3.connect(self._file, timeout=_PATIENCE, isolation_level=None)
            # What was kept survives a loss of power, as the record does that it speaks of.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_TABLE)
            row = connection.execute("SELECT caller, state, given FROM begun_steps WHERE uid = ?", (uid,)).fetchone()
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise _unavailable(self._file, error) from error
        return Look(connection, self._file, uid, row, self._trim)

    def _trim(self, connection: sqlite3.Connection) -> None:
        """Now and then, let the oldest go of more than there shall be."""
        with self._lock:
            self._kept += 1
            due = self._kept % _TRIM_EVERY == 1
        if due:
            connection.execute(_TRIM, (self._most,))


class Look:
    """One request's look: nobody else has one meanwhile. Left without `keep`, it has changed nothing."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        file: Path,
        uid: str,
        row: tuple[str, str, str] | None,
        trim: Callable[[sqlite3.Connection], None],
    ) -> None:
        self._connection = connection
        self._trim = trim
        self._file = file
        self._uid = uid
        self.caller = "" if row is None else row[0]
        self.state = None if row is None else ProcedureStepState(row[1])
        self.given = frozenset() if row is None else frozenset(row[2].split())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def keep(self, caller: str, state: ProcedureStepState, given: frozenset[str]) -> None:
        """The step of this caller stands so now; raises SpoolUnavailable where that cannot be kept."""
        row = (self._uid, caller, state, " ".join(sorted(given)), time.time())
        try:
            self._connection.execute("INSERT OR REPLACE INTO begun_steps VALUES (?, ?, ?, ?, ?)", row)
            self._trim(self._connection)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _unavailable(self._file, error) from error

    def leave(self) -> None:
        """The next one may look."""
        with closing(self._connection), suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def _unavailable(file: Path, error: sqlite3.Error) -> SpoolUnavailable:
    return SpoolUnavailable(f"the memory of procedure steps, {file.name}, cannot be used: {error}")
