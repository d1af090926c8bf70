"""How large what a network reads becomes, and what memory that takes: worked out from the steps, without any voxels."""

from collections.abc import Sequence
from math import prod

import numpy as np

from inference_worker.pieces import MOST
from inference_worker.transforms.grids import (
    Grid,
    cube,
    orientation_of,
    reoriented,
    scaled,
    spaced,
)
from inference_worker.transforms.streaming import can_stream
from models import steps
from models.manifest import Manifest
from models.steps import Before

# A long series as scanners make them: what `verify` says the memory of.
SLICES, SIDE, SPACING, PIXEL = 500, 512, 1.0, 0.8
# Cells of a network's output that are at work at once, with what is interpolated of them.
_CELLS = 16


def long_series(slices: int = SLICES) -> Grid:
    """The grid of an axial series of so many slices, feet first."""
    affine = np.array([[0, 0, PIXEL, 0], [0, PIXEL, 0, 0], [SPACING, 0, 0, 0], [0, 0, 0, 1]], np.float64)
    return Grid((slices, SIDE, SIDE), affine)


def prepared(source: Grid, inputs: int, wanted: Sequence[Before]) -> tuple[int, Grid]:
    """The channels and the grid that `inputs` series on `source` come to after the steps.

    A box of the foreground is taken to be as large as what it is cut from.
    """
    channels, grid = 1, source
    for step in wanted:
        if isinstance(step, steps.Stack):
            channels = inputs
        elif isinstance(step, steps.RepeatChannels):
            channels *= step.count
        else:
            grid = _after(grid, step)
    return channels, grid


def _after(grid: Grid, step: Before) -> Grid:
    made = grid
    match step:
        case steps.Orientation(axes):
            made = reoriented(grid, orientation_of(grid.affine, axes))
        case steps.Spacing(mm, _):
            made = spaced(grid, mm)
        case steps.Conform(size, mm, axes, _):
            made = cube(grid.centre, size, mm, axes)
        case steps.Resize(sizes, _, _):
            made = scaled(grid, sizes, [old / new for old, new in zip(grid.shape, sizes, strict=True)])
        case steps.CentreCrop(sizes):
            wanted = sizes or (min(grid.shape),) * len(grid.shape)
            made = _sized(grid, [min(pair) for pair in zip(grid.shape, wanted, strict=True)])
        case steps.Pad(sizes, multiple, _, _):
            wanted = sizes or tuple(old + -old % multiple for old in grid.shape)
            made = _sized(grid, [max(pair) for pair in zip(grid.shape, wanted, strict=True)])
        case steps.BlockMean(factor):
            made = scaled(grid, [old // factor for old in grid.shape], (float(factor),) * len(grid.shape))
    return made


def _sized(grid: Grid, sizes: Sequence[int]) -> Grid:
    return grid.part(tuple(slice(0, size) for size in sizes))


def memory(manifest: Manifest, source: Grid, outputs: int) -> int:
    """About how many bytes a volume on `source` takes beside the network, which has so many `outputs` (channels)."""
    channels, grid = prepared(source, len(manifest.inputs), manifest.preprocessing)
    read, fed = prod(source.shape), prod(grid.shape)
    volumes = 2 * read * len(manifest.inputs) + 2 * 4 * channels * fed
    results = 2 * read + fed + 4 * (read + fed) * (len(manifest.maps) + len(manifest.lesions))
    return volumes + results + 4 * outputs * _held(manifest, source, grid)


def _held(manifest: Manifest, source: Grid, grid: Grid) -> int:
    """Voxels of the network's output that are there at once, what its activation takes besides included."""
    network, whole = manifest.network, prod(grid.shape)
    if not can_stream(manifest.postprocessing, grid, source):
        return 4 * whole
    if not network.window:
        return whole + _CELLS * MOST**3
    sides = [
        min(size, fixed or side)
        for size, fixed, side in zip(grid.shape, network.shape[2:], network.window, strict=True)
    ]
    common = [round(side * network.overlap) for side in sides]
    waiting = sum(common[k] * prod(sides[:k]) * prod(grid.shape[k + 1 :]) for k in range(len(sides)))
    return min(4 * whole, waiting + _CELLS * MOST**3)


def at_once(manifest: Manifest, space: Sequence[int]) -> int:
    """Voxels that go through the network at once, of an input of `space`: a window's, or all."""
    network = manifest.network
    if not network.window:
        return prod(space)
    sides = (fixed or side for fixed, side in zip(network.shape[2:], network.window, strict=True))
    return prod(sides) * (network.shape[0] or network.batch)
