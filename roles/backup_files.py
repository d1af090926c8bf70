"""The files of a backup: objects that are copied once and proven, and the list of them."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from domain.errors import ConfigurationError, Permanent
from store.objects import DirectoryStore

SAID = "backup.json"
OBJECTS = "objects"
# What a backup that was broken off may have left, and a disk of its own has.
_OWN = re.compile(
    r"objects|spool|seal|settings\.toml|identity\.key|(database|objects)-\w+\.(dump|txt)|.*\.new|lost\+found"
)
_PIECE = 4 << 20
_DIGEST = 64  # letters of SHA-256


@dataclass(frozen=True)
class Listed:
    """An object of a backup."""

    key: str
    digest: str
    bytes: int


def refuse_place(folder: Path, data: Path) -> None:
    """Raises ConfigurationError for a folder in DATA or above it, of somebody else's files, or not to be looked at."""
    place, node = folder.resolve(), data.resolve()
    if place.is_relative_to(node) or node.is_relative_to(place):
        raise ConfigurationError(
            f"{folder} and the data folder {data} lie in one another, and would be lost together: name a folder of"
            " its own on another disk, such as /backup/node"
        )
    try:
        names = [one.name for one in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _unusable(folder, error) from error
    others = sorted(one for one in names if not _OWN.fullmatch(one))
    if others and SAID not in names:
        raise ConfigurationError(
            f"{folder} holds other files ({others[0]!r}): a backup has a folder of its own, closed to everybody but"
            f" its owner, such as {folder / 'node'}"
        )


def make_private(folder: Path) -> None:
    """A folder that is its owner's alone; raises ConfigurationError where there is none to be had."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise _unusable(folder, error) from error


def _unusable(folder: Path, error: OSError) -> ConfigurationError:
    remedy = ": run this as whom the folder is for, or name another" if isinstance(error, PermissionError) else ""
    return ConfigurationError(f"{folder} cannot be used: {error.strerror}{remedy}")


def keys(objects: Path) -> Iterator[str]:
    """The keys of all objects, in one order; drafts are none."""
    for where, folders, names in os.walk(objects):
        folders.sort()
        for name in sorted(names):
            if not name.startswith("."):
                yield str((Path(where) / name).relative_to(objects))


def copy(source: Path, target: Path, known: dict[str, Listed], damaged: list[str]) -> Iterator[Listed]:
    """Every object of `source` into `target`, those alone that are not there already with their digest.

    `known` is the list of the backup before. What is removed meanwhile is passed over; what is not what its name says
    is copied as it is, and its key added to `damaged`.
    """
    store = DirectoryStore(target)
    target.mkdir(mode=0o700, exist_ok=True)
    for key in keys(source):
        before = known.get(key)
        if before is not None and _digest(target / key) == (before.digest, before.bytes):
            yield before
            continue
        with suppress(FileNotFoundError):
            found = _copied(source / key, store, key)
            if _named_digest(key) not in ("", found.digest):
                damaged.append(key)
            yield found
    store.sync()


def put_back(source: Path, target: Path, listed: Iterable[Listed]) -> None:
    """The listed objects into a store that has none; raises Permanent at the first that is not what the list says."""
    store = DirectoryStore(target)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for one in listed:
        try:
            found = _copied(source / one.key, store, one.key)
        except FileNotFoundError as error:
            raise Permanent(f"the backup lacks the object {one.key}") from error
        if found != one:
            raise Permanent(f"the object {one.key} of the backup is damaged: its digest is {found.digest}")
    store.sync()


def write_list(file: Path, listed: Iterable[Listed]) -> tuple[int, int]:
    """A line an object: digest, bytes, key; how many there are, and their bytes."""
    count = size = 0
    with file.open("x") as lines:
        for one in listed:
            lines.write(f"{one.digest} {one.bytes} {one.key}\n")
            count, size = count + 1, size + one.bytes
        lines.flush()
        os.fsync(lines.fileno())
    return count, size


def read_list(file: Path) -> Iterator[Listed]:
    """The objects of a list, in its order."""
    with file.open() as lines:
        for line in lines:
            digest, size, key = line.rstrip("\n").split(" ", 2)
            yield Listed(key, digest, int(size))


def file_digest(file: Path) -> str:
    """SHA-256 of a file; raises Permanent where there is none."""
    found = _digest(file)
    if found is None:
        raise Permanent(f"{file} is missing or cannot be read")
    return found[0]


def _copied(file: Path, store: DirectoryStore, key: str) -> Listed:
    sha256, size = hashlib.sha256(), 0

    def pieces() -> Iterator[bytes]:
        nonlocal size
        while piece := opened.read(_PIECE):
            sha256.update(piece)
            size += len(piece)
            yield piece

    with file.open("rb") as opened:
        store.put(key, pieces())
    return Listed(key, sha256.hexdigest(), size)


def _named_digest(key: str) -> str:
    """The digest in the name of a DICOM object, "" where it has none: masks and maps are named by another."""
    name = Path(key).name
    return name.removesuffix(".dcm") if name.endswith(".dcm") and len(name) == _DIGEST + 4 else ""


def _digest(file: Path) -> tuple[str, int] | None:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest(), file.stat().st_size
    except OSError:
        return None
