"""The trail is written out, from a database and for somebody, a page of rows at a time: its length does not matter."""

import hashlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import datetime

from audit.actions import Action
from audit.archives import archived_parts
from audit.chain import GENESIS, Row
from audit.export.csv_rows import csv_rows
from audit.export.json_lines import Extent, JsonLines, Sealed
from audit.trail import Ledger, entry_of
from domain.errors import ConfigurationError
from store import trail
from store.database import Database
from store.trail import EntryFilter

_PAGE = 2000
_EVERY = EntryFilter()


@dataclass(frozen=True)
class Asked:
    """Which entries: all, or those that are `wanted` of them; `words` says so."""

    words: str = "all"
    wanted: EntryFilter = _EVERY

    @property
    def all(self) -> bool:
        """Whether none is left out."""
        return self.wanted == _EVERY


class Export:
    """Bytes on their way out, to be read once; how many entries, and the SHA-256 of all, are right at their end.

    `last` is the number up to which entries were looked at.
    """

    def __init__(
        self, database: Database, form: str, asked: Asked, last: int, lines: Callable[[Iterator[Row]], Iterator[bytes]]
    ) -> None:
        self.form, self.asked, self.last = form, asked, last
        self.count = 0
        self._database, self._lines, self._sha256 = database, lines, hashlib.sha256()

    @property
    def sha256(self) -> str:
        """In hexadecimal: what sha256sum says of the file."""
        return self._sha256.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines(self._rows()):
            self._sha256.update(line)
            yield line

    def _rows(self) -> Iterator[Row]:
        number, last = self._extent()
        while number < last:
            with self._database.transaction() as connection:
                found = trail.matching(connection, self.asked.wanted, number, _PAGE, last)
            for row in found:
                self.count += 1
                yield Row(row.number, row.entry, row.hash)
            if len(found) < _PAGE:
                return
            number = found[-1].number

    def _extent(self) -> tuple[int, int]:
        """The number before the first, and the last: where there are few, the rest of a long trail is not read."""
        if self.asked.all:
            return 0, self.last
        with self._database.transaction() as connection:
            first, last = trail.extent(connection, self.asked.wanted) or (1, 0)
        return first - 1, min(last, self.last)


def _as_csv(rows: Iterator[Row]) -> Iterator[bytes]:
    return csv_rows(entry_of(row.number, row.entry) for row in rows)


def csv_export(database: Database, asked: Asked) -> Export:
    """For people: every entry so far that is wanted."""
    return Export(database, "csv", asked, _newest(database), _as_csv)


def json_lines_export(database: Database, asked: Asked, sealed: Sealed | None, made: datetime) -> Export:
    """For proof: the entries under the checkpoint; all so far where there is none.

    Raises ConfigurationError where a choice of entries is wanted and there is no checkpoint that could prove them.
    """
    if sealed is None and not asked.all:
        raise ConfigurationError(
            "there is no checkpoint yet, so that single entries cannot be proven: let the role seal run, or export all "
            "entries, or give --format csv, which proves nothing"
        )
    last = sealed.checkpoint.size if sealed else _newest(database)
    extent = _everything(database, last, asked.words) if asked.all else Extent(1, last, asked.words)
    return Export(database, "jsonl", asked, last, JsonLines(extent, sealed, made).lines)


def _everything(database: Database, last: int, words: str) -> Extent:
    """All entries that are in the database: those behind what is archived."""
    parts = archived_parts(database)
    if not parts:
        return Extent(1, last, words, GENESIS)
    return Extent(parts[-1].last + 1, last, f"{words} behind those that are archived", parts[-1].head)


def _newest(database: Database) -> int:
    with database.transaction() as connection:
        return (trail.last(connection) or (0,))[0]


def recorded(ledger: Ledger, export: Export, user: str) -> Generator[bytes, None, None]:
    """The same bytes; that they were read is an entry before the first leaves, and what left is one at the end."""
    ledger.record(Action.READ, user=user, what=f"export as {export.form}: {export.asked.words}")
    whole = False
    try:
        yield from export
        whole = True
    finally:
        ledger.record(
            Action.TRAIL_EXPORTED,
            user=user,
            format=export.form,
            what=export.asked.words,
            last=export.last,
            entries=export.count,
            sha256=export.sha256,
            whole=whole,
        )
