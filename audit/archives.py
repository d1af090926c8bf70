"""Parts of the trail that lie in files: which there are, and their entries read again. Written: `audit.archiving`."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from audit.chain import Row
from audit.notes import NoteError, VerifierKey
from domain.errors import ConfigurationError, IntegrityError
from domain.json_records import json_object
from store import trail_archives
from store.database import Database
from store.trail_archives import ArchivedPart

_PIECE = 1 << 20
_ENTRY = b'{"number":'  # how a line of an entry begins


def archived_parts(database: Database) -> list[ArchivedPart]:
    """Those of which no entry is in the database, oldest first."""
    with database.transaction() as connection:
        lowest = trail_archives.lowest(connection)
        return trail_archives.archived(connection, lowest) if lowest else []


def archived_rows(folder: Path, parts: Sequence[ArchivedPart]) -> Iterator[Row]:
    """The entries of these parts, in order, each file once it was found to be the one that was archived.

    Raises ConfigurationError where a file is missing, IntegrityError where it is another one.
    """
    for part in parts:
        yield from rows_of(proven(folder / part.file, part))


def proven(file: Path, part: ArchivedPart) -> Path:
    """The file, once its SHA-256 is the one that was noted; raises as `archived_rows`."""
    if digest(file) != part.digest:
        raise IntegrityError(
            f"{file} is not what was archived of entries {part.first} to {part.last}: its SHA-256 is not "
            f"{part.digest.hex()}; look for another copy"
        )
    return file


def digest(file: Path) -> bytes:
    """The SHA-256 of a file; raises ConfigurationError where it cannot be read."""
    found = hashlib.sha256()
    try:
        with file.open("rb") as opened:
            while piece := opened.read(_PIECE):
                found.update(piece)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    return found.digest()


def rows_of(file: Path) -> Iterator[Row]:
    """The entries of an export that has been proven to be one."""
    with file.open("rb") as opened:
        for line in opened:
            if line.startswith(_ENTRY):
                said = json_object(line)
                yield Row(int(str(said["number"])), str(said["entry"]), bytes.fromhex(str(said["hash"])))


def named_key(part: ArchivedPart) -> VerifierKey | None:
    """The key that the trail named first, where it had named one by the end of the part."""
    try:
        return VerifierKey.parse(part.key) if part.key else None
    except NoteError:
        return None
