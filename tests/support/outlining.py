"""Outlines back to pixels, and how far they get from the pixels' edges, by other means than the writer's.

assert np.array_equal(filled(points, picture.shape), largest_part(picture)[0])
assert farthest(points, picture) < 0.5
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

EVERY = np.ones((3, 3))
Picture: TypeAlias = NDArray[np.bool_]
Points: TypeAlias = NDArray[np.float64]


def filled(points: Points, shape: tuple[int, ...]) -> Picture:
    """The pixels whose centres lie within, by the even-odd rule."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside = np.zeros(shape, bool)
    for (x, y), (to_x, to_y) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if y != to_y:
            inside ^= ((y <= rows) != (to_y <= rows)) & (columns < x + (rows - y) / (to_y - y) * (to_x - x))
    return inside


def largest_part(picture: Picture) -> list[Picture]:
    """The parts of pixels that share edges, their holes filled, that are as large as any."""
    labels, count = ndimage.label(picture)
    parts = [ndimage.binary_fill_holes(labels == number, EVERY) for number in range(1, count + 1)]
    most = max(part.sum() for part in parts)
    return [part for part in parts if part.sum() == most]


def farthest(points: Points, picture: Picture) -> float:
    """How far the outline gets from the nearest edge between a pixel of `picture` and one that is not, in pixels."""
    steps = np.linspace(0, 1, 32)[:, None]
    along = np.concatenate([a + steps * (b - a) for a, b in zip(points, np.roll(points, -1, axis=0), strict=True)])
    wide = np.pad(picture, 1)
    edges = [(x, y, x + 1, y) for y, x in np.argwhere(wide[1:, 1:-1] != wide[:-1, 1:-1])]
    edges += [(x, y, x, y + 1) for y, x in np.argwhere(wide[1:-1, 1:] != wide[1:-1, :-1])]
    left, top, right, bottom = np.array(edges, float).T
    nearest = np.stack([along[:, :1].clip(left, right), along[:, 1:].clip(top, bottom)])
    return float(np.hypot(*(nearest - along.T[:, :, None])).min(axis=1).max())
