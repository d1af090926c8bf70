"""The writer's segments: prepared ahead, lent for one write at a time, ended, and recycled."""

import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from uuid import UUID

from config.settings import Spool
from dicom_node.spool.errors import SpoolUnavailable
from dicom_node.spool.records import PAGE, PART, Kind, Record, pack, padded
from dicom_node.spool.segment import (
    RECORDS,
    SegmentHeader,
    is_free,
    make_segment,
    read_header,
    segment_files,
    segment_path,
    size_on_disk,
    write_header,
)

log = logging.getLogger(__name__)

# Free segments to have in hand: a fast sender fills one in a tenth of a second, and making one takes as long.
_AHEAD = 4
# s that a full spool makes a sender wait for the reader before it refuses. Slowing a sender that is faster than the
# index is better than refusing its instance; when the database is gone, waiting for each instance helps nobody.
_GRACE = 1.0
# s to wait for a segment that may be made but is not yet, or that another thread writes to: the disk of a busy machine
# takes seconds at worst.
_MAKING = 15.0
_LONGEST = padded(PART)
# A sender is told why it gets 0xA700 in these words: each fits into an Error Comment (0000,0902), 64 characters.
FULL = "spool is full"
PARTS_FULL = "large instances not whole yet fill their share of the spool"
PARTS_UNREAD = "the spool's room for large instances waits for the index"
LOW_DISK = "free space of the spool's disk is below its floor"


def not_written(error: OSError) -> str:
    """What the disk said to a write, in words of ours that leave room for its own."""
    return f"spool's disk: {error.strerror or error}"


@dataclass(slots=True)
class OpenSegment:
    """One use of one segment by this run; one thread's at a time. `offset` is the end of its last proven record.

    `reserved` says that it is kept for records that let the reader free others, `parts` that it holds parts of
    instances and nothing else.
    """

    fd: int
    header: SegmentHeader
    offset: int = RECORDS
    reserved: bool = False
    parts: bool = False

    @property
    def room(self) -> int:
        """Bytes left for records; the page for the one that ends the segment is kept back."""
        return self.header.size - PAGE - self.offset

    def write(self, data: memoryview | bytes) -> None:
        """Append `data`, durable on return; raises OSError, and then nobody knows what of it is on disk."""
        if os.pwrite(self.fd, data, self.offset) != len(data):
            raise OSError("short write")
        self.offset += len(data)


