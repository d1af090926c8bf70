"""The indexer's side of the spool."""

import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from dicom_node.spool.doorbell import DoorbellListener
from dicom_node.spool.entries import Entry, Marked, settle
from dicom_node.spool.follower import Follower, Found
from dicom_node.spool.identity import identity
from dicom_node.spool.reassembly import Reassembly, lost, missing
from dicom_node.spool.records import PART, WITH_DATA, Kind, Record
from dicom_node.spool.roster import Roster, Standing
from dicom_node.spool.runlock import ProcessLock, living_run
from dicom_node.spool.segment import listener_folders, segment_files

_SCAN = 0.2  # s between looks of its own, for rings that were lost
# Entries of one look: thousands of small ones take minutes to be filed where a disk is slow, and who asks whether the
# reader moves shall see it.
_MOST = 2000
_LIST = 0.05  # s between looks for new files, which costs more than a look into those that are known


class SpoolReader:
    """Follows the spools of all listener processes under `root` (`<data>/spool`); one reader at a time, in one thread.

    `identity` is this spool's on every start and no other's. Usable as a context manager. Raises Unavailable where
    another process reads the spool.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._lock = ProcessLock(root / "reader")
        self.identity = identity(root)
        self._doorbell = DoorbellListener(root)
        self._followers: dict[tuple[int, int], Follower] = {}
        self._rosters: dict[int, Roster] = {}
        self._reassembly = Reassembly(self._has_taken)
        self._next_list = 0.0

    def poll(self, timeout: float, limit: int = 32 << 20) -> list[Entry]:
        """The next entries, about `limit` bytes of data sets or 2000 at most; [] after `timeout` s without any.

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

    def checkpoint(self, entries: Iterable[Marked]) -> None:
        """Declare that all of `entries` are synced and committed; durable on return. Raises Unavailable.

        Any order and any subset: a segment's checkpoint moves up to its first entry that was not declared. What it has
        passed never comes again, and a segment that holds nothing else becomes free for the listener.
        """
        settle(mark for entry in entries for mark in entry.marks)

    def rewind(self) -> None:
        """Begin again at the checkpoints, as after a restart: what was not declared comes once more."""
        self._let_go()
        self._rosters.clear()
        self._reassembly = Reassembly(self._has_taken)
        self._next_list = 0.0

    def close(self) -> None:
        """Let go of the spool."""
        self._let_go()
        self._doorbell.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _let_go(self) -> None:
        for follower in self._followers.values():
            follower.close()
        self._followers.clear()

    def _collect(self, limit: int) -> tuple[list[Entry], bool]:
        self._catch_up()
        self._look_for_segments()
        entries: list[Entry] = []
        size, moved = 0, False
        active = [follower for follower in self._followers.values() if not follower.ended]
        goes_on = True
        while goes_on and size < limit and len(entries) < _MOST:
            goes_on = False
            # One whose record is not due stays among them: the others may bring what it waits for.
            active = [follower for follower in active if not follower.ended and follower.look(over=False) is not None]
            for follower in active:
                if (found := self._due(follower, over=False)) is not None:
                    goes_on = moved = True
                    new = self._entries(follower, found)
                    entries += new
                    size += sum(min(entry.size, PART) for entry in new)
        if not moved:
            entries, moved = self._settle_order()
        if not moved:
            entries, moved = self._bury()
        return entries, moved

    def _catch_up(self) -> None:
        for follower in self._followers.values():
            if follower.is_behind:
                follower.advance()

    def _look_for_segments(self) -> None:
        if time.monotonic() >= self._next_list:
            self._list()
            self._next_list = time.monotonic() + _LIST
        self._refresh()

    def _look_everywhere(self) -> bool:
        """List and look anew, whenever that was done last; whether a segment or a use of one is new."""
        known = set(self._followers)
        self._list()
        return self._refresh() or bool(self._followers.keys() - known)

    def _list(self) -> None:
        folders = dict(listener_folders(self._root))
        files = {
            (listener, number): path for listener, folder in folders.items() for number, path in segment_files(folder)
        }
        for key in self._followers.keys() - files.keys():
            follower = self._followers[key]
            # A file that the writer has removed held nothing that was proven and not taken over.
            if follower.finished or (follower.is_idle and follower.look(over=False) is None):
                self._followers.pop(key).close()
        for key, path in files.items():
            if key not in self._followers:
                roster = self._roster(key[0], path.parent)
                self._followers[key] = Follower(key[0], path, roster)

    def _roster(self, listener: int, folder: Path) -> Roster:
        if listener not in self._rosters:
            self._rosters[listener] = Roster(listener, folder)
        return self._rosters[listener]

    def _has_taken(self, association: UUID, sequence: int) -> bool:
        return any(roster.has_taken(association, sequence) for roster in self._rosters.values())

    def _refresh(self) -> bool:
        new = [follower for follower in self._followers.values() if follower.finished and follower.refresh()]
        for follower in new:
            if not follower.ended:
                self._recall(follower)
        if new:
            self._reassembly.retain(lambda one: any(roster.knows(one) for roster in self._rosters.values()))
        return bool(new)

    def _recall(self, follower: Follower) -> None:
        roster = self._rosters[follower.listener]
        for record in follower.passed():
            roster.recall(record, follower.header.run, follower.use)
            self._reassembly.recall(record)

    def _due(self, follower: Follower, *, over: bool) -> Found | None:
        found = follower.look(over=over)
        if found is None or found.record is None:
            return found
        return found if self._is_due(follower, found.record) else None

    def _entries(self, follower: Follower, found: Found) -> list[Entry]:
        record, roster = found.record, self._rosters[follower.listener]
        mark = follower.take(found)
        if record is None:
            roster.excuse(follower.use)
        elif record.kind is Kind.SEGMENT_ENDED:
            mark.done = True
            follower.end()
            return []
        elif (standing := roster.take(record, follower.header.run, follower.use)) is not Standing.NEXT:
            is_part = standing is Standing.COPY and record.kind is Kind.PART
            settle(self._reassembly.add_part(follower, found, record, mark) if is_part else (mark,))
            return []
        entry, abandoned = self._reassembly.add(follower, found, mark)
        if entry is None and record is not None and record.kind in WITH_DATA:
            roster.take_again(record, mark)
        settle(abandoned)
        return [entry] if entry else []

    def _settle_order(self) -> tuple[list[Entry], bool]:
        """Go on where records wait for others that were written before them and that do not come.

        Those others were durable before, so that a look at everything finds them if they are anywhere. Where they are
        not, an earlier life of the reader took them over, or their write failed, or they are damaged.
        """
        heads = self._heads()
        if any(self._is_due(*head) for head in heads):
            return [], True  # it came since the last look
        if not heads:
            return [], False
        if self._look_everywhere():
            return [], True
        for follower in self._followers.values():
            # No write is under way where a later one of the same association is on disk.
            if not follower.ended and follower.look(over=False) is None and self._was_left(follower, heads):
                found = follower.look(over=True)
                if found is not None:
                    return self._entries(follower, found), True
        return self._pass_over(heads)

    def _heads(self) -> list[tuple[Follower, Record]]:
        """What lies at the reader's place in each segment."""
        active = [follower for follower in self._followers.values() if not follower.ended]
        found = [(follower, follower.look(over=False)) for follower in active]
        return [(follower, one.record) for follower, one in found if one is not None and one.record is not None]

    def _is_due(self, follower: Follower, record: Record) -> bool:
        return self._rosters[follower.listener].is_due(record, follower.header.run)

    def _was_left(self, follower: Follower, waiting: list[tuple[Follower, Record]]) -> bool:
        roster = self._rosters[follower.listener]
        return any(
            one.listener == follower.listener and roster.is_in(record.association, follower.use)
            for one, record in waiting
        )

    def _pass_over(self, waiting: list[tuple[Follower, Record]]) -> tuple[list[Entry], bool]:
        entries, moved = [], False
        lowest = self._lowest()
        for follower, record in waiting:
            if record.attempt <= lowest.get(record.association, record.attempt):
                moved = True
                roster = self._rosters[follower.listener]
                if roster.pass_over(record, follower.header.run):
                    entries.append(missing(follower, record, follower.mark()))
        return entries, moved

    def _lowest(self) -> dict[UUID, int]:
        """The first attempt of each association that can be read, in whichever segment."""
        lowest: dict[UUID, int] = {}
        for follower in self._followers.values():
            # Behind what is not whole nothing can be read, and it will never be what others wait for.
            if not follower.ended and follower.look(over=False) is not None:
                for record in follower.ahead():
                    lowest[record.association] = min(record.attempt, lowest.get(record.association, record.attempt))
        return lowest

    def _bury(self) -> tuple[list[Entry], bool]:
        """End the segments that nobody writes to any more, and close the associations that a dead writer left open."""
        living = self._living()
        over = [follower for follower in self._followers.values() if self._is_over(follower, living)]
        if not over and not any(roster.has_left_open(living[key]) for key, roster in self._rosters.items()):
            return [], False
        # What a writer wrote before its end is there by now, in segments that were perhaps not yet seen.
        if self._look_everywhere():
            return [], True
        entries: list[Entry] = []
        moved = False
        for follower in over:
            while (found := self._due(follower, over=True)) is not None:
                entries += self._entries(follower, found)
                moved = True
        for follower in over:
            if follower.look(over=True) is None:
                follower.end()
                moved = True
        if not over:
            entries = [entry for key, roster in self._rosters.items() for entry in self._losses(roster, living[key])]
        return entries, moved or bool(entries)

    def _living(self) -> dict[int, UUID | None]:
        return {listener: living_run(roster.folder / "run") for listener, roster in self._rosters.items()}

    def _is_over(self, follower: Follower, living: dict[int, UUID | None]) -> bool:
        return not follower.ended and (follower.header.run != living[follower.listener] or follower.is_cut)

    def _losses(self, roster: Roster, living: UUID | None) -> list[Entry]:
        entries = []
        for association, mark in roster.left_open(living):
            settle(self._reassembly.abandon(association.last.association))
            entries.append(lost(roster.listener, association.last, mark))
        return entries
