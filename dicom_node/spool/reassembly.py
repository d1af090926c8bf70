"""From records to entries: the parts of a large instance become one, events get their details back."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from uuid import UUID

from config import metrics
from dicom_node.spool.entries import Entry, Mark
from dicom_node.spool.follower import Follower, Found, Piece
from dicom_node.spool.records import WITH_DATA, Close, Kind, Record
from domain.json_records import JsonObject, json_object

log = logging.getLogger(__name__)

_NOBODY = UUID(int=0)


@dataclass(slots=True)
class _Parts:
    """What has come of an instance that is not complete yet: pieces by their index, and the marks of all records."""

    pieces: dict[int, Piece] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    damaged: bool = False


class Reassembly:
    """The instances of all associations that are under way.

    `taken` says whether an instance was taken over whose parts are nowhere any more, by association and sequence.
    """

    def __init__(self, taken: Callable[[UUID, int], bool]) -> None:
        self._parts: dict[UUID, _Parts] = {}
        self._passed: dict[UUID, set[int]] = {}  # the sequences of parts before a checkpoint
        self._taken = taken

    def recall(self, record: Record) -> None:
        """A part that lies before a checkpoint, and was taken over with its instance."""
        if record.kind is Kind.PART:
            self._passed.setdefault(record.association, set()).add(record.sequence)

    def retain(self, comes: Callable[[UUID], bool]) -> None:
        """Forget what lies before a checkpoint of the associations of which nothing comes any more."""
        for association in [one for one in self._passed if not comes(one)]:
            del self._passed[association]

    def add(self, follower: Follower, found: Found, mark: Mark) -> tuple[Entry | None, Iterable[Mark]]:
        """The entry that `found` completes, if any, and the marks of what nobody will ever ask for."""
        record = found.record
        if record is None:
            return unreadable(follower, mark), ()
        if record.kind is Kind.PART:
            return None, self.add_part(follower, found, record, mark)
        if record.kind in WITH_DATA and record.part:
            return self._complete(follower, record, found, mark)
        abandoned = self.abandon(record.association)
        if found.damaged:
            return _damaged(follower, record, mark), abandoned
        if record.kind in WITH_DATA:
            return make_entry(follower.listener, record, mark, read=lambda: iter((found.payload,))), abandoned
        return make_entry(follower.listener, record, mark, details=json_object(found.payload)), abandoned

    def add_part(self, follower: Follower, found: Found, record: Record, mark: Mark) -> Iterable[Mark]:
        """A part, or a proven copy that takes the place of one; the marks of parts that it leaves without a sequel."""
        abandoned = self.abandon(record.association) if record.part == 0 else []
        parts = self._parts.setdefault(record.association, _Parts())
        parts.marks.append(mark)
        if found.damaged:
            parts.damaged = True
        else:
            parts.pieces[record.part] = follower.piece(record, found.end)
        return abandoned

    def abandon(self, association: UUID) -> list[Mark]:
        """Forget the parts of an incomplete instance; their marks."""
        parts = self._parts.pop(association, None)
        return parts.marks if parts else []

    def _complete(
        self, follower: Follower, record: Record, found: Found, mark: Mark
    ) -> tuple[Entry | None, Iterable[Mark]]:
        parts = self._parts.pop(record.association, _Parts())
        passed = self._passed.get(record.association, set())
        missing = set(range(record.part)) - parts.pieces.keys()
        # Nothing comes between the parts of an instance, so that each has the sequence that its index says.
        were_there = all(record.sequence - record.part + index in passed for index in missing)
        if missing and (were_there or self._taken(record.association, record.sequence)):
            # What was taken over with its parts comes once more: the checkpoint of its own segment had not got so far.
            return None, (*parts.marks, mark)
        mark.instance = record.association, record.sequence
        for part in parts.marks:
            part.last = mark
        # The segment of the last record first: then most instances need no word in the roster.
        marks = (mark, *parts.marks)
        pieces = [parts.pieces[index] for index in range(record.part) if index in parts.pieces]
        size = sum(piece.length for piece in pieces) + record.length
        if found.damaged or parts.damaged or missing or size != record.total:
            return _damaged(follower, record, *marks), ()
        last = found.payload

        def read() -> Iterator[bytes]:
            return chain((piece.read() for piece in pieces), (last,))

        return make_entry(follower.listener, record, *marks, read=read), ()


def make_entry(
    listener: int,
    record: Record,
    *marks: Mark,
    kind: Kind | None = None,
    read: Callable[[], Iterator[bytes]] = lambda: iter(()),
    details: JsonObject | None = None,
) -> Entry:
    """The entry for `record`."""
    kind = kind or record.kind
    return Entry(
        kind=kind,
        listener=listener,
        association=record.association,
        sequence=record.sequence,
        received_ns=record.received_ns,
        calling=record.calling,
        called=record.called,
        address=record.address,
        sop_class=record.sop_class,
        sop_instance=record.sop_instance,
        transfer_syntax=record.transfer_syntax,
        context_id=record.context_id,
        size=record.total if kind in WITH_DATA else 0,
        marks=marks,
        read=read,
        details=details or {},
    )


def lost(listener: int, last: Record, mark: Mark) -> Entry:
    """The close that an association never wrote; `last` is the last that it did."""
    details = {"how": Close.LOST.value, "reason": "the listener ended before the association did"}
    entry = make_entry(listener, last, mark, kind=Kind.ASSOCIATION_CLOSED, details=details)
    return replace(entry, sequence=last.sequence + 1, sop_class="", sop_instance="", transfer_syntax="", context_id=0)


def missing(follower: Follower, record: Record, mark: Mark) -> Entry:
    """Records of an association that are nowhere, though `record`, which followed them, is there."""
    _count_damage(f"records of association {record.association} before {record.sequence} are missing")
    details = {"reason": f"records of the association before number {record.sequence} are missing"}
    entry = make_entry(follower.listener, record, mark, kind=Kind.DAMAGED, details=details)
    return replace(entry, sequence=record.sequence - 1, sop_class="", sop_instance="", transfer_syntax="")


def unreadable(follower: Follower, mark: Mark) -> Entry:
    """A stretch of a segment that once held records, and now no header."""
    reason = f"records of {follower.path} before offset {mark.end} cannot be read"
    _count_damage(reason)
    return make_entry(follower.listener, Record(Kind.DAMAGED, 0, b"", _NOBODY, 0, 0), mark, details={"reason": reason})


def _damaged(follower: Follower, record: Record, *marks: Mark) -> Entry:
    reason = f"the checksum of a record of {follower.path} ({record.kind.name}) does not match"
    _count_damage(reason)
    if record.kind is Kind.ASSOCIATION_CLOSED:
        details = {"how": Close.LOST.value, "reason": "the record of the association's end is damaged"}
        return make_entry(follower.listener, record, *marks, details=details)
    return make_entry(follower.listener, record, *marks, kind=Kind.DAMAGED, details={"reason": reason})


def _count_damage(reason: str) -> None:
    log.error("spool is damaged: %s", reason)
    metrics.spool_damaged.inc()
