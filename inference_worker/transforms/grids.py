"""Grids in the patient: where an index leads, how two grids relate, and the grids that steps ask for.

An affine takes an index (slowest axis first, then 1) to LPS mm (x, y, z, 1; PS3.3 C.7.6.2.1.1). That of a picture takes
(i, j, 1) to row and column of the source. An oblique series keeps its own axes, each called by the patient axis that it
is nearest to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Real: TypeAlias = npt.NDArray[np.float64]
Box: TypeAlias = tuple[slice, ...]

# Where each letter leads in LPS, as (axis, sign).
_LETTERS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
# Head, back, left: the order in which models of this project see a volume.
CANONICAL = "SPL"

# Axes that leave one another by less than this share of a voxel over the whole grid are called parallel.
_PARALLEL = 0.02


@dataclass(frozen=True, eq=False)
class Grid:
    """A shape and the affine of its index."""

    shape: tuple[int, ...]
    affine: Real

    def part(self, box: Box) -> "Grid":
        """The grid of the voxels in `box`, whose starts may be negative: then it is wider."""
        starts = [part.start for part in box]
        return Grid(tuple(part.stop - part.start for part in box), moved(self.affine, starts))

    @property
    def centre(self) -> Real:
        """The middle, in mm."""
        middle: Real = np.array([(size - 1) / 2 for size in self.shape], np.float64)
        return np.asarray(self.affine[:-1, :-1] @ middle + self.affine[:-1, -1])


@dataclass(frozen=True)
class Orientation:
    """Which source axis becomes each canonical axis, and which of them run backwards."""

    order: tuple[int, ...]
    backwards: tuple[bool, ...]

    def canonical(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A view of `array` (slices, rows, columns) in canonical order."""
        return np.asarray(array.transpose(self.order)[self._steps()])

    def source(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The inverse of `canonical`, a view as well."""
        return np.asarray(array[self._steps()].transpose(np.argsort(self.order)))

    def _steps(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if backwards else 1) for backwards in self.backwards)


@dataclass(frozen=True)
class Line:
    """Samples along one axis as another grid sees them: sample n lies at `first + n * step` of its `size` samples."""

    count: int
    size: int
    first: float
    step: float

    @property
    def positions(self) -> Real:
        """Where each sample lies."""
        return np.asarray(self.first + np.arange(self.count) * self.step, np.float64)


def spacings_of(affine: Real) -> Real:
    """Distance (mm) between neighbours along each index axis."""
    space = len(affine) - 1
    return np.asarray(np.linalg.norm(affine[:space, :space], axis=0))


def orientation_of(affine: Real, axes: str = CANONICAL) -> Orientation:
    """The order and flips that bring index axes nearest to where `axes` lead, from a 4x4 index-to-LPS affine."""
    cosines = affine[:3, :3] / spacings_of(affine)
    towards = [sign * cosines[axis] for axis, sign in (_LETTERS[letter] for letter in axes)]
    order = max(permutations(range(3)), key=lambda order: sum(abs(towards[c][a]) for c, a in enumerate(order)))
    return Orientation(order, tuple(bool(towards[c][axis] < 0) for c, axis in enumerate(order)))


def moved(affine: Real, start: Sequence[float]) -> Real:
    """The affine of an index that counts from `start`."""
    shift = np.eye(len(affine))
    shift[:-1, -1] = start
    return np.asarray(affine @ shift)


def reoriented(grid: Grid, how: Orientation) -> Grid:
    """The grid of `how.canonical(array)`."""
    index = np.zeros((4, 4))
    index[3, 3] = 1
    for new, (old, backwards) in enumerate(zip(how.order, how.backwards, strict=True)):
        index[old, new] = -1 if backwards else 1
        index[old, 3] = grid.shape[old] - 1 if backwards else 0
    return Grid(tuple(grid.shape[axis] for axis in how.order), grid.affine @ index)


def scaled(grid: Grid, shape: Sequence[int], steps: Sequence[float]) -> Grid:
    """`shape` samples every `steps` of `grid`'s, around the same centre."""
    index = np.diag([*steps, 1.0])
    index[:-1, -1] = [
        (old - 1) / 2 - step * (new - 1) / 2 for old, new, step in zip(grid.shape, shape, steps, strict=True)
    ]
    return Grid(tuple(shape), grid.affine @ index)


def spaced(grid: Grid, mm: Sequence[float]) -> Grid:
    """The grid of spacing `mm` around the same centre that covers `grid` to half a voxel."""
    steps = [new / old for new, old in zip(mm, spacings_of(grid.affine), strict=True)]
    return scaled(grid, [max(1, round(size / step)) for size, step in zip(grid.shape, steps, strict=True)], steps)


def cube(centre: Real, size: int, mm: float, axes: str) -> Grid:
    """A cube of `size` voxels of `mm` along true patient axes, its middle at `centre` (mm)."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, (axis, sign) in enumerate(_LETTERS[letter] for letter in axes):
        affine[axis, column] = sign * mm
    middle = np.full(3, (size - 1) / 2)
    affine[:3, 3] = centre - affine[:3, :3] @ middle
    return Grid((size,) * 3, affine)


def between(source: Grid, target: Grid) -> Real:
    """The matrix from an index of `target` to that of `source`."""
    return np.asarray(np.linalg.solve(source.affine, target.affine))


def lines(source: Grid, target: Grid) -> tuple[tuple[Line, ...], tuple[int, ...]] | None:
    """How `target` samples each axis of `source`, and the target axis of each; None where they are not parallel."""
    space = len(source.shape)
    matrix = between(source, target)
    turn = matrix[:space, :space]
    axes = tuple(int(axis) for axis in np.abs(turn).argmax(axis=1))
    rest = turn.copy()
    rest[np.arange(space), axes] = 0
    if sorted(axes) != list(range(space)) or (np.abs(rest) @ target.shape > _PARALLEL).any():
        return None
    made = tuple(
        Line(target.shape[axis], source.shape[s], float(matrix[s, -1]), float(turn[s, axis]))
        for s, axis in enumerate(axes)
    )
    return made, axes


def covered(of: Grid, by: Grid, margin: float = 0.0) -> Box | None:
    """The box of `of` outside which no voxel's centre lies within the voxels of `by`; None where it is empty."""
    ends = np.array([[-0.5, size - 0.5] for size in by.shape])
    corners = np.array([[*corner, 1.0] for corner in product(*ends)])
    at = (between(of, by) @ corners.T)[:-1]
    low = np.ceil(at.min(axis=1) - margin - 1e-6).astype(int)
    high = np.floor(at.max(axis=1) + margin + 1e-6).astype(int) + 1
    box = tuple(slice(max(0, int(a)), min(size, int(b))) for a, b, size in zip(low, high, of.shape, strict=True))
    return box if all(part.start < part.stop for part in box) else None
