"""The indexer's side of the log."""

import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from dicom_node.spool.doorbell import DoorbellListener
from dicom_node.spool.entries import Entry, Holder, Mark
from dicom_node.spool.follower import Follower, Found
from dicom_node.spool.reassembly import Assembly, lost
from dicom_node.spool.records import PART, Kind, Record
from dicom_node.spool.runlock import ProcessLock, living_run
from dicom_node.spool.segment import listener_folders, segment_files

_SCAN = 0.2  # s between looks of its own, for rings that were lost
_LIST = 0.05  # s between looks for new files, which costs more than a look into those that are known


class SpoolReader:
    """Follows the logs of all listener processes under `root` (`<data>/spool`); one reader at a time, in one thread.

    Usable as a context manager. Raises Unavailable where another process reads the log.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._lock = ProcessLock(root / "reader")
        self._doorbell = DoorbellListener(root)
        self._followers: dict[tuple[int, int], Follower] = {}
        self._assembly = Assembly()
        self._moved: set[tuple[int, int, int]] = set()
        self._next_list = 0.0

    def poll(self, timeout: float, limit: int = 32 << 20) -> list[Entry]:
        """The next entries, about `limit` bytes of data sets at most; [] after `timeout` seconds without any.

        Returns as soon as there is one. An instance in several parts counts as one, because its parts are read only
        when asked for. Never yields bytes whose checksum is wrong.
        """
        deadline = time.monotonic() + timeout
        while True:
            entries, moved = self._collect(limit)
            left = deadline - time.monotonic()
            if entries or (left <= 0 and not moved):
                return entries
            if not moved:
                self._doorbell.wait(min(left, _SCAN))

    def checkpoint(self, entries: Iterable[Entry]) -> None:
        """Declare that all of `entries` are synced and committed; durable on return. Raises Unavailable.

        Any order and any subset: a segment's checkpoint moves up to its first entry that was not declared. What it has
        passed never comes again, and a segment that holds nothing else becomes free for the listener.
        """
        _settle(mark for entry in entries for mark in entry.marks)

    def close(self) -> None:
        """Let go of the log."""
        for follower in self._followers.values():
            follower.close()
        self._followers.clear()
        self._doorbell.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _collect(self, limit: int) -> tuple[list[Entry], bool]:
        self._look_for_segments()
        entries: list[Entry] = []
        size, moved = 0, False
        active = [follower for follower in self._followers.values() if not follower.ended]
        while active and size < limit:
            still = []
            for follower in active:
                if (found := self._next(follower, over=False)) is not None:
                    still.append(follower)
                    new = self._entries(follower, found)
                    entries += new
                    size += sum(min(entry.size, PART) for entry in new)
            moved = moved or bool(still)
            active = still
        if not moved:
            entries, moved = self._bury()
        return entries, moved

    def _look_for_segments(self) -> None:
        if time.monotonic() >= self._next_list:
            self._list()
            self._next_list = time.monotonic() + _LIST
        for follower in self._followers.values():
            if follower.finished:
                follower.refresh()

    def _list(self) -> None:
        files = {
            (listener, number): path
            for listener, folder in listener_folders(self._root)
            for number, path in segment_files(folder)
        }
        for key in self._followers.keys() - files.keys():
            if self._followers[key].finished:
                self._followers.pop(key).close()
        for key, path in files.items():
            if key not in self._followers:
                self._followers[key] = Follower(key[0], path)

    def _next(self, follower: Follower, *, over: bool) -> Found | None:
        found = follower.look(over=over)
        if found is None or (found.record is not None and not self._is_its_turn(follower.listener, found.record)):
            return None
        return found

    def _is_its_turn(self, listener: int, record: Record) -> bool:
        """Whether everything of this association that lies in the segment that it came from has been read."""
        if not record.previous_segment:
            return True
        self._moved.add((listener, record.previous_segment, record.previous_epoch))
        before = self._followers.get((listener, record.previous_segment))
        if before is None or before.header.epoch != record.previous_epoch or before.ended:
            return True
        before.promised = max(before.promised, record.previous_end)
        return before.offset >= record.previous_end

    def _entries(self, follower: Follower, found: Found) -> list[Entry]:
        record = found.record
        entries = self._orphan(follower, record)
        mark = follower.take(found)
        if record is not None and record.kind is Kind.SEGMENT_ENDED:
            mark.done = True
            follower.end()
            return entries
        entry, abandoned = self._assembly.add(follower, found, mark)
        _settle(abandoned)
        return [*entries, entry] if entry else entries

    def _orphan(self, follower: Follower, record: Record | None) -> list[Entry]:
        # An association leaves a segment by its close, or for another segment; a third way is a close that is damaged.
        current = follower.current
        if record is None or current is None or record.association == current.association:
            return []
        return [] if record.kind is Kind.SEGMENT_ENDED else [self._lost(follower, current)]

    def _bury(self) -> tuple[list[Entry], bool]:
        """End the segments whose writer is gone, closing the associations that it left open."""
        dead = self._dead()
        entries: list[Entry] = []
        moved = False
        for follower in dead:
            while (found := self._next(follower, over=True)) is not None:
                entries += self._entries(follower, found)
                moved = True
        for follower in dead:
            if not follower.ended and follower.look(over=True) is None:
                entries += self._last_words(follower)
                follower.end()
                moved = True
        return entries, moved

    def _dead(self) -> list[Follower]:
        followers = [follower for follower in self._followers.values() if not follower.ended]
        folders = {follower.listener: follower.path.parent for follower in followers}
        living = {listener: living_run(folder / "run") for listener, folder in folders.items()}
        return [follower for follower in followers if follower.header.run != living[follower.listener]]

    def _last_words(self, follower: Follower) -> list[Entry]:
        key = (follower.listener, follower.header.number, follower.header.epoch)
        if follower.current is None or key in self._moved:
            return []
        return [self._lost(follower, follower.current)]

    def _lost(self, follower: Follower, last: Record) -> Entry:
        _settle(self._assembly.abandon(last.association))
        return lost(follower, last, follower.mark())


def _settle(marks: Iterable[Mark]) -> None:
    holders: dict[int, Holder] = {}
    for mark in marks:
        mark.done = True
        holders[id(mark.holder)] = mark.holder
    for holder in holders.values():
        holder.advance()
