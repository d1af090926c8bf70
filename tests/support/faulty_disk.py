"""A disk that fails when it is told to: an error says nothing of what is on disk."""

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from threading import current_thread

import pytest

from dicom_node.spool.segment import RECORDS


class Fault(StrEnum):
    """What a failing write leaves behind."""

    NOTHING = "nothing"
    EVERYTHING = "everything"
    HALF = "half"
    SEEN = "everything, and the reader looks before the writer knows"
    SHORT = "a short write"


class FaultyDisk:
    """Counts the writes of records and of segments' headers and fails those that `faults` names."""

    def __init__(self) -> None:
        self.writes = 0
        self.faults: Mapping[int, Fault] = {}
        self.look: Callable[[], None] = lambda: None
        self.only: Callable[[int, bytes], bool] = lambda offset, data: True
        self._pwrite = os.pwrite

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        """Stands in for os.pwrite. Checkpoints, and the zeroes of new segments, are not its business."""
        counted = offset == 0 or offset >= RECORDS
        if current_thread().name == "spool-steward" or not counted or not self.only(offset, bytes(data[:512])):
            return self._pwrite(fd, data, offset)
        self.writes += 1
        fault = self.faults.get(self.writes)
        if fault is None:
            return self._pwrite(fd, data, offset)
        kept = {Fault.NOTHING: 0, Fault.HALF: len(data) // 2, Fault.SHORT: len(data) // 2}.get(fault, len(data))
        self._pwrite(fd, data[:kept], offset)
        if fault is Fault.SEEN:
            self.look()
        if fault is Fault.SHORT:
            return kept
        raise OSError(errno.EIO, "Input/output error")


@contextmanager
def faulty_disk() -> Iterator[FaultyDisk]:
    """All writes go by it while the block lasts."""
    disk = FaultyDisk()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwrite", disk.pwrite)
        yield disk
