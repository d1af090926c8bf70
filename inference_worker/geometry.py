"""Decides whether planes make a volume, and where its voxels lie: numbers in, order and affine out, or a reason.

Coordinates are the patient's (LPS, mm; PS3.3 C.7.6.2.1.1). A "position" in a reason is the distance along the slices'
normal, which for an axial series is the table position that a radiographer reads on the console.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.errors import UnusableInput
from domain.measured import COSINE, IN_PLANE, PLACE, depth_error, unit

Array = NDArray[np.float64]

# A slice may lie this far (mm) off its place in a regular stack, but no farther than this share of the spacing: a tenth
# of a voxel is below what a measurement on the volume resolves. What the decimals of the positions leave open may be
# more, but not so much that a missing slice in a short stack would hide in it.
_OFF_PLACE_MM = 0.1
_OFF_PLACE_SHARE = 0.1
_OFF_BY_DECIMALS_SHARE = 0.2
_BINARY_MM = 1e-6

# The stack may lean by this share of its length (0.6 degrees), beside rounding. Direction cosines written with three
# decimals lean by a tenth of that; a tilted gantry leans by several degrees.
_LEAN = 0.01

# The most that the decimals of a pixel spacing may leave open, a share: half a pixel at the edge of 512.
_SPACING_BY_DECIMALS = 1e-3


@dataclass(frozen=True)
class Plane:
    """One slice in the patient.

    `position` is that of its first voxel's centre (mm); `orientation` the direction cosines of a row, then of a column;
    `spacing` the distance in mm between rows, then between columns; `size` its rows and columns; `name` is for people.
    """

    name: str
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular stack; `affine` (4x4) takes index (k, j, i, 1) to patient mm.

    `order` are the planes from the first slice to the last, without the slices at the indices `missing`.
    """

    order: tuple[int, ...]
    affine: Array
    missing: tuple[int, ...] = ()


def lay_out(planes: Sequence[Plane], may_miss: int = 0) -> Grid:
    """The regular stack that the planes make, sorted by position along their normal.

    Up to `may_miss` slices may be missing, each between two that are there. Raises UnusableInput where planes differ in
    size, pixel spacing or orientation, share a position, are shifted against one another as by a tilted gantry, or are
    not evenly spaced; a missing slice is told from uneven spacing.
    """
    if len(planes) < 2:
        raise UnusableInput(f"the series has {len(planes) or 'no'} slice; a volume needs at least two")
    _refuse_mixture(planes)
    row, column = _directions(planes[0])
    normal = np.cross(row, column)
    along = np.array([plane.position for plane in planes]) @ normal
    order = tuple(int(one) for one in np.argsort(along, kind="stable"))
    missing = _missing(along[list(order)], may_miss)
    step = _step([planes[one] for one in order], along[list(order)], normal, missing)
    between_rows, between_columns = planes[0].spacing
    affine = np.eye(4)
    affine[:3] = np.column_stack((step, column * between_rows, row * between_columns, planes[order[0]].position))
    return Grid(order, affine + 0.0, missing)  # -0.0 becomes 0.0: the same place has the same bytes


def _refuse_mixture(planes: Sequence[Plane]) -> None:
    first = planes[0]
    other = _unlike([plane.size for plane in planes], 0.0)
    if other is not None:
        raise UnusableInput(
            f"images differ in size: {_times(first.size)} in {first.name}, "
            f"{_times(planes[other].size)} in {planes[other].name}"
        )
    other = next((k for k, plane in enumerate(planes) if not _same_spacing(plane.spacing, first.spacing)), None)
    if other is not None:
        raise UnusableInput(
            f"pixel spacing differs: {_times(first.spacing)} mm in {first.name}, "
            f"{_times(planes[other].spacing)} mm in {planes[other].name}"
        )
    other = _unlike([plane.orientation for plane in planes], COSINE.of(1))
    if other is not None:
        raise UnusableInput(f"{first.name} and {planes[other].name} are not parallel: orientations are mixed")


def _unlike(values: Sequence[Sequence[float]], tolerance: float) -> int | None:
    """Where the first value is that differs from the first of all by more than `tolerance`."""
    table = np.array(values)
    unlike = (np.abs(table - table[0]) > tolerance).any(axis=1)
    return int(unlike.argmax()) if unlike.any() else None


