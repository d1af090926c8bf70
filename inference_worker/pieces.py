"""A network's first output over a large input, handed over cell by cell as the last window on each has gone through.

At full size the output of a network of a hundred classes takes ten gigabytes. What blending still needs of it is what
the windows to come overlap; the rest is handed over and let go. Where all of it is small it comes as one piece.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, product
from math import prod
from typing import Protocol

import numpy as np

from inference_worker.engines.protocol import Engine, Float
from inference_worker.transforms.gathering import Gathering, Range
from inference_worker.transforms.grids import Box
from inference_worker.windows import (
    Place,
    Space,
    blended,
    gaussian,
    joined,
    padded,
    side_of,
    starts_of,
    weights_of,
    windows_of,
)
from models.manifest import Network

# Bytes of an output that is handed over as one piece, and the largest side (voxels) of a cell of a larger one.
WHOLE, MOST = 256 * 1024**2, 32


class Receiver(Protocol):
    """Whoever takes a network's first output."""

    def begin(self, cells: Sequence[Sequence[Range]]) -> None:
        """What follows are the cells of the product of `cells`, in any order; what came before counts no more."""
        ...

    def take(self, place: Box, output: Float) -> None:
        """The output (channels, *cell) of one cell, which is the receiver's own."""
        ...


def hand_over(engine: Engine, item: Float, network: Network, to: Receiver, whole: int = WHOLE) -> None:
    """The output of `item` (channels, *space), cell after cell, or at once where it has `whole` bytes or less.

    Raises as the engine does, after which nothing that was taken counts.
    """
    space, (name, *_) = item.shape[1:], network.outputs
    side = side_of(network, space) if network.window else space
    if side == space:
        output = joined(engine, item[None], network)[name][0]
        _split(output, to, whole if output.shape[1:] == space else output.nbytes)
        return
    wider, inside = padded(item, side)
    windows = ((place, {name: outputs[name]}) for place, outputs in windows_of(engine, wider, side, network))
    first = next(windows)
    if len(first[1][name]) * prod(space) * 4 <= whole:
        outputs = blended(chain([first], windows), wider.shape[1:], inside, side, network.overlap)
        _split(outputs[name], to, whole)
        return
    _stream(
        ((place, outputs[name]) for place, outputs in chain([first], windows)),
        wider.shape[1:],
        inside,
        side,
        network.overlap,
        to,
    )


def _split(output: Float, to: Receiver, whole: int) -> None:
    """An output that is there as a whole, in cells where what becomes of it would take too much."""
    cells = [[(0, size)] if output.nbytes <= whole else _ranges(size) for size in output.shape[1:]]
    to.begin(cells)
    for cell in product(*cells):
        place = tuple(slice(*one) for one in cell)
        to.take(place, output[(slice(None), *place)])


def _ranges(size: int) -> list[Range]:
    return [(start, min(start + MOST, size)) for start in range(0, size, MOST)]


def _stream(
    windows: Iterator[tuple[Place, Float]], space: Space, inside: Place, side: Space, overlap: float, to: Receiver
) -> None:
    pairs = zip(space, side, strict=True)
    axes = [[(start, start + window) for start in starts_of(size, window, overlap)] for size, window in pairs]
    gathering, weight, weights = Gathering(axes, MOST), gaussian(side), weights_of(space, side, overlap)
    cells = [[_common(one, part) for one in ranges] for ranges, part in zip(gathering.cells, inside, strict=True)]
    to.begin([[one for one in ranges if one[0] < one[1]] for ranges in cells])
    for place, output in windows:
        for at, sums, _ in gathering.add(place, _weighted(output, weight)):
            np.divide(sums, weights[at], out=sums)
            _hand(at, sums, inside, to)


def _weighted(output: Float, weight: Float) -> Callable[[Box, bool], Float]:
    return lambda inner, _: output[(slice(None), *inner)] * weight[inner]


def _hand(at: Box, sums: Float, inside: Place, to: Receiver) -> None:
    """What of a cell lies inside of what was filled up around the input, counted from there."""
    kept = [_common((one.start, one.stop), part) for one, part in zip(at, inside, strict=True)]
    if all(start < stop for start, stop in kept):
        cut = tuple(
            slice(start + part.start - one.start, stop + part.start - one.start)
            for (start, stop), one, part in zip(kept, at, inside, strict=True)
        )
        to.take(tuple(slice(*one) for one in kept), sums[(slice(None), *cut)])


def _common(one: Range, part: slice) -> Range:
    return max(one[0], part.start) - part.start, min(one[1], part.stop) - part.start