class SegmentPool:
    """All segments of one listener process.

    `acquire` lends a segment for one write; then it goes back by `release`, or by `retire` where the write failed.
    `tend` is to be called a few times a second by one thread: it recycles, prepares ahead, and watches the disk.

    A part keeps its segment from being read to its end until its instance is whole, which a peer may put off. So parts
    lie in segments of their own, and in a bounded number of them: what is whole at once always finds room again.
    """

    def __init__(self, folder: Path, settings: Spool, run: UUID) -> None:
        self._folder = folder
        self._settings = settings
        self._run = run
        self._changed = threading.Condition()
        self._free: deque[tuple[int, SegmentHeader]] = deque()
        self._partial: list[OpenSegment] = []
        self._reserve: OpenSegment | None = None
        self._lent = 0
        self._parts: set[int] = set()  # numbers of segments that hold parts, until the reader has finished them
        self._under_way: dict[UUID, set[int]] = {}  # those with parts of the instance that an association sends now
        self._failed: list[OpenSegment] = []
        self._ended: dict[int, tuple[int, SegmentHeader]] = {}
        self._condemned: set[int] = set()
        self._fds: dict[int, int] = {}
        self._sizes: dict[int, int] = {}  # bytes on disk by the segment's number
        self._last = 0
        self._full_since: float | None = None
        self._can_grow = True
        self._tender = 0
        self.wanted = threading.Event()  # set when `tend` should come at once
        self.low_disk = False
        self._adopt()

    @property
    def full(self) -> bool:
        """Whether one who needed a segment got none, and there still is none."""
        return self._full_since is not None

    def acquire(self, size: int = _LONGEST, *, reserve: bool = False, part_of: UUID | None = None) -> OpenSegment:
        """A segment with room for a record of `size` bytes, for one write.

        `reserve` is for a record that lets the reader free others: it may have the last segment, which instances may
        not; `part_of` is the association whose instance a part is of. Raises SpoolUnavailable where there is none,
        OSError where its use cannot be begun.
        """
        parts = part_of is not None
        with self._changed:
            nearly_full = self._put_by(size, parts)
        for segment in nearly_full:
            self._end(segment)
        with self._changed:
            found = self._pick(size, reserve, parts) or self._wait(size, reserve, parts)
            if found is None:
                raise SpoolUnavailable(self._why_not(parts))
            self._full_since = None
            self._lent += 1
            if part_of is not None:
                self._note_part(part_of, found.header.number if isinstance(found, OpenSegment) else found[1].number)
        return found if isinstance(found, OpenSegment) else self._begin(*found, reserve, parts)

    def end_parts(self, association: UUID) -> None:
        """The instance whose parts an association wrote is whole, or given up: the reader alone has to do with them."""
        self._under_way.pop(association, None)

    def release(self, segment: OpenSegment) -> None:
        """Take back a segment after a write."""
        with self._changed:
            self._lent -= 1
            if segment.reserved and self._reserve is None:
                self._reserve = segment
            else:
                self._partial.append(segment)
            self._changed.notify()

    def retire(self, segment: OpenSegment) -> None:
        """Close a segment for good whose write failed: it is cut where its last proven record ends.

        Whatever the failed call left behind is gone with that. The reader reads the rest, and the file is given back.
        """
        log.error("segment %d failed at offset %d and is closed", segment.header.number, segment.offset)
        with self._changed:
            self._lent -= 1
            self._failed.append(segment)
        self._cut_failed()

    def tend(self, ahead: int = _AHEAD) -> None:
        """Recycle what the reader has finished, make `ahead` free segments, and look at the disk; raises OSError."""
        self.wanted.clear()
        self._tender = threading.get_ident()
        self._cut_failed()
        usage = os.statvfs(self._folder)
        spare = usage.f_bavail * usage.f_frsize - self._settings.disk_floor
        self.low_disk = spare < 0
        self._can_grow = spare >= self._settings.segment
        with self._changed:
            self._reclaim()
            if self._has_room():
                self._full_since = None
        while len(self._free) < ahead and self._may_grow():
            self._grow()
            spare -= self._settings.segment
            self._can_grow = spare >= self._settings.segment

    def close(self) -> None:
        """Close the files. What was written stays for the reader."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()

    def _put_by(self, size: int, parts: bool) -> list[OpenSegment]:
        """Segments in use that have no room for `size` bytes any more, to be ended."""
        nearly_full = [segment for segment in self._partial if segment.parts is parts and segment.room < size]
        for segment in nearly_full:
            self._partial.remove(segment)
        if self._reserve is not None and self._reserve.room < size:
            nearly_full.append(self._reserve)
            self._reserve = None
        self._lent += len(nearly_full)
        return nearly_full

    def _pick(self, size: int, reserve: bool, parts: bool) -> OpenSegment | tuple[int, SegmentHeader] | None:
        for segment in reversed(self._partial):
            if segment.parts is parts and segment.room >= size:
                self._partial.remove(segment)
                return segment
        if self._parts_end(parts):
            return None
        if self._reserve is not None and not parts and (reserve or self._free or self._may_grow()):
            segment, self._reserve = self._reserve, None
            segment.reserved = reserve
            return segment
        if self._has_room() or (reserve and self._free):
            self.wanted.set()
            return self._free.popleft() if self._free else None
        return None

    def _note_part(self, association: UUID, number: int) -> None:
        self._parts.add(number)
        self._under_way.setdefault(association, set()).add(number)

    def _why_not(self, parts: bool) -> str:
        if self.low_disk:
            return LOW_DISK
        if not self._parts_end(parts):
            return FULL
        # Other threads end theirs meanwhile: a list of them is made in one step.
        unfinished = self._parts.intersection(chain.from_iterable(list(self._under_way.values())))
        return PARTS_FULL if 2 * len(unfinished) > len(self._parts) else PARTS_UNREAD

    def _parts_end(self, parts: bool) -> bool:
        """Whether what is to be written are parts, and they have all the segments that they may have."""
        return parts and len(self._parts) >= self._settings.segments_for_parts

    def _has_room(self) -> bool:
        """Whether an instance may be written without the last segment, now or once one more is made."""
        in_use = any(segment.room >= _LONGEST for segment in self._partial if not segment.parts)
        return in_use or len(self._free) > 1 or self._may_grow()

    def _begin(self, fd: int, old: SegmentHeader, reserve: bool, parts: bool) -> OpenSegment:
        header = old.next_use(self._run)
        try:
            write_header(fd, header)
        except OSError:
            # Its header may be the old one, the new one, or neither: nobody writes to this file again.
            with self._changed:
                self._lent -= 1
                self._condemned.add(old.number)
                self._ended[old.number] = fd, old
            raise
        return OpenSegment(fd, header, reserved=reserve and not self._has_room(), parts=parts)

    def _wait(self, size: int, reserve: bool, parts: bool) -> OpenSegment | tuple[int, SegmentHeader] | None:
        begun = time.monotonic()
        since = self._full_since or begun
        while True:
            self._reclaim()
            if (found := self._pick(size, reserve, parts)) is not None:
                return found
            # Who makes the segments cannot wait for one.
            alone = threading.get_ident() == self._tender
            coming = (self._lent or self._may_grow()) and not self._parts_end(parts)
            if self.low_disk or alone or time.monotonic() > (begun + _MAKING if coming else since + _GRACE):
                self._full_since = None if self._has_room() else since
                return None
            self.wanted.set()
            self._changed.wait(0.02)

    def _reclaim(self) -> None:
        for number, (fd, header) in list(self._ended.items()):
            if is_free(fd, header) and self._set_free(fd, header):
                del self._ended[number]

    def _set_free(self, fd: int, header: SegmentHeader) -> bool:
        number = header.number
        self._parts.discard(number)
        whole = self._sizes[number] == self._settings.segment and number not in self._condemned
        if whole and self._bytes() <= self._settings.capacity:
            self._free.append((fd, header))
            self._changed.notify_all()
            return True
        # It failed, or is of another size, or one more than there may be since the settings changed.
        return self._give_back(number)

    def _give_back(self, number: int) -> bool:
        try:
            segment_path(self._folder, number).unlink(missing_ok=True)
        except OSError:
            log.exception("segment %d cannot be removed", number)
            return False
        os.close(self._fds.pop(number))
        del self._sizes[number]
        self._condemned.discard(number)
        return True

    def _bytes(self) -> int:
        return sum(self._sizes.values())

    def _may_grow(self) -> bool:
        return self._can_grow and self._bytes() + self._settings.segment <= self._settings.capacity

    def _grow(self) -> None:
        number = self._last + 1
        path = segment_path(self._folder, number)
        try:
            make_segment(path, number, self._settings.segment)
        except OSError:
            self._can_grow = False
            raise
        opened = self._open(number, path)
        if opened is None:
            raise OSError(f"{path} does not give back what was written to it")
        with self._changed:
            self._free.append(opened)
            self._changed.notify_all()

    def _open(self, number: int, path: Path) -> tuple[int, SegmentHeader] | None:
        fd = os.open(path, os.O_RDWR | os.O_DSYNC)
        self._last = max(self._last, number)
        header = read_header(fd)
        if header is None:
            os.close(fd)
            return None
        with self._changed:
            self._fds[number] = fd
            self._sizes[number] = size_on_disk(fd)
        return fd, header

    def _adopt(self) -> None:
        for draft in self._folder.glob("*.new"):
            draft.unlink()
        for number, path in segment_files(self._folder):
            opened = self._open(number, path)
            if opened is None:
                log.error("%s has a damaged header and is put out of use", path)
                path.rename(path.with_suffix(".damaged"))
                continue
            self._ended[number] = opened
        with self._changed:
            self._reclaim()

    def _end(self, segment: OpenSegment) -> None:
        header = segment.header
        record = Record(Kind.SEGMENT_ENDED, header.epoch, header.salt, self._run, 0, time.time_ns())
        try:
            segment.write(pack(record, 0).ljust(PAGE, b"\0"))
        except OSError:
            self.retire(segment)
            return
        with self._changed:
            self._lent -= 1
            self._ended[header.number] = segment.fd, header
            self._changed.notify()

    def _cut_failed(self) -> None:
        with self._changed:
            for segment in list(self._failed):
                number = segment.header.number
                try:
                    os.ftruncate(segment.fd, segment.offset)
                except OSError as error:
                    log.debug("segment %d cannot be cut yet: %s", number, error)
                    continue
                self._failed.remove(segment)
                self._sizes[number] = segment.offset
                self._ended[number] = segment.fd, segment.header
                self._changed.notify_all()
