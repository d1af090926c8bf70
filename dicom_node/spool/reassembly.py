"""From records to entries: the parts of a large instance become one, events get their details back."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from dicom_node.spool.entries import Entry, Mark
from dicom_node.spool.follower import Follower, Found, Piece
from dicom_node.spool.records import Close, Kind, Record

_NOBODY = UUID(int=0)


@dataclass(slots=True)
class _Parts:
    """What has come of an instance that is not complete yet."""

    pieces: list[Piece] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)


class Assembly:
    """The instances of all associations that are under way."""

    def __init__(self) -> None:
        self._parts: dict[UUID, _Parts] = {}

    def add(self, follower: Follower, found: Found, mark: Mark) -> tuple[Entry | None, Iterable[Mark]]:
        """The entry that `found` completes, if any, and the marks of parts that nobody will ever ask for."""
        record = found.record
        if record is None:
            return unreadable(follower, mark), ()
        if record.kind is Kind.PART:
            return None, self._add_part(follower, record, found, mark)
        if record.kind is Kind.INSTANCE and record.part:
            return self._complete(follower, record, found, mark), ()
        abandoned = self.abandon(record.association)
        if found.damaged:
            return _damaged(follower, record, (mark,)), abandoned
        if record.kind is Kind.INSTANCE:
            return make_entry(follower, record, (mark,), read=lambda: iter((found.payload,))), abandoned
        return make_entry(follower, record, (mark,), details=json.loads(found.payload)), abandoned

    def abandon(self, association: UUID) -> list[Mark]:
        """Forget the parts of an incomplete instance; their marks."""
        parts = self._parts.pop(association, None)
        return parts.marks if parts else []

    def _add_part(self, follower: Follower, record: Record, found: Found, mark: Mark) -> Iterable[Mark]:
        abandoned = self.abandon(record.association) if record.part == 0 else []
        parts = self._parts.setdefault(record.association, _Parts())
        parts.marks.append(mark)
        if not found.damaged:
            parts.pieces.append(follower.piece(record, found.end))
        return abandoned

    def _complete(self, follower: Follower, record: Record, found: Found, mark: Mark) -> Entry:
        parts = self._parts.pop(record.association, _Parts())
        pieces = [*parts.pieces, follower.piece(record, found.end)]
        marks = (*parts.marks, mark)
        whole = len(parts.pieces) == record.part and sum(piece.length for piece in pieces) == record.total
        if found.damaged or not whole:
            return _damaged(follower, record, marks)
        return make_entry(follower, record, marks, read=lambda: (piece.read() for piece in pieces))


def make_entry(
    follower: Follower,
    record: Record,
    marks: tuple[Mark, ...],
    *,
    kind: Kind | None = None,
    read: Callable[[], Iterator[bytes]] = lambda: iter(()),
    details: dict[str, Any] | None = None,
) -> Entry:
    """The entry for `record`."""
    kind = kind or record.kind
    return Entry(
        kind=kind,
        listener=follower.listener,
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
        size=record.total if kind is Kind.INSTANCE else 0,
        marks=marks,
        read=read,
        details=details or {},
    )


def lost(follower: Follower, last: Record, mark: Mark) -> Entry:
    """The close that an association never wrote; `last` is the last that it did."""
    details = {"how": Close.LOST.value, "reason": "the listener ended before the association did"}
    entry = make_entry(follower, last, (mark,), kind=Kind.ASSOCIATION_CLOSED, details=details)
    return replace(entry, sequence=last.sequence + 1, sop_class="", sop_instance="", transfer_syntax="", context_id=0)


def unreadable(follower: Follower, mark: Mark) -> Entry:
    """A stretch of a segment that once held records, and now no header."""
    record = Record(Kind.DAMAGED, 0, b"", _NOBODY, 0, 0)
    details = {"reason": f"records of {follower.path} before offset {mark.end} cannot be read"}
    return make_entry(follower, record, (mark,), details=details)


def _damaged(follower: Follower, record: Record, marks: tuple[Mark, ...]) -> Entry:
    if record.kind is Kind.ASSOCIATION_CLOSED:
        details = {"how": Close.LOST.value, "reason": "the record of the association's end is damaged"}
        return make_entry(follower, record, marks, details=details)
    details = {"reason": f"the checksum of a record of {follower.path} ({record.kind.name}) does not match"}
    return make_entry(follower, record, marks, kind=Kind.DAMAGED, details=details)
