"""Files and folders that settings name: are they there, and are they what they must be? Looks at the disk."""

from collections.abc import Iterator
from pathlib import Path

from config.settings import Settings


def missing_places(settings: Settings) -> Iterator[str]:
    """A line for each that no role could use, with the setting's name; what the node makes itself may be absent."""
    yield from _data(settings.data.absolute())
    if settings.models.folder is not None:
        yield from _wrong("models.folder", settings.models.folder, folder=True)
    if settings.models.rules is not None:
        yield from _wrong("models.rules", settings.models.rules, folder=False)


def _data(folder: Path) -> Iterator[str]:
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if nearest == folder and not folder.is_dir():
        yield f"data: {folder} is a file, and a folder is needed"
    elif not nearest.is_dir():
        yield f"data: {folder} cannot be a folder: {nearest} is a file"


def _wrong(name: str, place: Path, *, folder: bool) -> Iterator[str]:
    if not place.exists():
        yield f"{name}: {place} is not there"
    elif place.is_dir() is not folder:
        yield f"{name}: {place} is no {'folder' if folder else 'file'}"
