"""The folder of a process that runs models: its parent makes it, bounds it, takes results out of it, and removes it.

What a killed process leaves goes with the folder; what a killed node leaves, with the next process that starts here:
each parent holds a lock on its own, which ends with it.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from domain.errors import Permanent
from inference_worker.walls.plan import STRANGER

_PREFIX = "model-process-"
# A whole-body bundle's weights, a long series in floats and a hundred classes of it stay far below.
ROOM = 32 * 1024**3


class Scratch:
    """A folder below `place` (by default that for temporary files) with room for `room` bytes.

    Where this process is root, it belongs to the user that models run as.
    """

    def __init__(self, place: Path | None = None, room: int = 0) -> None:
        self.room = room or ROOM
        place = (place or Path(tempfile.gettempdir())).absolute()
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        self._held = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for name in ("view", "results"):
            (self.folder / name).mkdir(mode=0o700)
        if os.geteuid() == 0:
            for one in (self.folder, self.folder / "view", self.folder / "results"):
                os.chown(one, STRANGER, STRANGER)

    def overfull(self) -> bool:
        """Whether what lies in it takes all of its room."""
        return sum(_sizes(self.folder)) >= self.room

    def result(self, name: str) -> Path:
        """Where the process writes a result called `name`."""
        return self.folder / "results" / name

    def take(self, name: str, target: Path) -> None:
        """Move a result to `target`; raises Permanent where the process left no plain file under that name."""
        source = self.result(name)
        try:
            try:
                source.rename(target)
            except OSError as error:
                if error.errno != 18:  # EXDEV: on another file system
                    raise
                _copy(source, target)
        except OSError as error:
            raise Permanent(f"the model left no result {name!r}: {error.strerror}") from error
        found = target.lstat()  # out of its reach by now
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            shutil.rmtree(target) if stat.S_ISDIR(found.st_mode) else target.unlink()
            raise Permanent(f"the model left no plain file as its result {name!r}")

    def remove(self) -> None:
        """Remove it with all that it holds. The process must have ended."""
        if self._held >= 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._held)
            self._held = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def _copy(source: Path, target: Path) -> None:
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as read, target.open("xb") as written:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            shutil.copyfileobj(read, written)


def _sizes(folder: Path) -> list[int]:
    found = []
    for inside, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # removed meanwhile
                found.append((Path(inside) / name).lstat().st_blocks * 512)
    return found


def _sweep(place: Path) -> None:
    """Remove the folders whose parents are gone."""
    for folder in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
