"""The distance between the frames of an enhanced multi-frame instance (PS3.3 C.7.6.16)."""

from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from math import sqrt
from typing import Any

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

# Functional groups of some thousand frames fit; a longer head is not worth holding for one number.
LONGEST_HEAD = 32 << 20


def frame_spacing(part10: bytes) -> float | None:
    """The largest distance (mm) between neighbouring frames; None where it cannot be told.

    `part10` is the file, or as much of it as holds the functional groups.
    """
    try:
        dataset = dcmread(
            BytesIO(part10),
            stop_before_pixels=True,
            specific_tags=["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"],
        )
        frames = dataset.get("PerFrameFunctionalGroupsSequence") or []
        shared = (dataset.get("SharedFunctionalGroupsSequence") or [None])[0]
        orientation = _of(shared, frames[0] if frames else None, "PlaneOrientationSequence", "ImageOrientationPatient")
        positions = [_of(None, frame, "PlanePositionSequence", "ImagePositionPatient") for frame in frames]
        if orientation is None or None in positions:
            return None
        return largest_gap([[float(x) for x in position] for position in positions], [float(x) for x in orientation])
    except (InvalidDicomError, AttributeError, KeyError, ValueError, TypeError, EOFError, OSError, NotImplementedError):
        # Whatever a damaged head raises: the volume builder will name the fault, the index only lacks a number.
        return None


def largest_gap(positions: Sequence[Sequence[float]], orientation: Sequence[float]) -> float | None:
    """The largest distance (mm) between neighbours among `positions`, along the normal of `orientation`.

    Positions are Image Position (Patient), orientation the six direction cosines; None for fewer than two slices.
    """
    row, column = orientation[:3], orientation[3:]
    normal = (
        row[1] * column[2] - row[2] * column[1],
        row[2] * column[0] - row[0] * column[2],
        row[0] * column[1] - row[1] * column[0],
    )
    length = sqrt(sum(x * x for x in normal))
    if len(positions) < 2 or not length:
        return None
    depths = sorted(sum(p * n for p, n in zip(position, normal, strict=True)) / length for position in positions)
    return max(after - before for before, after in pairwise(depths))


def _of(shared: Any, frame: Any, group: str, attribute: str) -> Any:
    for holder in (frame, shared):
        if holder is not None and holder.get(group):
            return holder[group][0].get(attribute)
    return None
