"""[[postprocessing]] of a segmenting network's output that comes cell by cell, up to where labels are there.

What is done to each voxel by itself is done to a cell; from there it goes to labels on the network's grid, or each
label's share goes to the source's grid, where what several cells give to a voxel is added up before shares are
compared. So the shares are never there as one array. `labels_of` gives what transforms.outputs would have given, but
for the order in which some sums of shares are made.
"""

from collections.abc import Callable, Sequence
from itertools import takewhile
from math import prod

import numpy as np

from domain.errors import ConfigurationError
from inference_worker.transforms import outputs
from inference_worker.transforms.arrays import Array, Float, Labelled, Sampled, to_device
from inference_worker.transforms.gathering import Gathering, Range
from inference_worker.transforms.grids import Box, Grid, lines
from inference_worker.transforms.inverse import inside_of, placing_matrices
from inference_worker.transforms.labels import Labels
from inference_worker.transforms.resampling import along, operator
from models import steps
from models.steps import After

# What all labels together have of a cell at most, at each of its voxels, where it is taken for background.
_LEAST = 1e-3


def activations(wanted: Sequence[After]) -> int:
    """How many of `wanted` make shares of the first output before anything else is done."""
    return len(list(takewhile(lambda step: isinstance(step, steps.Softmax | steps.Sigmoid), wanted)))


def can_stream(wanted: Sequence[After], grid: Grid, source: Grid) -> bool:
    """Whether labels can be made cell by cell: of voxels by themselves, or back on a grid that is not turned."""
    after = wanted[activations(wanted) :]
    if not after:
        return False
    if isinstance(after[0], steps.ToSource):
        return lines(grid, source) is not None
    return isinstance(after[0], steps.Argmax | steps.Threshold | steps.Regions)


class LabelsOfCells:
    """A receiver (inference_worker.pieces) of a network's output on `grid`; `labels_of` is for when all has come.

    `channels` are those whose shares are kept on the network's grid, for maps and lesions. Where all comes as one
    piece, steps are carried out on `device`.
    """

    def __init__(
        self, wanted: Sequence[After], grid: Grid, source: Grid, channels: Sequence[int] = (), device: str = ""
    ) -> None:
        first = activations(wanted)
        self._wanted, self._grid, self._source = wanted, grid, source
        self._activated, self._step, self._rest = wanted[:first], wanted[first], wanted[first + 1 :]
        self._channels, self._device = channels, device
        self.shares: Array = np.zeros((0, *grid.shape), np.float32)
        self._whole: Float | None = None
        self._made: _OnGrid | _OnSource | None = None

    def begin(self, cells: Sequence[Sequence[Range]]) -> None:
        """As Receiver says."""
        self._made = self._whole = None
        alone = prod(map(len, cells)) == 1
        if not alone:
            self.shares = np.zeros((len(self._channels), *self._grid.shape), np.float32)
            to_source = isinstance(self._step, steps.ToSource)
            self._made = _OnSource(self._grid, self._source, cells) if to_source else _OnGrid(self._grid, self._step)

    def take(self, place: Box, output: Float) -> None:
        """As Receiver says; raises ConfigurationError where it lacks a channel of those for maps."""
        if max(self._channels, default=0) >= len(output):
            raise ConfigurationError(f"a map or a lesion wants channel {max(self._channels)} of {len(output)}")
        if self._made is None:
            self._whole = output
            return
        done = outputs.finish(Sampled(output, self._grid.affine), self._activated)
        shares: Float = done.values
        for at, channel in enumerate(self._channels):
            self.shares[(at, *place)] = shares[channel]
        self._made.take(place, shares)

    def labels_of(self) -> Labelled | Sampled:
        """After all steps; where all came as one piece, by transforms.outputs.

        Raises ConfigurationError as those do, and where the output does not lie on the network's grid.
        """
        if self._made is None:
            assert self._whole is not None
            if self._whole.shape[1:] != self._grid.shape:
                raise ConfigurationError(f"its network gives {self._whole.shape} for an input of {self._grid.shape}")
            given = Sampled(to_device(self._device, self._whole), self._grid.affine)
            shares = outputs.finish(given, self._activated)
            self.shares = shares.values[list(self._channels)]
            return outputs.finish(shares, self._wanted[len(self._activated) :], self._source)
        return outputs.finish(self._made.labelled, self._rest, self._source)


