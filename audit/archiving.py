"""A part of the trail into a file, and back: by the owner of the schema, who alone may take a part out or put it in.

The file is an export that proves itself (`audit.export.json_lines`), closed by the checkpoint over all entries up to
the part's last. It is read again and judged by the verifier before anything leaves the database.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from audit.actions import Action
from audit.archives import digest, proven, rows_of
from audit.chain import GENESIS, Row
from audit.export.json_lines import Extent, JsonLines, Sealed
from audit.export.sealing import nodes_of
from audit.notes import Note, VerifierKey
from audit.tiles import WIDTH
from audit.trail import Ledger
from audit.trail_verifier import Export, Key, Unjudged
from audit.verification import key_named
from domain.clock import Clock
from domain.errors import ConfigurationError, IntegrityError
from domain.json_records import json_object
from store import checkpoints, receivers, trail, trail_archives, trail_parts
from store.database import Connection, Database
from store.trail import EntryFilter, TrailRow
from store.trail_archives import ArchivedPart
from store.trail_parts import TrailPart

_PAGE = 2000
_KEYS = EntryFilter(action=Action.TRAIL_KEY)


@dataclass(frozen=True)
class Archive:
    """Archives of one trail: `ledger` as the schema's owner; `keys` are the node's, by which all is proven.

    `receivers` are those of the settings, by name: what one of them lacks stays.
    """

    ledger: Ledger
    keys: Sequence[VerifierKey]
    clock: Clock
    user: str
    receivers: Sequence[str] = ()

    def due(self, before: datetime, keep: timedelta | None) -> TrailPart | None:
        """The oldest part that is in the database, where it was begun before this moment and has ended.

        Raises ConfigurationError where it may not be archived yet, with why.
        """
        with self.ledger.database.transaction() as connection:
            lowest = trail_archives.lowest(connection) or 1
            every = [one for one in trail_parts.parts(connection) if one.first >= lowest]
            if not every or every[0].last is None or every[0].opened_at >= before:
                return None
            part, ended = every[0], every[1].opened_at
            until = None if keep is None else ended + keep
            if until is None or until > trail_parts.now(connection):
                stays = f"until {until:%Y-%m-%d}" if until else "for ever"
                raise ConfigurationError(
                    f"entries {part.first} to {part.last} stay in the database {stays}: audit.keep says for how long "
                    "after their part has ended"
                )
            self._closing(connection, part)
            self._forwarded(connection, part)
        return part

    def take(self, part: TrailPart, folder: Path) -> ArchivedPart:
        """Write the part into a new file of `folder`, prove it, then remove its entries from the database.

        Raises ConfigurationError where the file cannot be written, IntegrityError where the trail does not prove
        itself, Retryable where somebody reads it for long. The file stays in that last case, and is taken again.
        """
        last = part.last or 0
        with self.ledger.database.transaction() as connection:
            note = self._closing(connection, part)
            before = trail_archives.before(connection, part.first)
            key = before.key if before and before.key else _first_key(connection, part)
        file = folder / f"trail-{part.first:012d}-{last:012d}.jsonl"
        signers = note.signed_by(self.keys)
        sealed = Sealed(note, signers, nodes_of(self.ledger.database))
        extent = Extent(part.first, last, "a part of the trail", before.head if before else GENESIS)
        head = self._write(file, JsonLines(extent, sealed, self.clock.now()), part)
        self._judge(file, last - part.first + 1)
        made = ArchivedPart(part.first, last, head, key, file.name, digest(file), self.clock.now())
        with self.ledger.transaction() as transaction:
            trail_archives.take_out(transaction.connection, made)
            transaction.record(Action.PART_ARCHIVED, None, **self._said(made))
        return made

    def put_back(self, file: Path) -> ArchivedPart:
        """The entries of a file that was archived into the database again.

        Raises ConfigurationError where it is not the newest that is archived, IntegrityError where it is not what was
        written, Retryable where somebody reads the trail for long.
        """
        first, last = _extent(file)
        with self.ledger.database.transaction() as connection:
            lowest = trail_archives.lowest(connection)
            part = trail_archives.before(connection, lowest) if lowest else None
        if part is None:
            raise ConfigurationError("no part of this trail is archived")
        if (part.first, part.last) != (first, last):
            raise ConfigurationError(
                f"{file} has entries {first} to {last}: first put back entries {part.first} to {part.last}, {part.file}"
            )
        self._judge(proven(file, part), last - first + 1)
        with self.ledger.transaction() as transaction:
            rows = (TrailRow(row.number, row.entry, row.hash) for row in rows_of(file))
            trail_archives.put_back(transaction.connection, part, rows)
            transaction.record(Action.PART_PUT_BACK, None, **self._said(part))
        return part

    def _forwarded(self, connection: Connection, part: TrailPart) -> None:
        known = receivers.known(connection)
        for name in self.receivers:
            place = known[name].number if name in known else 0
            if place < (part.last or 0):
                raise ConfigurationError(
                    f"entries {part.first} to {part.last} stay: the receiver {name} has those up to {place}; "
                    "dicom-node audit receivers list says why"
                )

    def _closing(self, connection: Connection, part: TrailPart) -> Note:
        """The checkpoint that covers the part and no more; raises ConfigurationError where there is none yet."""
        last = part.last or 0
        found = checkpoints.of_size(connection, last)
        note = Note.parse(found.note) if found else None
        if note is None or not note.signed_by(self.keys):
            lacking = "no checkpoint closes it yet: let the role seal run" if note is None else _LACKS_KEY
            raise ConfigurationError(f"entries {part.first} to {last} cannot be archived: {lacking}")
        if checkpoints.tile(connection, 0, (last - 1) // WIDTH) is None:
            raise ConfigurationError(
                f"entries {part.first} to {last} cannot be archived yet: fewer than {WIDTH} entries stand behind them"
            )
        return note

    def _write(self, file: Path, lines: JsonLines, part: TrailPart) -> bytes:
        """The file, whole and on the disk, and yours alone; the hash of the last entry."""
        head = b""

        def rows() -> Iterator[Row]:
            nonlocal head
            for row in _rows(self.ledger.database, part):
                head = row.hash
                yield row

        fresh = file.with_suffix(".new")
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as written:
                written.writelines(lines.lines(rows()))
                written.flush()
                os.fsync(written.fileno())
            fresh.replace(file)
            folder = os.open(file.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from error
        return head

    def _judge(self, file: Path, entries: int) -> None:
        """Raise IntegrityError where the verifier finds anything wrong, or unproven, of the file."""
        try:
            with file.open("rb") as opened:
                verdict = Export(opened, [Key.parse(str(key)) for key in self.keys]).judge()
        except Unjudged as error:
            raise IntegrityError(f"{file}: {error}") from error
        if (wrong := [*verdict.altered, *verdict.unproven]) or verdict.entries != entries:
            raise IntegrityError(f"{file} does not prove itself", *wrong, "dicom-node audit verify tells of the trail")

    def _said(self, part: ArchivedPart) -> dict[str, object]:
        return {
            "user": self.user,
            "first": part.first,
            "last": part.last,
            "file": part.file,
            "sha256": part.digest.hex(),
        }


_LACKS_KEY = (
    "none of the keys that are known here signed its checkpoint: say where they lie (audit.keys), or give --key"
)


def _rows(database: Database, part: TrailPart) -> Iterator[Row]:
    number, last = part.first - 1, part.last or 0
    while number < last:
        with database.transaction() as connection:
            found = trail.after(connection, number, min(_PAGE, last - number))
        if not found:
            return  # what is missing the verifier tells
        yield from (Row(row.number, row.entry, row.hash) for row in found)
        number = found[-1].number


def _first_key(connection: Connection, part: TrailPart) -> str:
    found = trail.matching(connection, _KEYS, part.first - 1, 1, part.last)
    key = key_named(found[0].entry) if found else None
    return str(key) if key else ""


def _extent(file: Path) -> tuple[int, int]:
    """First and last number, as the first line says; raises ConfigurationError where it is no export."""
    try:
        with file.open("rb") as opened:
            said = json_object(opened.readline(1 << 26))
        return int(str(said["first"])), int(str(said["last"]))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, RecursionError) as error:
        raise ConfigurationError(f"{file} is no part of a trail: dicom-node audit archive writes them") from error
