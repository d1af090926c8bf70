"""How the frames of an enhanced multi-frame instance lie (PS3.3 C.7.6.16)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite, sqrt

from dicom_node import deflated, elements, outside
from dicom_node.elements import DEFLATED, ITEM, Unsound
from domain import measured
from domain.errors import UnusableInput

# Functional groups of some thousand frames fit; a longer head is not worth holding for one number.
LONGEST_HEAD = 32 << 20
_SHARED, _PER_FRAME = 0x5200_9229, 0x5200_9230
_PLANE_POSITION, _PLANE_ORIENTATION = 0x0020_9113, 0x0020_9116
_POSITION, _ORIENTATION = 0x0020_0032, 0x0020_0037
_GROUPS = frozenset((_SHARED, _PER_FRAME, _PLANE_POSITION, _PLANE_ORIENTATION))


@dataclass(frozen=True)
class FramePlanes:
    """The largest distance (mm) between neighbouring frames, how many positions they have, and their orientation.

    Each is None where it cannot be told. Fewer positions than frames are phases, echoes or b-values.
    """

    spacing: float | None = None
    places: int | None = None
    orientation: tuple[float, ...] | None = None


def frame_planes(data: bytes, transfer_syntax: str) -> FramePlanes:
    """How the frames lie; `data` is the data set, or as much of it as holds the functional groups."""
    try:
        whole = deflated.head(data, LONGEST_HEAD) if transfer_syntax == DEFLATED else data
        frames, positions, orientation = _planes(whole, transfer_syntax)
    except (UnusableInput, Unsound):
        # The index only lacks a number: who reads the volume will name the fault.
        return FramePlanes()
    if orientation is None or len(positions) != frames:
        return FramePlanes(orientation=orientation)
    return FramePlanes(spacing(positions, orientation), len(set(positions)), orientation)


def _planes(data: bytes, transfer_syntax: str) -> tuple[int, list[tuple[float, ...]], tuple[float, ...] | None]:
    """How many frames have functional groups, the positions that they state, and the first orientation stated."""
    frames = 0
    positions: list[tuple[float, ...]] = []
    orientation: tuple[float, ...] | None = None
    for path, tag, start, end in elements.walk(data, transfer_syntax, _PER_FRAME, _GROUPS):
        if not path and tag > _PER_FRAME:
            break
        if path == (_PER_FRAME,) and tag == ITEM:
            frames += 1
        elif path == (_PER_FRAME, _PLANE_POSITION) and tag == _POSITION:
            if position := outside.decimals(outside.ascii_words(data[start:end]), 3):
                positions.append(position)
        elif path[1:] == (_PLANE_ORIENTATION,) and tag == _ORIENTATION and orientation is None:
            orientation = outside.decimals(outside.ascii_words(data[start:end]), 6)
    return frames, positions, orientation


def spacing(positions: Sequence[Sequence[float]], orientation: Sequence[float]) -> float | None:
    """The distance (mm) between neighbours among `positions`, along the normal of `orientation`; `domain.measured` says
    which of uneven ones.

    Positions are Image Position (Patient), orientation the six direction cosines; None for fewer than two slices.
    """
    row, column = orientation[:3], orientation[3:]
    normal = (
        row[1] * column[2] - row[2] * column[1],
        row[2] * column[0] - row[0] * column[2],
        row[0] * column[1] - row[1] * column[0],
    )
    length = sqrt(sum(x * x for x in normal))
    if len(positions) < 2 or not length or not isfinite(length):
        return None
    unit = [x / length for x in normal]
    depths = [sum(p * n for p, n in zip(position, unit, strict=True)) for position in positions]
    gap = measured.spacing(depths, measured.depth_error(chain.from_iterable(positions), unit))
    return gap if gap is not None and isfinite(gap) else None
