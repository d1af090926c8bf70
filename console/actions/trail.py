"""The trail read, proven and written out. Every reading is itself an entry, of whoever `ledger` records for."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from audit.actions import Action
from audit.export.exporting import Asked, Export, csv_export, json_lines_export
from audit.export.sealing import sealed
from audit.meanings import FORMER
from audit.notes import Note, VerifierKey
from audit.proving import EntryProof, Passing, prove, verify_database
from audit.trail import Entry, Ledger, entries_before, entry_at, newest_entries
from audit.verification import Claim, TrailVerdict
from config.settings import Settings
from domain.errors import ConfigurationError
from domain.records import Listed
from roles.outside_places import Place, unheld
from roles.seal_keys import trusted_keys
from store import trail
from store.checkpoints import publications
from store.database import Database
from store.trail import EntryFilter


class ExportFormat(StrEnum):
    """How the trail is written out."""

    JSON_LINES = "jsonl"
    CSV = "csv"


def known_action(words: str) -> None:
    """Raise ConfigurationError where no entry says so, or begins so."""
    if words and not any(name.startswith(words) for name in (*Action, *FORMER)):
        raise ConfigurationError(f"no entry says {words!r}; there are: {', '.join(sorted(Action))}")


def in_words(wanted: EntryFilter) -> str:
    """What was read, in words."""
    given = (
        (f"of study {wanted.study}", wanted.study),
        (f"that say {wanted.action!r}", wanted.action),
        (f"by {wanted.actor}", wanted.actor),
        (f"since {wanted.since}", wanted.since),
        (f"before {wanted.until}", wanted.until),
    )
    asked = [words for words, value in given if value]
    return " ".join(["entries", *asked]) if asked else "newest entries"


def looked_at(ledger: Ledger, wanted: EntryFilter, count: int) -> Listed[Entry]:
    """The newest of the entries that are wanted, oldest first, and how many are older."""
    found = newest_entries(ledger.database, count, wanted)
    _read(ledger, wanted, len(found.rows))
    return found


def page(ledger: Ledger, wanted: EntryFilter, before: int | None, count: int) -> tuple[Entry, ...]:
    """As many of them before the entry `before`, the newest first."""
    found = entries_before(ledger.database, before, count, wanted)
    _read(ledger, wanted, len(found))
    return found


def one(ledger: Ledger, number: int) -> Entry | None:
    """The entry of this number, None where the database has none."""
    found = entry_at(ledger.database, number)
    if found is not None:
        ledger.record(Action.READ, what=f"entry {number}", entries=1)
    return found


def is_there(source: Database, number: int) -> bool:
    """Whether the database has the entry of this number; nothing of it is read."""
    return entry_at(source, number) is not None


def size(source: Database) -> int:
    """The number of the newest entry, 0 where there is none."""
    with source.transaction() as connection:
        return (trail.last(connection) or (0,))[0]


def proven(ledger: Ledger, number: int) -> EntryProof:
    """An entry with the proof that the newest checkpoint covers it; raises as `audit.proving.prove`."""
    proof = prove(ledger.database, number)
    ledger.record(Action.READ, what=f"entry {number} with its proof", entries=1)
    return proof


def verified(
    ledger: Ledger,
    keys: Sequence[VerifierKey],
    places: Sequence[Place],
    archive: Path | None = None,
    passing: Passing = iter,
    unheld_of: Settings | None = None,
) -> TrailVerdict:
    """The whole trail held against all that is known of it; entries that are read go through `passing`.

    Of the outside places of `unheld_of` it is said what they were given and have no longer.
    """
    with ledger.database.transaction() as connection:
        told = publications(connection)
    claims = {place.name: list(place.claims()) for place in places}
    verdict = verify_database(ledger.database, keys, list(claims.values()), archive, passing)
    verdict.warnings += unheld(unheld_of, told, claims) if unheld_of else []
    ledger.record(Action.READ, what="verify", entries=verdict.chain.checked, bad=verdict.chain.bad)
    return verdict


def export_of(
    settings: Settings, source: Database, form: ExportFormat, wanted: EntryFilter, published: Iterable[Claim] = ()
) -> Export:
    """The trail, or what is wanted of it, to be written out; `published` are checkpoints that it is compared with.

    Raises ConfigurationError where single entries are to be proven and none can be yet.
    """
    asked = Asked() if wanted == EntryFilter() else Asked(in_words(wanted), wanted)
    if form is ExportFormat.CSV:
        return csv_export(source, asked)
    made = datetime.now(UTC)
    notes = [Note.parse(claim.note) for claim in published]
    return json_lines_export(source, asked, sealed(source, trusted_keys(settings), notes), made)


def _read(ledger: Ledger, wanted: EntryFilter, count: int) -> None:
    ledger.record(Action.READ, wanted.study, what=in_words(wanted), entries=count)
