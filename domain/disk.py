"""What the node's disk holds, how fast that grows, and when it is full: values in, values out."""

from collections.abc import Sequence
from dataclasses import dataclass

#: Seconds of a day.
DAY = 86_400.0
#: Growth is looked at over so many days back.
WINDOW = 7.0
# A shorter time says nothing of a day: what came in an hour is not what comes in each of twenty-four.
_SHORTEST = 1.0


@dataclass(frozen=True)
class Use:
    """What one kind of thing takes: bytes of disk, files, and the file system (st_dev) that it lies on."""

    kind: str
    bytes: int
    files: int
    system: int
    growing: int  # bytes of it that came with the images; 0 for what is bounded


@dataclass(frozen=True)
class TableUse:
    """A table of the database: bytes with its indexes, and about how many rows."""

    table: str
    bytes: int
    rows: int


@dataclass(frozen=True)
class Arrived:
    """Images that the index has: all of them, those of the last WINDOW days, and over how many days these came."""

    instances: int
    bytes: int
    recent_instances: int
    recent_bytes: int
    days: float


@dataclass(frozen=True)
class Free:
    """A file system of the data folder: what lies on it, its free and its whole bytes."""

    kinds: tuple[str, ...]
    free: int
    whole: int
    growth: float  # bytes a day
    days_left: float | None  # until it is down to its floor; None where nothing grows on it


def growth(use: Use, arrived: Arrived) -> float:
    """Bytes a day that `use` grows by, if it goes on growing with the images as so far; 0 for what is bounded."""
    if not arrived.bytes:
        return 0.0
    return use.growing * (arrived.recent_bytes / arrived.bytes) / max(arrived.days, _SHORTEST)


def free(kinds: Sequence[Use], free_bytes: int, whole: int, floor: int, arrived: Arrived) -> Free:
    """How long the file system that `kinds` lie on has room above `floor` bytes."""
    grows = sum(growth(one, arrived) for one in kinds)
    left = max(free_bytes - floor, 0) / grows if grows else None
    return Free(tuple(one.kind for one in kinds), free_bytes, whole, grows, left)
