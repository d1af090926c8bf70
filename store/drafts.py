"""Drafts of objects: how they are named, and how those go that a killed process has left.

Several hosts may share a store, so that a draft goes only where nobody can be writing it any more. Should one all the
same, its `put` fails and is repeated.
"""

import itertools
import logging
import os
import platform
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger(__name__)

_HOST = platform.node().partition(".")[0][:32]
# Seconds without a write after which nobody writes to a draft any more, wherever; and where its process is gone.
# The second is no zero, for containers may share a host's name and see nothing of each other's processes.
_ABANDONED, _ORPHANED = 86400.0, 60.0
# Containers may share host's name and process id: chance tells their processes apart, a number the calls of one.
_CHANCE, _CALLS = secrets.token_hex(4), itertools.count()
_SWEPT = ".swept"  # as old as the last sweep's beginning


def draft_of(target: str) -> str:
    """A path beside `target` that no other process has, on whatever host, and no other call."""
    folder, _, name = target.rpartition("/")
    return f"{folder}/.{name}.{_HOST}.{os.getpid()}.{_CHANCE}{next(_CALLS):x}"


def sweep(root: Path, stopped: Callable[[], bool] = lambda: False) -> int:
    """Remove what nobody will finish under `root`, unless told to stop; how many drafts that were.

    All times are those of the store's own file system. Folders in which nothing was made since the last sweep are
    passed over, so that a store of millions of objects is not listed at each start.
    """
    removed = 0
    try:
        begun = Path(draft_of(str(root / _SWEPT)))
        begun.touch()
        now, since = begun.stat().st_mtime, _last_sweep(root) - 2 * _ABANDONED
        for folder in _folders(root, since):
            if stopped():
                begun.unlink(missing_ok=True)
                return removed
            removed += sum(_remove(draft) for draft in _drafts(folder) if draft != begun and _is_left(draft, now))
        begun.replace(root / _SWEPT)
    except OSError as error:
        _log.warning("drafts in the object store not swept", extra={"reason": error.strerror})
    return removed


def _last_sweep(root: Path) -> float:
    try:
        return (root / _SWEPT).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _folders(folder: Path, since: float) -> Iterator[Path]:
    """`folder` and all below it; one that has no folders of its own only where something was made there since."""
    state = folder.stat()
    if state.st_nlink == 2 and state.st_mtime < since:
        return
    yield folder
    with os.scandir(folder) as found:
        below = [entry.path for entry in found if entry.is_dir(follow_symlinks=False)]
    for path in below:
        yield from _folders(Path(path), since)


def _drafts(folder: Path) -> list[Path]:
    with os.scandir(folder) as found:
        return [folder / entry.name for entry in found if entry.name.startswith(".") and _writer(entry.name)]


def _writer(name: str) -> tuple[str, int] | None:
    """The host and the process that made this draft; None where it is none."""
    parts = name.rsplit(".", 3)
    known = len(parts) == 4 and parts[2].isdecimal() and len(parts[2]) < 10
    return (parts[1], int(parts[2])) if known else None


def _is_left(draft: Path, now: float) -> bool:
    try:
        idle = now - draft.stat().st_mtime
    except FileNotFoundError:
        return False  # it has become an object meanwhile
    return idle > _ABANDONED or (idle > _ORPHANED and _is_gone(draft))


def _is_gone(draft: Path) -> bool:
    """Whether it was made by a process of this host that is there no more."""
    host, pid = _writer(draft.name) or ("", 0)
    if host != _HOST:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # it runs as somebody else
    return False


def _remove(draft: Path) -> bool:
    with suppress(FileNotFoundError):
        draft.unlink()
        return True
    return False
