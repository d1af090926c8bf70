"""Reading one segment, use after use, and keeping its checkpoint."""

import logging
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crc32c import crc32c

from dicom_node.spool.entries import Mark
from dicom_node.spool.errors import DamagedRecord
from dicom_node.spool.records import HEADER, PAGE, Kind, Record, padded
from dicom_node.spool.segment import (
    NO_RUN,
    RECORDS,
    Checkpoint,
    SegmentHeader,
    find_record,
    parse_header,
    read_checkpoint,
    read_record,
    write_checkpoint,
)
from domain.errors import Unavailable

log = logging.getLogger(__name__)

_UNUSED = SegmentHeader(0, 0, 0, NO_RUN, bytes(16))


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
    """One segment as the reader sees it.

    `offset` is the reader's place, `current` the last record of the association that holds the segment there (None
    between associations), `promised` an offset up to which records exist for certain, because a later one says so.
    """

    def __init__(self, listener: int, path: Path) -> None:
        self.listener = listener
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_DSYNC)
        self.header = _UNUSED
        self.offset = RECORDS
        self.promised = 0
        self.current: Record | None = None
        self.ended = True
        self._page = b""
        self._marks: deque[Mark] = deque()
        self._checkpoint = Checkpoint(0, RECORDS, finished=True)

    @property
    def finished(self) -> bool:
        """Whether this use of the segment is over and taken over, durably so."""
        return self._checkpoint.finished

    def refresh(self) -> None:
        """Notice the segment's next use; begins at its checkpoint."""
        page = os.pread(self.fd, PAGE, 0)
        if page == self._page:
            return
        self._page = page
        header = parse_header(page)
        if header is None:
            log.error("%s has a damaged header: nothing in it can be read", self.path)
            return
        if header.epoch in (0, self.header.epoch):
            return
        self.header = header
        self._checkpoint = read_checkpoint(self.fd, header.epoch)
        self._marks.clear()
        self.offset, self.promised = self._checkpoint.offset, 0
        self.ended = self._checkpoint.finished
        self.current = None if self.ended else self._recall()

    def look(self, *, over: bool) -> Found | None:
        """What lies at `offset`, or None where nothing whole does yet.

        `over` says that the writer is gone: what is not whole never will be, and what follows it proves that it was.
        """
        record = read_record(self.fd, self.header, self.offset)
        if record is not None:
            end = self.offset + padded(record.length)
            payload = _read(self.fd, record.length, self.offset + HEADER)
            if crc32c(payload) == record.payload_crc:
                return Found(record, payload, end)
            if read_record(self.fd, self.header, end) is not None:
                return Found(record, b"", end, damaged=True)
        if over or self.offset < self.promised:
            after = find_record(self.fd, self.header, self.offset + PAGE)
            return Found(record, b"", after, damaged=True) if after else None
        return None

    def take(self, found: Found) -> Mark:
        """Go past `found`; its mark must be done before the checkpoint can pass it."""
        self.offset = found.end
        if found.record is not None:
            self._track(found.record)
        return self.mark()

    def mark(self) -> Mark:
        """A mark at the present place."""
        mark = Mark(self, self.offset)
        self._marks.append(mark)
        return mark

    def end(self) -> None:
        """No record will follow in this use."""
        self.ended = True
        self.current = None
        self.advance()

    def advance(self) -> None:
        offset = self._checkpoint.offset
        while self._marks and self._marks[0].done:
            offset = self._marks.popleft().end
        reached = Checkpoint(self.header.epoch, offset, self.ended and not self._marks)
        if reached == self._checkpoint:
            return
        try:
            write_checkpoint(self.fd, reached)
        except OSError as error:
            raise Unavailable(f"checkpoint of {self.path} cannot be written: {error}") from error
        self._checkpoint = reached

    def piece(self, record: Record, end: int) -> Piece:
        """The payload of the record that ends at `end`, for later."""
        return Piece(self.fd, end - padded(record.length) + HEADER, record.length, record.payload_crc)

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)

    def _recall(self) -> Record | None:
        for record in headers(self.fd, self.header, RECORDS, self.offset):
            self._track(record)
        return self.current

    def _track(self, record: Record) -> None:
        if record.kind is Kind.ASSOCIATION_CLOSED:
            self.current = None
        elif record.association != self.header.run:
            self.current = record


def headers(fd: int, segment: SegmentHeader, start: int, stop: int) -> Iterator[Record]:
    """The record headers from offset `start` up to `stop`, without a look at their payloads."""
    while start < stop and (record := read_record(fd, segment, start)) is not None:
        yield record
        start += padded(record.length)


def _read(fd: int, length: int, offset: int) -> bytes:
    try:
        return os.pread(fd, length, offset)
    except OSError:
        # Bytes that the disk does not give back are as lost as changed ones, and fail the same checksum.
        log.exception("cannot read %d bytes at offset %d of a segment", length, offset)
        return b""
