"""Back to the source's grid, whatever was resampled, cut or filled up on the way to the network.

Both grids' affines are all that is needed. The likeliest label is found slab by slab: at full size, the shares of
twenty labels in a CT are gigabytes.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from domain.errors import ConfigurationError
from inference_worker.transforms.arrays import Array, Float, Labelled, Sampled, each_slab, floats, to_numpy
from inference_worker.transforms.grids import Box, Grid, Line, between, covered, lines
from inference_worker.transforms.labels import Labels, boxes
from inference_worker.transforms.morphology import box_of
from inference_worker.transforms.resampling import along, operator, smoothed, thickness, turned
from inference_worker.transforms.weights import Reach, weights
from models import steps

# Where the background is this sure, no interpolation between neighbours gives a label the most.
_SURE = 0.99


@dataclass(frozen=True, eq=False)
class _Part:
    """One label: `look` gives its share in a box of the source; outside `box` it has none."""

    label: int
    box: Box
    look: Callable[[Box], Array]


def to_source(given: Sampled | Labelled, step: steps.ToSource, source: Grid) -> Labelled:
    """The likeliest label of each voxel of `source`, a NumPy array; background where the network's grid does not reach.

    Shares and, with "linear", labels are interpolated, then compared, so that borders are finer than the network's
    voxels; the background's share is what the labels leave. One channel alone is the share of label 1. Raises
    ConfigurationError where the source has other directions of space.
    """
    if len(given.grid.shape) != len(source.shape):
        raise ConfigurationError(f"the step to_source finds {len(given.grid.shape)} axes for {len(source.shape)}")
    inside = inside_of(given.grid, source)
    grid = given.grid.part(inside)
    if isinstance(given, Labelled):
        labels = given.values[inside]
        if step.how == "nearest":
            return Labelled(_nearest(labels, grid, source), source.affine)
        shares = _one_hot(labels)
    else:
        shares = _channels(given.values[(slice(None), *inside)])
    place = _placing(grid, source, crisp=isinstance(given, Labelled))
    parts = [part for label, share, box in shares if (part := place(label, share, box))]
    return Labelled(_fused(parts, source, given.values), source.affine)


def inside_of(grid: Grid, source: Grid) -> Box:
    """The part of the network's grid that lies on the source: what was filled up beyond it is never looked at.

    Between turned grids there is no line to cut along, so that a voxel more is left to interpolate to.
    """
    margin = 0 if lines(grid, source) else 1
    return covered(grid, source, margin) or tuple(slice(0, size) for size in grid.shape)


def values_on_source(given: Sampled, source: Grid) -> Float:
    """The values (channels, *source.shape) on the source's grid, interpolated; 0 where the network saw none of it."""
    axes = _axes(given.grid, source)
    if axes is None:
        return np.asarray(to_numpy(turned(given, source, "mean")), np.float32)
    order, along_each = axes
    values = array_namespace(given.values).permute_dims(given.values, (0, *(1 + axis for axis in order)))
    for axis, line in enumerate(along_each, start=1):
        values = along(values, operator(weights(_how(line, False), line, _reach(line)), values), axis)
    return np.asarray(to_numpy(values), np.float32)


def _nearest(labels: Array, grid: Grid, source: Grid) -> Labels:
    axes = _axes(grid, source)
    if axes is None:
        return np.asarray(to_numpy(turned(Sampled(labels[None], grid.affine), source, "nearest"))[0], np.uint8)
    order, along_each = axes
    chosen = [weights("nearest", line, _reach(line)) for line in along_each]
    seen = [np.flatnonzero(matrix.any(axis=1)) for matrix in chosen]
    made = np.zeros(source.shape, np.uint8)
    at = [matrix[rows].argmax(axis=1) for matrix, rows in zip(chosen, seen, strict=True)]
    made[np.ix_(*seen)] = to_numpy(labels).transpose(order)[np.ix_(*at)]
    return made


def _axes(grid: Grid, source: Grid) -> tuple[list[int], list[Line]] | None:
    """For each axis of the source that of the network's grid, and its line there; None where grids are turned."""
    found = lines(grid, source)
    if found is None:
        return None
    order = [found[1].index(axis) for axis in range(len(source.shape))]
    return order, [found[0][axis] for axis in order]


def _channels(shares: Array) -> Iterator[tuple[int, Array, Box]]:
    """Label, share and its box for each channel but the background's."""
    background = shares[0] if shares.shape[0] > 1 else 1 - shares[0]
    box = box_of(to_numpy(background < _SURE), margin=1)
    if box is None:
        return
    for label, share in enumerate(shares[1:] if shares.shape[0] > 1 else shares, start=1):
        yield label, share[box], box


def _one_hot(labels: Array) -> Iterator[tuple[int, Array, Box]]:
    xp = array_namespace(labels)
    for label, box in boxes(to_numpy(labels)).items():
        wider = tuple(
            slice(max(0, part.start - 1), min(int(size), part.stop + 1))
            for part, size in zip(box, labels.shape, strict=True)
        )
        yield label, xp.astype(labels[wider] == label, xp.uint8), wider


