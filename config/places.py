"""Files and folders that settings name: are they there, what they must be, and large enough? Looks at the disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from config.settings import Settings


def missing_places(settings: Settings) -> Iterator[str]:
    """A line for each that no role could use, with the setting's name; what the node makes itself may be absent."""
    yield from _data(settings.data.absolute())
    yield from _disk(settings)
    if settings.models.folder is not None:
        yield from _wrong("models.folder", settings.models.folder, folder=True)
    if settings.models.rules is not None:
        yield from _wrong("models.rules", settings.models.rules, folder=False)
    for name in ("ca", "password_file", "token_file"):
        if (file := getattr(settings.bus, name)) is not None:
            yield from _wrong(f"bus.{name}", file, folder=False)


def _data(folder: Path) -> Iterator[str]:
    nearest = _nearest(folder)
    if nearest == folder and not folder.is_dir():
        yield f"data: {folder} is a file, and a folder is needed"
    elif not nearest.is_dir():
        yield f"data: {folder} cannot be a folder: {nearest} is a file"


def _nearest(folder: Path) -> Path:
    """What is there of it: itself, or the folder in which it is still to be made."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _disk(settings: Settings) -> Iterator[str]:
    """A spool that can fill only while its floor stays free has no room on a disk that is smaller than both."""
    spool, processes, place = settings.spool, settings.listener.processes, _nearest(settings.data.absolute())
    wanted, total = spool.disk_floor + spool.capacity * processes, shutil.disk_usage(place).total
    if wanted > total:
        yield (
            f"spool.disk_floor ({spool.disk_floor}) and spool.capacity ({spool.capacity}) of each of"
            f" listener.processes ({processes}) are {wanted} bytes, and the whole disk of {place} has {total}"
        )


def _wrong(name: str, place: Path, *, folder: bool) -> Iterator[str]:
    if not place.exists():
        yield f"{name}: {place} is not there"
    elif place.is_dir() is not folder:
        yield f"{name}: {place} is no {'folder' if folder else 'file'}"