def _same_spacing(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(
        IN_PLANE.same(a, b) or abs(a - b) <= min(max(unit(a), unit(b)) / 2, _SPACING_BY_DECIMALS * b)
        for a, b in zip(one, other, strict=True)
    )


def _directions(plane: Plane) -> tuple[Array, Array]:
    """Unit vectors along a row and along a column, made exactly perpendicular."""
    row, column = np.array(plane.orientation, np.float64).reshape(2, 3)
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if np.abs(np.subtract(lengths, 1)).max() > COSINE.of(1) or abs(row @ column) > COSINE.of(0):
        raise UnusableInput(f"the orientation of {plane.name} is not two perpendicular directions of length 1")
    if min(plane.spacing) <= 0:
        raise UnusableInput(f"the pixel spacing of {plane.name} is not positive")
    row = row / lengths[0]
    column = column - (column @ row) * row
    return row, column / np.linalg.norm(column)


def _missing(along: Array, most: int) -> tuple[int, ...]:
    """Indices, in the whole stack, of up to `most` slices that are missing singly between their neighbours."""
    gaps = np.diff(along)
    usual = float(np.median(gaps)) or 1.0
    wide = np.flatnonzero(np.rint(gaps / usual) == 2)
    if not 0 < wide.size <= most:
        return ()
    return tuple(int(k) + 1 + before for before, k in enumerate(wide))


def _step(planes: Sequence[Plane], along: Array, normal: Array, missing: Sequence[int]) -> Array:
    """The vector (mm) from each slice to the next; `planes` are in order, `along` are their positions on the normal."""
    _refuse_shared_positions(planes, along)
    positions = np.array([plane.position for plane in planes], np.float64)
    index = np.delete(np.arange(len(planes) + len(missing)), missing)
    step: Array = (positions[-1] - positions[0]) / index[-1]
    _refuse_lean(positions, normal)
    off = positions - index[:, None] * step
    off -= (off.max(axis=0) + off.min(axis=0)) / 2  # the first slice is no surer of its place than the others
    allowed = _off_place(planes, normal, float(step @ normal))
    if np.abs(off @ normal).max() > allowed:
        raise UnusableInput(_uneven(planes, along))
    if np.linalg.norm(off, axis=1).max() > 2 * allowed:
        raise UnusableInput("the slices are shifted sideways against one another by different amounts")
    return step


def _off_place(planes: Sequence[Plane], normal: Array, spacing: float) -> float:
    """How far (mm) a slice may lie off its place in a stack of this spacing (mm)."""
    by_decimals = 2 * depth_error((number for plane in planes for number in plane.position), normal.tolist())
    usual = min(_OFF_PLACE_MM, _OFF_PLACE_SHARE * spacing)
    return max(usual, min(by_decimals, _OFF_BY_DECIMALS_SHARE * spacing)) + _BINARY_MM


def _refuse_shared_positions(planes: Sequence[Plane], along: Array) -> None:
    shared = np.flatnonzero(np.diff(along) <= PLACE.of(0))
    if shared.size:
        k = int(shared[0])
        raise UnusableInput(
            f"{planes[k].name} and {planes[k + 1].name} lie at the same position ({along[k]:z.2f} mm); the series "
            f"holds duplicates, phases or echoes ({shared.size} of {len(planes)} slices too many)"
        )


def _refuse_lean(positions: Array, normal: Array) -> None:
    whole = positions[-1] - positions[0]
    length = float(whole @ normal)
    sideways = float(np.linalg.norm(whole - length * normal))
    if sideways > _LEAN * length + _OFF_PLACE_MM:
        angle = math.degrees(math.atan2(sideways, length))
        raise UnusableInput(f"the slices are tilted by {angle:.1f} degrees against their stack (gantry tilt)")


def _uneven(planes: Sequence[Plane], along: Array) -> str:
    """Says which slices are missing where every distance is a multiple of the smallest, else how uneven they are."""
    gaps = np.diff(along)
    usual, widest = float(gaps.min()), float(gaps.max())
    k = int(gaps.argmax())
    where = f"between {planes[k].name} ({along[k]:z.2f} mm) and {planes[k + 1].name} ({along[k + 1]:z.2f} mm)"
    multiples = np.round(gaps / usual)
    rounding = min(_OFF_PLACE_MM, _OFF_PLACE_SHARE * usual)
    if multiples.max() < 2 or np.abs(gaps - multiples * usual).max() > rounding:
        return f"slices are unevenly spaced: from {usual:.2f} mm to {widest:.2f} mm, the widest {where}"
    count = int((multiples - 1).sum())
    return f"slices are missing: {count} in all, the widest gap {where}, where {usual:.2f} mm is the usual distance"


def _times(values: Sequence[float]) -> str:
    return " x ".join(f"{value:g}" for value in values)
