"""Sums of overlapping parts of an array that is never there as a whole: a cell leaves when its last part has come."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product
from math import prod

from inference_worker.transforms.arrays import Float
from inference_worker.transforms.grids import Box

Range = tuple[int, int]
Cell = tuple[int, ...]


class Gathering:
    """Parts lie on the product of `axes`, the ranges along each axis; cells lie between the ranges' ends.

    `most` is the largest side of a cell; 0 leaves them as they are.
    """

    def __init__(self, axes: Sequence[Sequence[Range]], most: int = 0) -> None:
        self._cuts = [_cuts(ranges, most) for ranges in axes]
        self._covered = [
            {one: [k for k, (a, b) in enumerate(pairwise(cuts)) if one[0] <= a and b <= one[1]] for one in ranges}
            for ranges, cuts in zip(axes, self._cuts, strict=True)
        ]
        self._times = [_times(ranges, covered, cuts) for ranges, covered, cuts in self._each(axes)]
        self._held: dict[Cell, tuple[Float, int]] = {}

    def _each(
        self, axes: Sequence[Sequence[Range]]
    ) -> Iterator[tuple[Sequence[Range], dict[Range, list[int]], list[int]]]:
        return zip(axes, self._covered, self._cuts, strict=True)

    @property
    def cells(self) -> list[list[Range]]:
        """The cells' ranges along each axis."""
        return [list(pairwise(cuts)) for cuts in self._cuts]

    def add(self, place: Box, look: Callable[[Box, bool], Float]) -> Iterator[tuple[Box, Float, bool]]:
        """Each cell that the part at `place` completes: where it lies, its sums, and whether no other part is in them.

        `look` gives the part's values (channels, *space) in a box of the part; it is told whether they are all of the
        cell, and for one that is not, the array that it gives becomes the sums'.
        """
        ranges = [covered[part.start, part.stop] for covered, part in zip(self._covered, place, strict=True)]
        for cell in product(*ranges):
            box = tuple(slice(*cuts[k : k + 2]) for cuts, k in zip(self._cuts, cell, strict=True))
            inner = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, place, strict=True))
            held, left = self._held.pop(
                cell, (None, prod(times[k] for times, k in zip(self._times, cell, strict=True)))
            )
            alone = held is None and left == 1
            values = look(inner, alone)
            if held is not None:
                held += values
                values = held
            if left > 1:
                self._held[cell] = values, left - 1
            else:
                yield box, values, alone


def _cuts(ranges: Sequence[Range], most: int) -> list[int]:
    cuts = sorted({end for one in ranges for end in one})
    finer = (range(start, stop, most) if most else (start,) for start, stop in pairwise(cuts))
    return [*(cut for some in finer for cut in some), *cuts[-1:]]


def _times(ranges: Sequence[Range], covered: dict[Range, list[int]], cuts: list[int]) -> list[int]:
    """How many of `ranges` cover each cell."""
    times = [0] * (len(cuts) - 1)
    for one in ranges:
        for k in covered[one]:
            times[k] += 1
    return times