class _OnGrid:
    """Labels on the network's grid, made of each voxel by itself."""

    def __init__(self, grid: Grid, step: After) -> None:
        self._step = step
        self.labelled = Labelled(np.zeros(grid.shape, np.uint8), grid.affine)

    def take(self, place: Box, shares: Float) -> None:
        made = outputs.finish(Sampled(shares, self.labelled.affine), (self._step,))
        self.labelled.values[place] = made.values


class _OnSource:
    """The likeliest label of each voxel of the source, of shares that are interpolated along each axis."""

    def __init__(self, grid: Grid, source: Grid, cells: Sequence[Sequence[Range]]) -> None:
        self._inside = inside_of(grid, source)
        self._order, self._matrices = placing_matrices(grid.part(self._inside), source)
        self.labelled = Labelled(np.zeros(source.shape, np.uint8), source.affine)
        self._reached = [
            {one: _reached(matrix, self._within(one, axis)) for one in cells[axis]}
            for matrix, axis in zip(self._matrices, self._order, strict=True)
        ]
        axes = [[one for one in some.values() if one[0] < one[1]] for some in self._reached]
        self._gathering = Gathering(axes) if all(axes) else None

    def _within(self, one: Range, axis: int) -> slice:
        """The part of a cell's range along `axis` that lies on the source, counted from there."""
        part = self._inside[axis]
        return slice(max(one[0], part.start) - part.start, max(0, min(one[1], part.stop) - part.start))

    def take(self, place: Box, shares: Float) -> None:
        of_labels = shares[1:] if len(shares) > 1 else shares
        ranges = [reached[_range(place[axis])] for reached, axis in zip(self._reached, self._order, strict=True)]
        if self._gathering is None or any(start >= stop for start, stop in ranges):
            return
        columns = [self._within(_range(place[axis]), axis) for axis in range(len(place))]
        kept = tuple(
            slice(one.start + part.start - cell.start, one.stop + part.start - cell.start)
            for one, part, cell in zip(columns, self._inside, place, strict=True)
        )
        chosen = _likely(of_labels[(slice(None), *kept)])
        given = self._interpolated(of_labels[(slice(None), *kept)][chosen], ranges, columns)
        target = tuple(slice(*one) for one in ranges)
        for at, sums, alone in self._gathering.add(target, _spread(given, chosen, len(of_labels))):
            numbers = chosen + 1 if alone else np.arange(1, len(of_labels) + 1)
            self.labelled.values[at] = _likeliest(sums, numbers)

    def _interpolated(self, shares: Float, ranges: Sequence[Range], columns: Sequence[slice]) -> Float:
        if not len(shares):
            return np.zeros((0, *(stop - start for start, stop in ranges)), np.float32)
        made = shares.transpose(0, *(1 + axis for axis in self._order))
        for k, (axis, (start, stop)) in enumerate(zip(self._order, ranges, strict=True), start=1):
            made = along(made, operator(self._matrices[k - 1][start:stop, columns[axis]], made), k)
        return made


def _range(part: slice) -> Range:
    return part.start, part.stop


def _reached(matrix: Float, columns: slice) -> Range:
    """The rows of `matrix` that have a weight in `columns`: they are neighbours."""
    rows = np.flatnonzero(matrix[:, columns].any(axis=1))
    return (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)


def _likely(shares: Float) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """The labels that a cell has; those left out have too little of it, all of them together, to count."""
    most = shares.reshape(len(shares), -1).max(axis=1, initial=0.0)
    return np.flatnonzero(most > _LEAST / len(shares))


def _spread(
    given: Float, chosen: np.ndarray[tuple[int], np.dtype[np.intp]], labels: int
) -> Callable[[Box, bool], Float]:
    """What Gathering looks up: the labels that there are where nothing is added to them, else all."""

    def look(inner: Box, alone: bool) -> Float:
        part = given[(slice(None), *inner)]
        if alone:
            return part
        made = np.zeros((labels, *part.shape[1:]), np.float32)
        made[chosen] = part
        return made

    return look


def _likeliest(shares: Float, numbers: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Labels:
    if not len(shares):
        return np.zeros(shares.shape[1:], np.uint8)
    first = shares.argmax(axis=0)
    best = np.take_along_axis(shares, first[None], axis=0)[0]
    return np.where(best > 1 - shares.sum(axis=0), numbers[first], 0).astype(np.uint8)
