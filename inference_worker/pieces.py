"""A network's first output over a large input, handed over cell by cell as the last window on each has gone through.

At full size the output of a network of a hundred classes takes ten gigabytes. What blending still needs of it is what
the windows to come overlap; the rest is handed over and let go. Where all of it is small it comes as one piece.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
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
    starts = [starts_of(size, window, network.overlap) for size, window in zip(wider.shape[1:], side, strict=True)]
    first, windows = _peeked(
        _of_output(windows_of(engine, wider, side, network, in_blocks(starts, side, network)), name)
    )
    if first * prod(space) * 4 <= whole:
        named = ((place, {name: output}) for place, output in windows)
        _split(blended(named, wider.shape[1:], inside, side, network.overlap)[name], to, whole)
    else:
        _stream(windows, starts, weights_of(wider.shape[1:], side, network.overlap), inside, side, to)


def _of_output(windows: Iterator[tuple[Place, dict[str, Float]]], name: str) -> Iterator[tuple[Place, Float]]:
    """The one output of each window, of which nothing is kept here when the next is asked for."""
    for place, outputs in windows:
        given = [outputs[name]]
        del outputs
        yield place, given.pop()


def _peeked(windows: Iterator[tuple[Place, Float]]) -> tuple[int, Iterator[tuple[Place, Float]]]:
    """How many channels the first window's output has, and all windows, that one included."""
    held = [next(windows)]

    def all_of_them() -> Iterator[tuple[Place, Float]]:
        yield held.pop()
        yield from windows

    return len(held[0][1]), all_of_them()


def in_blocks(starts: Sequence[Sequence[int]], side: Space, network: Network) -> list[Place]:
    """Where the windows lie, those that overlap by more than is usual together, so that little has to wait for them.

    Along each axis the last window is moved back inside; it goes with the one before.
    """
    step = [max(1, int(one * (1 - network.overlap))) for one in side]
    key = [
        {start: (k if start == k * by else k - 1) for k, start in enumerate(along)}
        for along, by in zip(starts, step, strict=True)
    ]
    corners = sorted(product(*starts), key=lambda at: ([key[axis][one] for axis, one in enumerate(at)], at))
    return [tuple(slice(start, start + one) for start, one in zip(at, side, strict=True)) for at in corners]


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
    windows: Iterator[tuple[Place, Float]],
    starts: Sequence[Sequence[int]],
    weights: Float,
    inside: Place,
    side: Space,
    to: Receiver,
) -> None:
    axes = [[(start, start + window) for start in along] for along, window in zip(starts, side, strict=True)]
    gathering, weight = Gathering(axes, MOST), gaussian(side)
    cells = [[_common(one, part) for one in ranges] for ranges, part in zip(gathering.cells, inside, strict=True)]
    to.begin([[one for one in ranges if one[0] < one[1]] for ranges in cells])
    for place, output in windows:
        for at, sums, _ in gathering.add(place, _weighted(output, weight)):
            np.divide(sums, weights[at], out=sums)
            _hand(at, sums, inside, to)
        del output  # before the next window's is made


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