def _placing(grid: Grid, source: Grid, crisp: bool) -> Callable[[int, Array, Box], _Part | None]:
    """What puts a share on the part `box` of the network's `grid` into the source; a `crisp` one is 0 or 1."""
    axes = _axes(grid, source)
    if axes is None:
        return lambda label, share, box: _turned_part(label, share, grid.part(box), source)
    order, matrices = axes[0], _matrices(axes[1], crisp)

    def place(label: int, share: Array, box: Box) -> _Part | None:
        cut = [matrix[:, box[axis]] for matrix, axis in zip(matrices, order, strict=True)]
        return _parallel_part(label, array_namespace(share).permute_dims(share, tuple(order)), cut)

    return place


def placing_matrices(grid: Grid, source: Grid) -> tuple[list[int], list[Float]]:
    """How shares on `grid` go to `source`: for each of its axes that of the grid, and the weights (new, old) along it.

    Raises ConfigurationError where the grids are turned against each other.
    """
    axes = _axes(grid, source)
    if axes is None:
        raise ConfigurationError("the network's grid is turned against the source's: there is no way along its axes")
    return axes[0], _matrices(axes[1], crisp=False)


def _matrices(along_each: Sequence[Line], crisp: bool) -> list[Float]:
    return [weights(_how(line, crisp), line, _reach(line)) for line in along_each]


def _how(line: Line, crisp: bool) -> str:
    """How to interpolate along a line: as it is where samples coincide; the mean over each of the source's voxels.

    Labels, whose corners a mean would round, are interpolated between samples where the source is not the coarser.
    """
    if abs(abs(line.step) - 1) < 1e-6 and abs(line.first - round(line.first)) < 1e-3:
        return "nearest"
    return "linear" if crisp and abs(line.step) <= 1 else "mean"


def _reach(line: Line) -> Reach:
    """Endless where the network's grid ends because the source does, else to the outer edge of its last voxel."""
    ends = sorted((line.first, line.first + (line.count - 1) * line.step))
    half = abs(line.step) / 2
    before = math.inf if ends[0] - half >= -1 - 1e-6 else 0.5
    after = math.inf if ends[1] + half <= line.size + 1e-6 else 0.5
    return before, after


def _parallel_part(label: int, share: Array, matrices: Sequence[Float]) -> _Part | None:
    used = [np.flatnonzero(matrix.any(axis=1)) for matrix in matrices]
    if not all(len(rows) for rows in used):
        return None

    def look(box: Box) -> Array:
        near = np.flatnonzero(matrices[0][box[0]].any(axis=0))
        first = slice(int(near[0]), int(near[-1]) + 1) if len(near) else slice(0, 1)
        part = floats(share[first])
        for axis, (matrix, rows) in enumerate(zip(matrices, box, strict=True)):
            part = along(part, operator(matrix[rows, first] if axis == 0 else matrix[rows], part), axis)
        return part

    return _Part(label, tuple(slice(int(rows[0]), int(rows[-1]) + 1) for rows in used), look)


def _turned_part(label: int, share: Array, grid: Grid, source: Grid) -> _Part | None:
    box = covered(source, grid)
    if box is None:
        return None
    values = Sampled(smoothed(floats(share)[None], between(grid, source)), grid.affine)
    return _Part(label, box, lambda part: turned(values, source.part(part), "linear")[0])


def _fused(parts: Sequence[_Part], source: Grid, like: Array) -> Labels:
    made = np.zeros(source.shape, np.uint8)
    if not parts:
        return made
    start = [min(part.box[axis].start for part in parts) for axis in range(len(source.shape))]
    stop = [max(part.box[axis].stop for part in parts) for axis in range(len(source.shape))]
    rest = tuple(map(slice, start[1:], stop[1:]))

    def work(slab: slice) -> None:
        box = (slice(start[0] + slab.start, start[0] + slab.stop), *rest)
        made[box] = to_numpy(_likeliest(parts, box, like))

    each_slab(work, stop[0] - start[0], thickness(like), like)
    return made


def _likeliest(parts: Sequence[_Part], box: Box, like: Array) -> Array:
    xp = array_namespace(like)
    shape = tuple(one.stop - one.start for one in box)
    best, total = (xp.zeros(shape, dtype=xp.float32, device=like.device) for _ in range(2))
    labels = xp.zeros(shape, dtype=xp.uint8, device=like.device)
    for part in parts:
        common = tuple(
            slice(max(one.start, other.start), min(one.stop, other.stop))
            for one, other in zip(part.box, box, strict=True)
        )
        if any(one.start >= one.stop for one in common):
            continue
        share = part.look(common)
        at = tuple(slice(one.start - all_.start, one.stop - all_.start) for one, all_ in zip(common, box, strict=True))
        better = share > best[at]
        labels[at][better] = part.label
        best[at] = xp.maximum(best[at], share)
        total[at] += share
    labels[best <= 1 - total] = 0
    return labels
