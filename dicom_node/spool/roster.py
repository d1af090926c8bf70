"""How far the reader is with each association of one listener, in memory, and on disk what the segments cannot tell.

The order of an association's records is in the records (`attempt`, `after`), wherever they lie. An association that
has not closed when its listener ends is lost; so of those whose last record lies in a segment that is about to be
written over, the roster's file says that they are open, and of closed ones with records elsewhere that they are closed.
It names also the instances that were taken over, whose parts are about to be written over, and whose last record the
checkpoint of its own segment has not passed.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from uuid import UUID

from dicom_node.spool.entries import Mark
from dicom_node.spool.follower import Use
from dicom_node.spool.records import Kind, Record
from dicom_node.spool.segment import sync_folder
from domain.errors import Unavailable
from domain.json_records import json_object
from domain.json_records import record as made

log = logging.getLogger(__name__)

_NAME = "associations"
# Associations that are remembered after all of theirs was taken over: a close whose write had failed is repeated, and
# the spool may have been full for as long as others came and went.
_REMEMBERED = 10_000


class Standing(Enum):
    """What a record is to its association."""

    NEXT = "next"
    COPY = "copy"  # the last record once more, because the first write of it had failed
    OLD = "old"  # what a failed write left behind, after the association has gone on without it


@dataclass
class Association:
    """One association: its `last` record known and whether that closed it, and the last attempt read in this life.

    `resumed` says that its beginning was read in an earlier life, so that what is missing before its first record may
    be taken over; `uses` are the segments that hold records of it and are not finished.
    """

    run: UUID
    last: Record
    is_open: bool = True
    attempt: int = 0
    sequence: int = -1
    resumed: bool = True
    uses: set[Use] = field(default_factory=set)

    def know(self, record: Record, use: Use) -> None:
        """A record of it, in `use`."""
        self.uses.add(use)
        if record.attempt >= self.last.attempt:
            self.last = record
            self.is_open = self.is_open and record.kind is not Kind.ASSOCIATION_CLOSED


class Roster:
    """The associations of the listener with this folder. Raises Unavailable where its file cannot be written."""

    def __init__(self, listener: int, folder: Path) -> None:
        self.listener = listener
        self.folder = folder
        self._path = folder / _NAME
        self._on_disk = self._load()
        self._known = {one.last.association: one for one in map(_decode, self._on_disk.associations)}
        self._taken: dict[tuple[UUID, int], Mark | None] = {
            (UUID(ident), sequence): None for ident, sequence in self._on_disk.taken
        }
        self._lost: dict[UUID, Mark] = {}
        self._over: dict[UUID, None] = {}

    def recall(self, record: Record, run: UUID, use: Use) -> None:
        """A record that an earlier life has taken over."""
        if record.association != run and record.kind is not Kind.SEGMENT_ENDED:
            self._known.setdefault(record.association, Association(run, record)).know(record, use)

    def is_due(self, record: Record, run: UUID) -> bool:
        """Whether all that came before `record` has been read. What belongs to no association has no order."""
        if record.association == run or record.association in self._over:
            return True
        known = self._known.get(record.association)
        return record.after <= (known.attempt if known else 0)

    def take(self, record: Record, run: UUID, use: Use) -> Standing:
        """`record` is read."""
        if record.association == run:
            return Standing.NEXT
        if record.association in self._over:
            return Standing.OLD
        first = record.after == 0
        one = self._known.setdefault(record.association, Association(run, record, resumed=not first))
        if record.attempt <= one.attempt or not (one.is_open or one.resumed):
            return Standing.OLD
        standing = Standing.COPY if record.sequence <= one.sequence else Standing.NEXT
        one.know(record, use)
        one.attempt, one.sequence = record.attempt, record.sequence
        return standing

    def pass_over(self, record: Record, run: UUID) -> bool:
        """`record` comes next though not all before it was read; whether some of it is missing.

        Nothing is missing where an earlier life may have taken it over, or a writer of version 1 counted failed writes.
        """
        one = self._known.setdefault(record.association, Association(run, record))
        missing = not one.resumed and record.version > 1
        one.attempt = record.after
        return missing

    def excuse(self, use: Use) -> None:
        """Records in `use` are unreadable, and said to be: associations that were there may miss some."""
        for one in self._known.values():
            one.resumed = one.resumed or use in one.uses

    def is_in(self, association: UUID, use: Use) -> bool:
        """Whether records of `association` were read in `use`."""
        one = self._known.get(association)
        return one is not None and use in one.uses

    def has_left_open(self, living: UUID | None) -> bool:
        """Whether `left_open` has any."""
        return any(self._is_left_open(one, living) for one in self._known.values())

    def left_open(self, living: UUID | None) -> Iterator[tuple[Association, Mark]]:
        """Associations that are left by another run than the `living` one, once, with the mark that settles each."""
        for ident, one in self._known.items():
            if self._is_left_open(one, living):
                self._lost[ident] = Mark(self)
                yield one, self._lost[ident]

    def _is_left_open(self, one: Association, living: UUID | None) -> bool:
        return one.is_open and one.run != living and one.last.association not in self._lost

    def advance(self) -> None:
        """Associations whose loss is taken over are closed; raises Unavailable."""
        for ident in [ident for ident, mark in self._lost.items() if mark.done]:
            self._known[ident].is_open = False
            del self._lost[ident]
        self._tidy()
        self._keep()

    def let_go(self, use: Use, halves: Iterable[Mark]) -> None:
        """The records in `use` are taken over, and may be written over when this returns; raises Unavailable."""
        for one in self._known.values():
            one.uses.discard(use)
        self._taken |= {last.instance: last for last in halves if last.instance}
        self._tidy()
        self._keep()

    def take_again(self, last: Record, mark: Mark) -> None:
        """An instance that was taken over comes once more; its parts may be gone before its last record is passed."""
        self._taken[last.association, last.sequence] = mark

    def has_taken(self, association: UUID, sequence: int) -> bool:
        """Whether this instance was taken over while its last record was left before a checkpoint."""
        return (association, sequence) in self._taken

    def knows(self, association: UUID) -> bool:
        """Whether something of this association may still come."""
        return association in self._known

    def _tidy(self) -> None:
        gone = {ident for ident, one in self._known.items() if not (one.is_open or one.uses)}
        for ident in gone:
            del self._known[ident]
            self._over[ident] = None
        for ident in list(self._over)[:-_REMEMBERED]:
            del self._over[ident]
        self._taken = {
            name: last for name, last in self._taken.items() if name[0] not in gone and not (last and last.passed)
        }

    def _keep(self) -> None:
        beyond = _Beyond(
            tuple(_encode(one) for one in self._known.values() if one.is_open != bool(one.uses)),
            tuple((str(association), sequence) for association, sequence in self._taken),
        )
        if beyond == self._on_disk:
            return
        draft = self._path.with_suffix(".draft")
        try:
            with draft.open("w", encoding="utf-8") as file:
                json.dump(asdict(beyond), file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            sync_folder(self.folder)
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be written: {error}") from error
        self._on_disk = beyond

    def _load(self) -> "_Beyond":
        try:
            kept = made(_Beyond, json_object(self._path.read_bytes()))
            return _Beyond(
                tuple(_encode(_decode(one)) for one in kept.associations),
                tuple((str(UUID(ident)), sequence) for ident, sequence in kept.taken),
            )
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            log.error("%s cannot be read, associations that were open may stay so: %s", self._path, error)
        return _Beyond((), ())


@dataclass(frozen=True)
class _Kept:
    """One association as the file has it."""

    id: str
    run: str
    open: bool
    attempt: int
    sequence: int
    received_ns: int
    calling: str
    called: str
    address: str


@dataclass(frozen=True)
class _Beyond:
    """What the file holds: what is known beyond the segments that are still to be read."""

    associations: tuple[_Kept, ...]
    taken: tuple[tuple[str, int], ...]


def _encode(one: Association) -> _Kept:
    last = one.last
    return _Kept(
        id=str(last.association),
        run=str(one.run),
        open=one.is_open,
        attempt=last.attempt,
        sequence=last.sequence,
        received_ns=last.received_ns,
        calling=last.calling,
        called=last.called,
        address=last.address,
    )


def _decode(kept: _Kept) -> Association:
    record = Record(
        kind=Kind.ASSOCIATION_OPENED if kept.open else Kind.ASSOCIATION_CLOSED,
        epoch=0,
        salt=b"",
        association=UUID(kept.id),
        sequence=kept.sequence,
        received_ns=kept.received_ns,
        attempt=kept.attempt,
        calling=kept.calling,
        called=kept.called,
        address=kept.address,
    )
    return Association(UUID(kept.run), record, is_open=kept.open)
