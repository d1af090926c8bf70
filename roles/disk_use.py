"""What lies in the data folder, by kind, and how much room its file systems have."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from config import metrics
from config.settings import Settings
from domain.disk import Use
from roles.data_folder import DATABASE
from roles.parts import ENGINES, IMAGES, MAPS, MASKS, RESULTS, SPOOL, WORK

_BLOCK = 512  # bytes of st_blocks (stat(2)), whatever the file system has
# By the folder: what people call it, and whether it grows with the images for ever.
KINDS: Mapping[str, tuple[str, bool]] = {
    IMAGES: ("images", True),
    MASKS: ("masks", True),
    MAPS: ("maps", True),
    RESULTS: ("results", True),
    DATABASE: ("database", True),
    SPOOL: ("spool", False),
    WORK: ("work", False),
    ENGINES: ("engines", False),
}
_MEASURED = {"objects": IMAGES, "database": DATABASE}  # of the spool, the listener says it


def uses(settings: Settings) -> list[Use]:
    """What each folder of the data folder takes; what is not there is left out, and what is closed to us."""
    return [one for folder, _ in KINDS.items() if (one := _use(settings.data, folder)) is not None]


def space(folder: Path) -> tuple[int, int]:
    """Bytes that an ordinary user may still write where `folder` lies, and bytes of that file system."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def objects_space(settings: Settings) -> int:
    """Bytes that may still be written where images lie; raises OSError where there is no such folder."""
    folder = settings.data / IMAGES
    return space(folder if folder.is_dir() else settings.data)[0]


def publish_space(settings: Settings) -> None:
    """The metric of what is free: of each folder that the index fills and that this process can see."""
    for name, folder in _MEASURED.items():
        with suppress(OSError):
            metrics.disk_free.labels(name).set(space(settings.data / folder)[0])


def _use(data: Path, folder: str) -> Use | None:
    kind, grows = KINDS[folder]
    try:
        system = (data / folder).stat().st_dev
        found = [one.st_blocks * _BLOCK for one in _files(data / folder)]
    except OSError:
        return None
    return Use(kind, sum(found), len(found), system, sum(found) if grows else 0)


def _files(folder: Path) -> Iterator[os.stat_result]:
    """Of what is written and removed meanwhile, what is there when it is looked at."""
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(Path(entry.path))
                else:
                    yield entry.stat(follow_symlinks=False)
