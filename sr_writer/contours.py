"""Closed outlines in pixels: around what is marked in a picture, of no more points than it needs.

Points are (column, row); (0, 0) is the top left corner of the picture's top left pixel.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

# Graphic Data has a 16 bit length in Explicit VR: 8191 points of two 32 bit numbers (PS3.5 section 7.1.2).
MOST_POINTS = 4000
# Less than half a pixel: then no pixel's centre, half a pixel from every edge, changes sides.
_TOLERANCE = 0.49

# What a step along an edge adds to (column, row); the marked pixel is on its right hand.
_RIGHT, _DOWN, _LEFT, _UP = range(4)
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))

_Edge = tuple[int, int, int]
Points = NDArray[np.float64]


def contour(part: NDArray[np.bool_]) -> tuple[Points, int]:
    """The outline of the largest part of a picture (rows, columns) that has a marked pixel, and the pixels within.

    Pixels of one part share an edge. Points are (column, row), (0, 0) the picture's top left corner, no further than
    half a pixel from the pixels' edges; only an outline of more than 4000 points is drawn with less care.
    """
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    top, left = rows[0], columns[0]
    loop = max(_loops(part[top : rows[-1] + 1, left : columns[-1] + 1]), key=_enclosed)
    return thinned(*_half_steps(loop)) + np.array((left, top)), _enclosed(loop)


def contours(part: NDArray[np.bool_], most: int) -> list[Points]:
    """The outlines of the parts of a picture, the largest first, `most` at the most; holes are left out.

    They go through the middles of the pixels' edges, so that a slope is a line: quick, for a stack has hundreds.
    """
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    if not len(rows):
        return []
    top, left = rows[0], columns[0]
    loops = [(_enclosed(loop), loop) for loop in _loops(part[top : rows[-1] + 1, left : columns[-1] + 1])]
    outer = sorted((one for one in loops if one[0] > 0), key=lambda one: -one[0])[:most]
    return [_straightened(loop) + np.array((left, top)) for _, loop in outer]


def _straightened(loop: Sequence[_Edge]) -> Points:
    """The middles of a path's edges, without those that lie on the line from the one before to the one after."""
    corners = np.array(loop)[:, 1:].astype(np.float64)
    middles = (corners + np.roll(corners, -1, axis=0)) / 2
    before, after = middles - np.roll(middles, 1, axis=0), np.roll(middles, -1, axis=0) - middles
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return middles[turns] if turns.sum() >= 3 else middles


def thinned(points: Points, use: NDArray[np.int_] | None = None) -> Points:
    """Those points of a closed outline that it needs, 4000 at the most, from the first one on.

    None of the others is further than half a pixel from what is left. `use` says of each point whether the outline must
    (2), may (1) or must not (0) go through it; it may go through all where that is left out.
    """
    tolerance, use = _TOLERANCE, np.ones(len(points), int) if use is None else use
    while len(kept := _thinned(points, use, tolerance)) > MOST_POINTS:
        tolerance, use = 2 * tolerance, np.minimum(use, 1)
    return kept


def enclosed(points: Points) -> float:
    """The area within a closed outline, in pixels."""
    (x, y), (next_x, next_y) = points.T, np.roll(points, -1, axis=0).T
    return abs(float((x * next_y - next_x * y).sum())) / 2


def _loops(part: NDArray[np.bool_]) -> Iterator[list[_Edge]]:
    """The closed paths between marked and unmarked pixels: clockwise around a part, the other way around a hole."""
    edges = _edges(part)
    seen: set[_Edge] = set()
    for edge in sorted(edges):
        if edge not in seen:
            loop = list(_around(edge, edges))
            seen.update(loop)
            yield loop


def _edges(part: NDArray[np.bool_]) -> set[_Edge]:
    """Every edge between a marked pixel and one that is not, as direction and the (column, row) that it begins at."""
    wide = np.pad(part, 1)
    neighbours = {
        _RIGHT: (wide[:-2, 1:-1], (0, 0)),
        _DOWN: (wide[1:-1, 2:], (1, 0)),
        _LEFT: (wide[2:, 1:-1], (1, 1)),
        _UP: (wide[1:-1, :-2], (0, 1)),
    }
    found: set[_Edge] = set()
    for direction, (neighbour, (column, row)) in neighbours.items():
        rows, columns = np.nonzero(part & ~neighbour)
        found.update((direction, x, y) for x, y in zip((columns + column).tolist(), (rows + row).tolist(), strict=True))
    return found


def _around(first: _Edge, edges: set[_Edge]) -> Iterator[_Edge]:
    """The path that `first` is part of. Where two meet, it keeps to its own pixel: a shared corner joins nothing."""
    edge = first
    while True:
        yield edge
        direction, column, row = edge
        across, down = _STEPS[direction]
        turns = ((direction + turn) % 4 for turn in (1, 0, 3))
        edge = next(one for turn in turns if (one := (turn, column + across, row + down)) in edges)
        if edge == first:
            return


def _enclosed(loop: Sequence[_Edge]) -> int:
    """How many pixels lie within; negative for a hole."""
    return sum(column if direction == _DOWN else -column for direction, column, _ in loop if direction in (_DOWN, _UP))


def _half_steps(loop: Sequence[_Edge]) -> tuple[Points, NDArray[np.int_]]:
    """The corners of the path and the middle of each edge, and their use as `thinned` takes it.

    A slope is drawn straight through the middles. A corner is a step of a slope where the path turns to the other side
    one pixel before or after it; through every other corner the outline goes, beginning with one where there are any.
    """
    edges = np.array(loop)
    corners = edges[:, 1:].astype(np.float64)
    middles = (corners + np.roll(corners, -1, axis=0)) / 2
    turns = (edges[:, 0] - np.roll(edges[:, 0], 1) + 1) % 4 - 1
    steps = (turns != 0) & ((turns == -np.roll(turns, 1)) | (turns == -np.roll(turns, -1)))
    points = np.stack((corners, middles), axis=1).reshape(-1, 2)
    use = np.stack((np.where(steps, 0, 1 + (turns != 0)), np.ones_like(turns)), axis=1).reshape(-1)
    first = -int(use.argmax())
    return np.roll(points, first, axis=0), np.roll(use, first)


def _thinned(points: Points, use: NDArray[np.int_], tolerance: float) -> Points:
    """From each point kept, the straight line goes as far as everything that it passes by is within `tolerance`."""
    closed = np.concatenate((points, points[:1]))
    stops = np.append(np.flatnonzero(use), len(points))
    musts = np.append(np.flatnonzero(use[use > 0] == 2), len(stops) - 1)
    kept = [0]
    while kept[-1] < len(stops) - 1:
        here = kept[-1]
        limit = int(musts[np.searchsorted(musts, here, side="right")])
        kept.append(_furthest(closed, stops, here, limit, tolerance))
    return np.asarray(closed[stops[kept[:-1]]])


def _furthest(points: Points, stops: NDArray[np.int_], here: int, limit: int, tolerance: float) -> int:
    """Which of the `stops` after `here`, up to `limit`, a straight line reaches: strides that double, then halve."""
    found, stride = here + 1, 1
    while stride:
        if found + stride <= limit and _deviation(points[stops[here] : stops[found + stride] + 1]) <= tolerance:
            found, stride = found + stride, 2 * stride
        else:
            stride //= 2
    return found


def _deviation(points: Points) -> float:
    """How far the points get from the straight line between the first and the last."""
    start, along = points[0], points[-1] - points[0]
    share = ((points - start) @ along / max(float(along @ along), 1e-12)).clip(0, 1)
    return float(np.hypot(*(points - start - share[:, None] * along).T).max())
