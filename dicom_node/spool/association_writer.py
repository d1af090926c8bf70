"""One association's part of the log."""

import logging
import mmap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crc32c import crc32c

from dicom_node.spool.entries import encode_details
from dicom_node.spool.errors import SpoolUnavailable
from dicom_node.spool.pool import LOW_DISK, OpenSegment, SegmentPool
from dicom_node.spool.records import HEADER, PART, Kind, Record, pack, padded

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Peer:
    """Who called: AE titles without padding, the address without port."""

    calling: str
    called: str
    address: str


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
    """One association's part of the log, for the one thread that serves it; made by SpoolWriter.open_association.

    An instance: `begin`; fill `buffer` from `fill` on and move `fill`, calling `flush` when `fill` has reached PART and
    more is to come; then `commit`, which returns when all of it is durable; or `abandon`. `flush` and `commit` raise
    SpoolUnavailable when that cannot be; the instance is then to be abandoned, the association may go on.
    """

    def __init__(
        self, pool: SegmentPool, ring: Callable[[bool], None], ident: UUID, peer: Peer, sequence: Iterator[int]
    ) -> None:
        self.id = ident
        self.peer = peer
        self.fill = 0
        # Anonymous memory is touched only as far as instances reach, so that a small sender costs little.
        self._frame = memoryview(mmap.mmap(-1, padded(PART)))
        self.buffer = self._frame[HEADER : HEADER + PART]
        self._pool = pool
        self._ring = ring
        self._sequence = sequence
        self._segment: OpenSegment | None = None
        self._left = (0, 0, 0)  # segment, epoch and offset that the association has just left
        self._opening: dict[str, Any] | None = None  # not yet recorded
        self._instance = _NONE

    def open(self, details: dict[str, Any]) -> None:
        """Record that the association began; put off until the first instance where the log has no room now."""
        self._opening = details
        try:
            self._announce()
        except SpoolUnavailable as error:
            log.warning("opening of an association not yet recorded: %s", error, extra={"association": str(self.id)})

    def begin(self, sop_class: str, sop_instance: str, transfer_syntax: str, context_id: int) -> None:
        """Start an instance; one that was not committed is abandoned."""
        self._instance = _Instance(sop_class, sop_instance, transfer_syntax, context_id)
        self.fill = 0

    def flush(self) -> None:
        """Write what is in the buffer as a part and empty it."""
        self._append(Kind.PART)
        one = self._instance
        self._instance = _Instance(
            one.sop_class, one.sop_instance, one.transfer_syntax, one.context_id, one.part + 1, one.before + self.fill
        )
        self.fill = 0

    def commit(self) -> None:
        """Write the rest of the instance; on return all of it is durable."""
        self._append(Kind.INSTANCE)
        self.fill = 0

    def abandon(self) -> None:
        """Forget the instance that was begun; parts of it that are written are ignored by the reader."""
        self.fill = 0

    def refuse(self, sop_class: str, sop_instance: str, status: int, reason: str) -> None:
        """Record that an instance got `status` instead of success; only logged where the log has no room for it."""
        try:
            self._announce()
            about = _Instance(sop_class, sop_instance)
            self._event(Kind.INSTANCE_REFUSED, {"status": status, "reason": reason}, about)
        except SpoolUnavailable as error:
            log.warning("refusal of an instance not recorded: %s", error, extra={"association": str(self.id)})

    def close(self, details: dict[str, Any]) -> bool:
        """Record the end and give the segment back; False where it must be tried again."""
        try:
            self._announce()
            self._event(Kind.ASSOCIATION_CLOSED, details)
        except SpoolUnavailable as error:
            log.warning("end of an association not yet recorded: %s", error, extra={"association": str(self.id)})
            return False
        self._leave()
        return True

    def note(self, kind: Kind, details: dict[str, Any]) -> None:
        """Record something that belongs to no association, and give the segment back; raises SpoolUnavailable."""
        try:
            self._event(kind, details)
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._segment is not None:
            self._pool.release(self._segment)
            self._segment = None

    def _announce(self) -> None:
        if self._opening is not None:
            self._event(Kind.ASSOCIATION_OPENED, self._opening)
            self._opening = None

    def _event(self, kind: Kind, details: dict[str, Any], about: _Instance = _NONE) -> None:
        payload = encode_details(details)
        frame = memoryview(bytearray(padded(len(payload))))
        frame[HEADER : HEADER + len(payload)] = payload
        self._write(kind, frame, len(payload), about)

    def _append(self, kind: Kind) -> None:
        if self._pool.low_disk:
            raise SpoolUnavailable(LOW_DISK)
        self._announce()
        end, size = HEADER + self.fill, padded(self.fill)
        self._frame[end:size] = bytes(size - end)
        self._write(kind, self._frame[:size], self.fill, self._instance)

    def _write(self, kind: Kind, frame: memoryview, length: int, instance: _Instance) -> None:
        payload_crc = crc32c(frame[HEADER : HEADER + length])
        try:
            self._write_once(kind, frame, length, payload_crc, instance)
        except OSError:
            # A bad block must not end the association: once more, elsewhere.
            try:
                self._write_once(kind, frame, length, payload_crc, instance)
            except OSError as error:
                raise SpoolUnavailable(f"spool cannot be written: {error}") from error
        self._left = (0, 0, 0)
        self._ring(kind not in (Kind.INSTANCE, Kind.PART))

    def _write_once(self, kind: Kind, frame: memoryview, length: int, payload_crc: int, instance: _Instance) -> None:
        segment = self._segment_for(len(frame))
        previous_segment, previous_epoch, previous_end = self._left
        record = Record(
            kind=kind,
            epoch=segment.header.epoch,
            salt=segment.header.salt,
            association=self.id,
            sequence=next(self._sequence),
            received_ns=time.time_ns(),
            length=length,
            total=instance.before + length,
            part=instance.part,
            context_id=instance.context_id,
            previous_segment=previous_segment,
            previous_epoch=previous_epoch,
            previous_end=previous_end,
            calling=self.peer.calling,
            called=self.peer.called,
            address=self.peer.address,
            sop_class=instance.sop_class,
            sop_instance=instance.sop_instance,
            transfer_syntax=instance.transfer_syntax,
        )
        frame[:HEADER] = pack(record, payload_crc)
        try:
            segment.write(frame)
        except OSError:
            self._remember(segment)
            self._segment = None
            self._pool.retire(segment)
            raise

    def _segment_for(self, size: int) -> OpenSegment:
        segment = self._segment
        if segment is not None and segment.room >= size:
            return segment
        fresh = self._pool.acquire()
        if segment is not None:
            self._remember(segment)
            self._pool.release(segment)
        self._segment = fresh
        return fresh

    def _remember(self, segment: OpenSegment) -> None:
        self._left = (segment.header.number, segment.header.epoch, segment.offset)
