"""Reading one segment, use after use, and keeping its checkpoint."""

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from crc32c import crc32c

from dicom_node.spool.entries import Mark
from dicom_node.spool.errors import DamagedRecord
from dicom_node.spool.records import HEADER, PAGE, Record, padded
from dicom_node.spool.segment import (
    NO_RUN,
    RECORDS,
    Checkpoint,
    SegmentHeader,
    find_record,
    parse_header,
    read_checkpoint,
    read_record,
    size_on_disk,
    write_checkpoint,
)
from domain.errors import Unavailable

log = logging.getLogger(__name__)

_READS = 3  # tries of a read that fails: what passes by itself must not damage what was acknowledged

_UNUSED = SegmentHeader(0, 0, 0, NO_RUN, bytes(16))

Use = tuple[int, int]
"""A segment's number and epoch."""


class Watcher(Protocol):
    """Who must know before a segment's records can be written over."""

    def let_go(self, use: Use, halves: Iterable[Mark]) -> None:
        """All of `use` is taken over, and its next use may begin as soon as this returns.

        `halves` are the last records, in other segments and not passed yet, of instances with parts here.
        """
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """What lies at the reader's place: a whole record with its payload, or a damaged one (header None: unreadable)."""

    record: Record | None
    payload: bytes
    end: int
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A payload to be read again later."""

    fd: int
    offset: int
    length: int
    crc: int

    def read(self) -> bytes:
        """The bytes; raises DamagedRecord where they are no longer those that were found."""
        data = _read(self.fd, self.length, self.offset)
        if crc32c(data) != self.crc:
            raise DamagedRecord(
                f"{self.length} bytes at offset {self.offset} of a segment changed after they were found"
            )
        return data


class Follower:
    """One segment as the reader sees it; `offset` is the reader's place in its present use."""

    def __init__(self, listener: int, path: Path, watcher: Watcher) -> None:
        self.listener = listener
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_DSYNC)
        self.header = _UNUSED
        self.offset = RECORDS
        self.ended = True
        self._watcher = watcher
        self._page = b""
        self._found: Found | None = None
        self._marks: deque[Mark] = deque()
        self._passed: list[Mark] = []
        self._halves: list[Mark] = []
        self._reached = RECORDS
        self._checkpoint = Checkpoint(0, RECORDS, finished=True)

    @property
    def use(self) -> Use:
        """Which use of which segment is read."""
        return self.header.number, self.header.epoch

    @property
    def finished(self) -> bool:
        """Whether this use of the segment is over and taken over, durably so."""
        return self._checkpoint.finished

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it waits to be taken over."""
        return not self._marks

    @property
    def is_cut(self) -> bool:
        """Whether the writer has closed it after a write that failed: what is in the file is proven, all of it."""
        return size_on_disk(self.fd) < self.header.size

    def refresh(self) -> bool:
        """Notice the segment's next use, which begins at its checkpoint; whether there is one."""
        page = os.pread(self.fd, PAGE, 0)
        if page == self._page:
            return False
        self._page = page
        header = parse_header(page)
        if header is None:
            log.error("%s has a damaged header: nothing in it can be read", self.path)
            return False
        if header.epoch == 0 or header == self.header:
            return False
        self.header = header
        self._checkpoint = read_checkpoint(self.fd, header.epoch)
        self._marks.clear()
        self._found = None
        self.offset = self._reached = self._checkpoint.offset
        self.ended = self._checkpoint.finished
        return True

    def passed(self) -> Iterator[Record]:
        """The records before the reader's place, as far as their headers can be read."""
        start: int | None = RECORDS
        while start is not None and start < self.offset:
            record = read_record(self.fd, self.header, start)
            if record is not None:
                yield record
                start += padded(record.length)
            else:
                start = find_record(self.fd, self.header, start + PAGE)

    def ahead(self) -> Iterator[Record]:
        """The records from the reader's place on."""
        return headers(self.fd, self.header, self.offset, self.header.size)

    def look(self, *, over: bool) -> Found | None:
        """What lies at `offset`, or None where nothing whole does yet.

        `over` says that no write is under way: what is not whole never will be, and what follows it proves that it was.
        """
        if self._found is None:
            self._found = self._look(over)
        return self._found

    def take(self, found: Found) -> Mark:
        """Go past `found`; its mark must be done before the checkpoint can pass it."""
        self.offset = found.end
        self._found = None
        return self.mark()

    def mark(self) -> Mark:
        """A mark at the present place."""
        mark = Mark(self, self.offset)
        self._marks.append(mark)
        return mark

    def end(self) -> None:
        """No record will follow in this use."""
        self.ended = True
        self.advance()

    def advance(self) -> None:
        """Move the durable checkpoint past all leading marks that are done; raises Unavailable."""
        while self._marks and self._marks[0].done:
            self._passed.append(self._marks.popleft())
            self._reached = self._passed[-1].end
        reached = Checkpoint(self.header.epoch, self._reached, self.ended and not self._marks)
        if reached == self._checkpoint:
            return
        self._halves += [mark.last for mark in self._passed if mark.last and mark.last.holder is not self]
        if reached.finished:
            self._watcher.let_go(self.use, [last for last in self._halves if not last.passed])
        try:
            write_checkpoint(self.fd, reached)
        except OSError as error:
            raise Unavailable(f"checkpoint of {self.path} cannot be written: {error}") from error
        self._checkpoint = reached
        for mark in self._passed:
            mark.passed = True
        self._passed.clear()
        self._halves = [] if reached.finished else [last for last in self._halves if not last.passed]

    @property
    def is_behind(self) -> bool:
        """Whether a checkpoint could not be written and is to be tried again."""
        return Checkpoint(self.header.epoch, self._reached, self.ended and not self._marks) != self._checkpoint

    def piece(self, record: Record, end: int) -> Piece:
        """The payload of the record that ends at `end`, for later."""
        return Piece(self.fd, end - padded(record.length) + HEADER, record.length, record.payload_crc)

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)

    def _look(self, over: bool) -> Found | None:
        record = read_record(self.fd, self.header, self.offset)
        if record is not None:
            end = self.offset + padded(record.length)
            if (payload := self._payload(record)) is not None:
                return Found(record, payload, end)
            if read_record(self.fd, self.header, end) is not None:
                # What follows proves that it was written; but it may have been under way when it was read.
                payload = self._payload(record)
                return Found(record, payload or b"", end, damaged=payload is None)
        return self._after_damage(record) if over else None

    def _payload(self, record: Record) -> bytes | None:
        """That of the record at `offset`, None where it is not what was written, or not yet."""
        payload = _read(self.fd, record.length, self.offset + HEADER)
        return payload if crc32c(payload) == record.payload_crc else None

    def _after_damage(self, record: Record | None) -> Found | None:
        after = find_record(self.fd, self.header, self.offset + PAGE)
        if after is None and RECORDS <= self.offset < (size := size_on_disk(self.fd)) < self.header.size:
            after = size
        return Found(record, b"", after, damaged=True) if after else None


def headers(fd: int, segment: SegmentHeader, start: int, stop: int) -> Iterator[Record]:
    """The record headers from offset `start` up to `stop`, without a look at their payloads."""
    while start < stop and (record := read_record(fd, segment, start)) is not None:
        yield record
        start += padded(record.length)


def _read(fd: int, length: int, offset: int) -> bytes:
    for _ in range(_READS):
        try:
            return os.pread(fd, length, offset)
        except OSError:
            log.exception("cannot read %d bytes at offset %d of a segment", length, offset)
    # Bytes that the disk does not give back are as lost as changed ones, and fail the same checksum.
    return b""
