"""The writer's segments: prepared ahead, taken, given back half full, ended, and recycled."""

import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
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
    write_header,
)

log = logging.getLogger(__name__)

# Free segments to have in hand: a fast sender fills one in a tenth of a second, and making one takes as long.
_AHEAD = 4
# s that a full log makes a sender wait for the reader before it refuses. Slowing a sender that is faster than the
# index is better than refusing its instance; when the database is gone, waiting for each instance helps nobody.
_GRACE = 1.0
# s to wait for a segment that may be made but is not yet: the disk of a busy machine takes seconds at worst.
_MAKING = 15.0
FULL = "log is full"
LOW_DISK = "free space of the spool's disk is below its floor"


@dataclass(slots=True)
class OpenSegment:
    """One use of one segment by this run; one thread's at a time. `offset` is where the next record goes."""

    fd: int
    header: SegmentHeader
    offset: int = RECORDS

    @property
    def room(self) -> int:
        """Bytes left for records; the page for the one that ends the segment is kept back."""
        return self.header.size - PAGE - self.offset

    def write(self, data: memoryview | bytes) -> None:
        """Append `data`, durable on return; raises OSError, and then nothing was appended."""
        if os.pwrite(self.fd, data, self.offset) != len(data):
            raise OSError("short write")
        self.offset += len(data)


class SegmentPool:
    """All segments of one listener process.

    `tend` is to be called a few times a second by one thread: it recycles, prepares ahead, and watches the disk.
    """

    def __init__(self, folder: Path, settings: Spool, run: UUID) -> None:
        self._folder = folder
        self._settings = settings
        self._run = run
        self._changed = threading.Condition()
        self._free: deque[tuple[int, SegmentHeader]] = deque()
        self._partial: list[OpenSegment] = []
        self._ended: dict[int, tuple[int, SegmentHeader]] = {}
        self._fds: list[int] = []
        self._bytes = 0
        self._last = 0
        self._full_since: float | None = None
        self._can_grow = True
        self.wanted = threading.Event()  # set when `tend` should come at once
        self.low_disk = False
        self._adopt()

    @property
    def full(self) -> bool:
        """Whether the last one who needed a free segment got none."""
        return self._full_since is not None

    def acquire(self) -> OpenSegment:
        """A segment with room for any record; raises SpoolUnavailable when there is none."""
        with self._changed:
            if not self._has_room():
                self._wait_for_room()
            if self._partial:
                return self._partial.pop()
            fd, old = self._take_free()
        header = old.next_use(self._run)
        try:
            write_header(fd, header)
        except OSError as error:
            with self._changed:
                self._free.append((fd, old))
            raise SpoolUnavailable(f"spool cannot be written: {error}") from error
        return OpenSegment(fd, header)

    def release(self, segment: OpenSegment) -> None:
        """Take back a segment whose association has left it: for the next one, or ended when it is nearly full."""
        if segment.room < padded(PART):
            self._end(segment)
            return
        with self._changed:
            self._partial.append(segment)

    def retire(self, segment: OpenSegment) -> None:
        """Never write to `segment` again: it failed. The next run finds it and lets the reader finish it."""
        log.error("segment %d failed and is not used again", segment.header.number)

    def tend(self, ahead: int = _AHEAD) -> None:
        """Recycle what the reader has finished, make `ahead` free segments, and look at the disk; raises OSError."""
        self.wanted.clear()
        with self._changed:
            self._reclaim()
        usage = os.statvfs(self._folder)
        spare = usage.f_bavail * usage.f_frsize - self._settings.disk_floor
        self.low_disk = spare < 0
        self._can_grow = spare >= self._settings.segment
        while len(self._free) < ahead and self._may_grow() and self._can_grow:
            self._grow()
            spare -= self._settings.segment
            self._can_grow = spare >= self._settings.segment

    def close(self) -> None:
        """Close the files. What was written stays for the reader."""
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()

    def _take_free(self) -> tuple[int, SegmentHeader]:
        if not self._free:
            raise SpoolUnavailable(LOW_DISK if self.low_disk else FULL)
        self._full_since = None
        self.wanted.set()
        return self._free.popleft()

    def _has_room(self) -> bool:
        if not self._partial and not self._free:
            self._reclaim()
        return bool(self._partial or self._free)

    def _wait_for_room(self) -> None:
        begun = time.monotonic()
        since = self._full_since or begun
        while not self._has_room():
            making = self._can_grow and self._may_grow()
            if self.low_disk or time.monotonic() > (begun + _MAKING if making else since + _GRACE):
                self._full_since = since
                return
            self.wanted.set()
            self._changed.wait(0.02)

    def _reclaim(self) -> None:
        for number, (fd, header) in list(self._ended.items()):
            if is_free(fd, header):
                del self._ended[number]
                self._set_free(fd, header)

    def _set_free(self, fd: int, header: SegmentHeader) -> None:
        if header.size == self._settings.segment and self._bytes <= self._settings.capacity:
            self._free.append((fd, header))
            self._changed.notify_all()
            return
        # Of another size, or more than there may be since the settings changed.
        segment_path(self._folder, header.number).unlink(missing_ok=True)
        self._fds.remove(fd)
        os.close(fd)
        self._bytes -= header.size

    def _may_grow(self) -> bool:
        return self._bytes + self._settings.segment <= self._settings.capacity

    def _grow(self) -> None:
        number = self._last + 1
        path = segment_path(self._folder, number)
        try:
            make_segment(path, number, self._settings.segment)
        except OSError:
            self._can_grow = False
            raise
        fd, header = self._open(number, path) or (None, None)
        if fd is None or header is None:
            raise OSError(f"{path} does not give back what was written to it")
        with self._changed:
            self._free.append((fd, header))
            self._changed.notify_all()

    def _open(self, number: int, path: Path) -> tuple[int, SegmentHeader] | None:
        fd = os.open(path, os.O_RDWR | os.O_DSYNC)
        self._last = max(self._last, number)
        header = read_header(fd)
        if header is None:
            os.close(fd)
            return None
        self._fds.append(fd)
        self._bytes += header.size
        return fd, header

    def _adopt(self) -> None:
        for draft in self._folder.glob("*.new"):
            draft.unlink()
        for number, path in segment_files(self._folder):
            opened = self._open(number, path)
            if opened is None:
                log.error("%s has a damaged header and is set aside", path)
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
            self._ended[header.number] = (segment.fd, header)
