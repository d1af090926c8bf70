"""Buffers for records on their way to disk, lent to an association only while it has an instance under way."""

import mmap
from collections import deque

from dicom_node.spool.records import PART, padded

# Buffers kept for the next instance. More are given back to the system, which costs the next one fresh pages.
_SPARE = 8


class FramePool:
    """Frames with room for the longest record; usable from all threads."""

    def __init__(self) -> None:
        self._spare: deque[memoryview] = deque()

    def take(self) -> memoryview:
        """A frame, the one that was used last where there is one: its pages are there already."""
        try:
            return self._spare.pop()
        except IndexError:
            # Anonymous memory is touched only as far as instances reach, so that a small sender costs little.
            return memoryview(mmap.mmap(-1, padded(PART)))

    def give_back(self, frame: memoryview) -> None:
        """The instance in `frame` is written or forgotten."""
        if len(self._spare) < _SPARE:
            self._spare.append(frame)
