"""From the source's grid to the network's, and the geometry that leads back.

A grid is only reordered and flipped towards patient axes, never rotated: an oblique series keeps its own axes,
each called by the patient axis that it is nearest to. Arrays in canonical order have axis 0 towards the head,
axis 1 towards the back, axis 2 towards the patient's left (DICOM's LPS, PS3.3 C.7.6.2.1.1, slowest axis first).
"""

from dataclasses import dataclass
from itertools import permutations
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from models.manifest import Preprocessing

Float: TypeAlias = npt.NDArray[np.float32]
Real: TypeAlias = npt.NDArray[np.float64]
Affine: TypeAlias = Real

# Source voxels turned to float at once: 16 slices of 512 x 512 take 17 MB.
_SLAB = 16


@dataclass(frozen=True)
class Orientation:
    """Which source axis becomes each canonical axis, and which of them run backwards."""

    order: tuple[int, ...]
    backwards: tuple[bool, ...]

    def canonical(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A view of `array` (slices, rows, columns) in canonical order."""
        return array.transpose(self.order)[self._steps()]

    def source(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The inverse of `canonical`, a view as well."""
        return array[self._steps()].transpose(np.argsort(self.order))

    def _steps(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if backwards else 1) for backwards in self.backwards)


@dataclass(frozen=True)
class Axis:
    """One canonical axis on both grids, which share their centre. Spacing in mm."""

    size: int
    spacing: float
    new_size: int
    new_spacing: float

    def forth(self) -> Float:
        """Weights (new_size, size) from the source's samples to the network's."""
        return mean_weights(self.new_size, self.new_spacing / self.spacing, self.size)

    def back(self) -> Float:
        """Weights (size, new_size) from the network's samples to the source's."""
        return mean_weights(self.size, self.spacing / self.new_spacing, self.new_size)


@dataclass(frozen=True)
class Grid:
    """How the source's grid and the network's relate."""

    orientation: Orientation
    axes: tuple[Axis, Axis, Axis]


def orientation_of(affine: Affine) -> Orientation:
    """The order and flips that bring index axes nearest to head, back and left, from a 4x4 index-to-LPS affine."""
    cosines = (affine[:3, :3] / spacings_of(affine)).T[:, ::-1]
    order = max(permutations(range(3)), key=lambda axes: sum(abs(cosines[a, c]) for c, a in enumerate(axes)))
    return Orientation(order, tuple(bool(cosines[axis, c] < 0) for c, axis in enumerate(order)))


def spacings_of(affine: Affine) -> Real:
    """Distance (mm) between neighbours along slices, rows and columns."""
    return np.asarray(np.linalg.norm(affine[:3, :3], axis=0))


def grid_for(shape: tuple[int, ...], affine: Affine, spacing_mm: tuple[float, ...]) -> Grid:
    """The grid of `spacing_mm` (canonical order) that covers a source of `shape` and `affine`."""
    orientation = orientation_of(affine)
    old = spacings_of(affine)
    head, back, left = (
        Axis(shape[source], float(old[source]), max(1, round(shape[source] * old[source] / new)), new)
        for source, new in zip(orientation.order, spacing_mm, strict=True)
    )
    return Grid(orientation, (head, back, left))


def mean_weights(count: int, step: float, size: int) -> Float:
    """Weights (count, size): the mean of the linear interpolant over each of `count` intervals of width `step`.

    Lengths are in samples of the input; the intervals adjoin and lie around the input's centre. The interpolant is
    exact on a linear ramp, and its mean over an interval is that at the interval's middle, so a ramp stays exact
    where no interval passes the ends; beyond them the end's value goes on. Being a mean, it does not alias.
    """
    middles = (np.arange(count) - (count - 1) / 2) * step + (size - 1) / 2
    samples = np.arange(size)
    apart = np.asarray(middles[:, None] - samples, np.float64)
    weights = (_hat_integral(apart + step / 2) - _hat_integral(apart - step / 2)) / step
    rest = 1 - weights.sum(axis=1)
    weights[np.arange(count), np.where(middles < (size - 1) / 2, 0, size - 1)] += rest
    return weights.astype(np.float32)


def _hat_integral(t: Real) -> Real:
    """Integral up to `t` of the hat function, which is 1 at 0 and falls to 0 at -1 and 1."""
    t = np.clip(t, -1, 1)
    return np.asarray(np.where(t < 0, (t + 1) ** 2 / 2, 1 - (1 - t) ** 2 / 2))


def resample(voxels: npt.NDArray[Any], grid: Grid, window: tuple[float, float]) -> Float:
    """`voxels` of the source, clipped to `window`, on the network's grid in canonical order."""
    heads, rows, columns = (axis.forth() for axis in grid.axes)
    source = grid.orientation.canonical(voxels)
    planes = np.empty((source.shape[0], rows.shape[0], columns.shape[0]), np.float32)
    for start in range(0, source.shape[0], _SLAB):
        slab = np.clip(source[start : start + _SLAB], *window).astype(np.float32)
        planes[start : start + _SLAB] = rows @ (slab @ columns.T)
    return np.asarray(np.tensordot(heads, planes, axes=1))


def prepare(voxels: npt.NDArray[Any], grid: Grid, wanted: Preprocessing, multiple: int) -> Float:
    """The network's input (1, 1, z, y, x): resampled, windowed, scaled, padded at the far ends to `multiple`."""
    low, high = wanted.window
    bottom, top = wanted.scale
    volume = resample(voxels, grid, (low, high))
    volume = (volume - low) * ((top - bottom) / (high - low)) + bottom
    padding = [(0, -size % multiple) for size in volume.shape]
    return np.pad(volume, padding, constant_values=bottom)[None, None]
