"""How much of the spool is not yet in the index; for metrics, readiness and `status`. Reads only, needs no lock."""

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from dicom_node.spool.follower import headers
from dicom_node.spool.records import Kind, padded
from dicom_node.spool.segment import RECORDS, listener_folders, read_checkpoint, read_header, segment_files


@dataclass(frozen=True)
class Backlog:
    """What was acknowledged and is not yet checkpointed, over all listener processes.

    `oldest_ns` is when the oldest of it came (ns since 1970 UTC), None where there is none.
    """

    records: int
    bytes: int
    oldest_ns: int | None

    def age(self, now_ns: int) -> float:
        """Seconds since the oldest of it came; 0.0 where there is none."""
        return 0.0 if self.oldest_ns is None else max(0.0, (now_ns - self.oldest_ns) / 1e9)


class BacklogMeter:
    """Measures the spool under `root` (`<data>/spool`), remembering what it has counted; for one thread at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._scouts: dict[Path, _Scout] = {}

    def measure(self) -> Backlog:
        """The backlog now; nothing where the spool does not exist yet."""
        folders = listener_folders(self._root) if self._root.is_dir() else []
        paths = {path for _, folder in folders for _, path in segment_files(folder)}
        for path in self._scouts.keys() - paths:
            self._scouts.pop(path).close()
        for path in paths - self._scouts.keys():
            self._scouts[path] = _Scout(path)
        for scout in self._scouts.values():
            scout.look()
        waiting = [scout.waiting for scout in self._scouts.values() if scout.waiting]
        return Backlog(
            records=sum(map(len, waiting)),
            bytes=sum(length for queue in waiting for _, length, _ in queue),
            oldest_ns=min((queue[0][2] for queue in waiting), default=None),
        )

    def close(self) -> None:
        """Close the files."""
        for scout in self._scouts.values():
            scout.close()
        self._scouts.clear()


class _Scout:
    """What of one segment is `waiting`: end, bytes of payload and time of each record after the checkpoint."""

    def __init__(self, path: Path) -> None:
        self.waiting: deque[tuple[int, int, int]] = deque()
        self._fd = os.open(path, os.O_RDONLY)
        self._epoch = 0
        self._seen = RECORDS

    def look(self) -> None:
        header = read_header(self._fd)
        if header is None:
            return
        checkpoint = read_checkpoint(self._fd, header.epoch)
        if header.epoch != self._epoch:
            self.waiting.clear()
            self._epoch, self._seen = header.epoch, checkpoint.offset
        if not checkpoint.finished:
            for record in headers(self._fd, header, self._seen, header.size):
                self._seen += padded(record.length)
                if record.kind is not Kind.SEGMENT_ENDED:
                    self.waiting.append((self._seen, record.length, record.received_ns))
        while self.waiting and self.waiting[0][0] <= checkpoint.offset:
            self.waiting.popleft()

    def close(self) -> None:
        os.close(self._fd)
