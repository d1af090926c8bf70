"""One association's part of the spool."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from crc32c import crc32c

from dicom_node.spool.entries import encode_details, encode_message
from dicom_node.spool.errors import SpoolUnavailable
from dicom_node.spool.frames import FramePool
from dicom_node.spool.pool import LOW_DISK, SegmentPool, not_written
from dicom_node.spool.records import HEADER, PART, Kind, Record, pack, padded
from dicom_node.spool.shortage import Shortage
from dicom_node.tally import Tally
from domain.json_records import JsonObject

_NO_FRAME = memoryview(bytearray())


@dataclass(frozen=True)
class Peer:
    """Who called: AE titles without padding, the address without port."""

    calling: str
    called: str
    address: str


@dataclass(frozen=True)
class SpoolAccess:
    """What the associations of one listener share; `ring` wakes the reader (urgent or not)."""

    pool: SegmentPool
    frames: FramePool
    shortage: Shortage
    ring: Callable[[bool], None]


@dataclass(frozen=True, slots=True)
class _Instance:
    """What a record says of the instance that it belongs to."""

    sop_class: str = ""
    sop_instance: str = ""
    transfer_syntax: str = ""
    context_id: int = 0
    part: int = 0
    before: int = 0  # bytes in earlier parts


_NONE = _Instance()


class AssociationWriter:
    """One association's part of the spool, for the one thread that serves it; made by SpoolWriter.open_association.

    A request of another service than storage: `keep`, which returns when all of it is durable.

    An instance: `begin`; `write` its bytes, or without a copy fill `buffer` from `fill` on and move `fill`, calling
    `flush` when `fill` has reached PART and more is to come; then `commit`, which returns when all of it is durable; or
    `abandon`. `write`, `flush` and `commit` raise SpoolUnavailable when that cannot be; the instance is then to be
    abandoned, the association may go on. Between instances it holds no buffer, and between writes no segment.
    """

    def __init__(self, access: SpoolAccess, ident: UUID, peer: Peer, sequence: Iterator[int]) -> None:
        self.id = ident
        self.peer = peer
        self.fill = 0
        self.has_stored = False  # any instance, whether or not its sender heard of it
        self.buffer = _NO_FRAME
        self._access = access
        self._frame = _NO_FRAME
        self._sequence = sequence
        self._attempt = 0
        self._proven = 0  # the last attempt that succeeded
        self._opening: JsonObject | None = None  # not yet recorded
        self._instance = _NONE
        self._refusals: Tally[tuple[int, str]] = Tally(lambda kind: (kind[0], "refused for further reasons"))

    @property
    def recorded(self) -> bool:
        """Whether the spool holds anything of this association, so that its end must be recorded, too."""
        return self._proven > 0

    def open(self, details: JsonObject) -> None:
        """Record that the association began; put off until the first instance where there is no room now."""
        self._opening = details
        try:
            self._announce()
        except SpoolUnavailable as error:
            self._access.shortage.count("openings of associations (yet)", str(error))

    def begin(self, sop_class: str, sop_instance: str, transfer_syntax: str, context_id: int) -> None:
        """Start an instance; one that was not committed is abandoned."""
        self._tell_refusals()
        self._instance = _Instance(sop_class, sop_instance, transfer_syntax, context_id)
        self.fill = 0
        self._access.pool.end_parts(self.id)
        if not self._frame:
            self._frame = self._access.frames.take()
            self.buffer = self._frame[HEADER : HEADER + PART]

    def write(self, data: bytes) -> None:
        """Add these bytes to the instance that was begun."""
        left = memoryview(data)
        while left:
            if self.fill == PART:
                self.flush()
            part = min(len(left), PART - self.fill)
            self.buffer[self.fill : self.fill + part] = left[:part]
            self.fill += part
            left = left[part:]

    def flush(self) -> None:
        """Write what is in the buffer as a part and empty it."""
        self._append(Kind.PART)
        one = self._instance
        self._instance = replace(one, part=one.part + 1, before=one.before + self.fill)
        self.fill = 0

    def commit(self) -> None:
        """Write the rest of the instance; on return all of it is durable."""
        self._append(Kind.INSTANCE)
        self.has_stored = True
        self._instance = _NONE
        self.abandon()

    def abandon(self) -> None:
        """Forget the instance that was begun; parts of it that are written are ignored by the reader."""
        self.fill = 0
        self._access.pool.end_parts(self.id)
        if self._frame:
            self._access.frames.give_back(self._frame)
            self._frame = self.buffer = _NO_FRAME

    def keep(
        self,
        details: JsonObject,
        data: bytes,
        *,
        sop_class: str,
        sop_instance: str,
        transfer_syntax: str,
        context_id: int,
    ) -> None:
        """Write what is asked and the data set that came with it; raises SpoolUnavailable, and then nothing is kept."""
        self.begin(sop_class, sop_instance, transfer_syntax, context_id)
        payload = memoryview(encode_message(details, data))
        try:
            for start in range(0, len(payload), PART):
                if start:
                    self.flush()
                piece = payload[start : start + PART]
                self.buffer[: len(piece)] = piece
                self.fill = len(piece)
            self._append(Kind.MESSAGE)
        finally:
            self._instance = _NONE
            self.abandon()

    def refuse(self, sop_class: str, sop_instance: str, status: int, reason: str) -> None:
        """Record that an instance got `status` instead of success; only counted where there is no room for it.

        The first for a reason at once, the rest once a minute and at the association's end, as a single record with
        their number.
        """
        kind = status, reason
        # The parts that are written hold their segments until the reader knows that no more of them come.
        if self._instance.part or self._refusals.count(kind):
            self._tell_refusal(kind, 1, _Instance(sop_class, sop_instance))
        self._tell_refusals()

    def close(self, details: JsonObject) -> bool:
        """Record the end; False where it must be tried again. Of details that wait for their record none are kept."""
        self.abandon()
        self._tell_refusals(at_once=True)
        frees = self.recorded
        try:
            self._announce(reserve=frees)
            self._event(Kind.ASSOCIATION_CLOSED, details, reserve=frees)
        except SpoolUnavailable:
            self._opening = None if self._opening is None else {}
            return False
        return True

    def note(self, kind: Kind, details: JsonObject) -> None:
        """Record something that belongs to no association; raises SpoolUnavailable."""
        self._event(kind, details, reserve=kind in (Kind.NODE_STARTED, Kind.NODE_STOPPED))

    def _tell_refusals(self, *, at_once: bool = False) -> None:
        for kind, number in self._refusals.due(at_once=at_once).items():
            self._tell_refusal(kind, number)

    def _tell_refusal(self, kind: tuple[int, str], number: int, about: _Instance = _NONE) -> None:
        details: JsonObject = {"status": kind[0], "reason": kind[1], "count": number}
        frees = self._instance.part > 0
        try:
            self._announce(reserve=frees)
            self._event(Kind.INSTANCE_REFUSED, details, about, reserve=frees)
            self._instance = _NONE
        except SpoolUnavailable as error:
            self._access.shortage.count("refusals of instances", str(error), number)

    def _announce(self, *, reserve: bool = False) -> None:
        if self._opening is not None:
            self._event(Kind.ASSOCIATION_OPENED, self._opening, reserve=reserve)
            self._opening = None

    def _event(self, kind: Kind, details: JsonObject, about: _Instance = _NONE, *, reserve: bool = False) -> None:
        payload = encode_details(details)
        frame = memoryview(bytearray(padded(len(payload))))
        frame[HEADER : HEADER + len(payload)] = payload
        self._write(kind, frame, len(payload), about, reserve=reserve)

    def _append(self, kind: Kind) -> None:
        if self._access.pool.low_disk:
            raise SpoolUnavailable(LOW_DISK)
        self._announce()
        end, size = HEADER + self.fill, padded(self.fill)
        self._frame[end:size] = bytes(size - end)
        self._write(kind, self._frame[:size], self.fill, self._instance)

    def _write(self, kind: Kind, frame: memoryview, length: int, instance: _Instance, *, reserve: bool = False) -> None:
        payload_crc = crc32c(frame[HEADER : HEADER + length])
        record = partial(
            Record,
            kind=kind,
            association=self.id,
            sequence=next(self._sequence),
            received_ns=time.time_ns(),
            length=length,
            total=instance.before + length,
            part=instance.part,
            context_id=instance.context_id,
            calling=self.peer.calling,
            called=self.peer.called,
            address=self.peer.address,
            sop_class=instance.sop_class,
            sop_instance=instance.sop_instance,
            transfer_syntax=instance.transfer_syntax,
            payload_crc=payload_crc,
        )
        part_of = self.id if kind is Kind.PART else None
        write = partial(self._attempt_write, record, frame, reserve=reserve, part_of=part_of)
        try:
            write()
        except OSError:
            # A bad block must not end the association: once more, elsewhere.
            try:
                write()
            except OSError as error:
                raise SpoolUnavailable(not_written(error)) from error
        self._access.ring(kind not in (Kind.INSTANCE, Kind.PART))

    def _attempt_write(
        self, record: Callable[..., Record], frame: memoryview, *, reserve: bool, part_of: UUID | None
    ) -> None:
        segment = self._access.pool.acquire(len(frame), reserve=reserve, part_of=part_of)
        try:
            self._attempt += 1
            header = segment.header
            numbered = record(epoch=header.epoch, salt=header.salt, attempt=self._attempt, after=self._proven)
            frame[:HEADER] = pack(numbered, numbered.payload_crc)
            segment.write(frame)
        except BaseException:
            self._access.pool.retire(segment)
            raise
        self._proven = self._attempt
        self._access.pool.release(segment)
