"""The object store: bytes under a key, written whole or not at all.

Keys are relative paths made by the node (never a UID or a name as received). `sync` is the barrier after which
everything put before survives a loss of power; many puts share one.
"""

import ctypes
import os
import weakref
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Protocol

from domain.errors import Permanent, Retryable
from store.drafts import draft_of

Buffer = bytes | bytearray | memoryview

# Keys of more parts have a folder of their study's own, which would be left with nothing in it.
_OF_STUDY = 3
_NO_PARTS = frozenset(("", ".", ".."))  # of a key
_LIBC = ctypes.CDLL(None, use_errno=True)


class ObjectStore(Protocol):
    """What the node needs of a place for bytes."""

    def put(self, key: str, parts: Iterable[Buffer]) -> None:
        """Store the concatenation of `parts` under `key`, replacing what was there; Retryable where it cannot."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes under `key`; raises Permanent where there are none."""
        ...

    def path(self, key: str) -> Path:
        """A local file that holds the bytes under `key`, for readers that want a file."""
        ...

    def exists(self, key: str) -> bool:
        """Whether something is stored under `key`."""
        ...

    def delete(self, key: str) -> None:
        """Remove what is under `key`, if anything is, while nobody puts one beside it; Retryable where it cannot."""
        ...

    def sync(self) -> None:
        """Return once every earlier `put` would survive a loss of power."""
        ...


class DirectoryStore:
    """Objects as files under one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._descriptors: tuple[int, ...] = ()

    def put(self, key: str, parts: Iterable[Buffer]) -> None:
        target = self._place(key)
        self._open()
        # Another process, on another host too where the folder is shared, may write the same object at this moment.
        draft = draft_of(target)
        try:
            with _created(draft) as file:
                for part in parts:
                    _write_all(file.fileno(), part)
            os.replace(draft, target)  # noqa: PTH105 - a Path of each costs more than the call
        except BaseException as error:
            with suppress(OSError):
                Path(draft).unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise Retryable(f"object store: {error.strerror} while writing under {self._root}") from error
            raise

    def get(self, key: str) -> bytes:
        try:
            return self.path(key).read_bytes()
        except FileNotFoundError as error:
            raise Permanent(f"object {key} is not in the store") from error
        except OSError as error:
            raise Retryable(f"object store: {error.strerror} while reading {key}") from error

    def path(self, key: str) -> Path:
        return Path(self._place(key))

    def exists(self, key: str) -> bool:
        return self.path(key).is_file()

    def delete(self, key: str) -> None:
        file = self.path(key)
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise Retryable(f"object store: {error.strerror} while removing {key}") from error
        if len(file.relative_to(self._root).parts) > _OF_STUDY:
            with suppress(OSError):  # others of the study are in it
                file.parent.rmdir()

    def sync(self) -> None:
        """One syncfs(2) for all files: an fsync each costs more than the instance itself.

        After it has failed, what was put since the last success has to be put again: the kernel may have dropped it.
        """
        for descriptor in self._open():
            if _LIBC.syncfs(descriptor):
                raise Retryable(f"object store: {os.strerror(ctypes.get_errno())} while syncing {self._root}")

    def _place(self, key: str) -> str:
        if not _NO_PARTS.isdisjoint(key.split("/")):
            raise Permanent(f"{key!r} is not a key")
        return f"{self._root}/{key}"

    def _open(self) -> tuple[int, ...]:
        """A descriptor for good of each file system: the kernel reports a failed write-back to those open at the time.

        Each folder of the root may be another one, mounted there before the node began.
        """
        if not self._descriptors:
            try:
                folders = (self._root, *(one for one in sorted(self._root.iterdir()) if one.is_dir()))
                systems = {one.stat().st_dev: one for one in reversed(folders)}
                self._descriptors = tuple(os.open(one, os.O_RDONLY) for one in systems.values())
            except OSError as error:
                raise Retryable(f"object store: {error.strerror} at {self._root}") from error
            for one in self._descriptors:
                weakref.finalize(self, os.close, one)
        return self._descriptors


def _created(path: str) -> FileIO:
    """The new file at `path`, in a folder that is made where it is missing: one system call for all but the first."""
    try:
        return FileIO(path, "wb")
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return FileIO(path, "wb")


def _write_all(descriptor: int, part: Buffer) -> None:
    view = memoryview(part)
    while view:
        view = view[os.write(descriptor, view) :]
