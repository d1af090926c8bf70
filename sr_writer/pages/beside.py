"""A slice of another input on the grid of the source's: what enhances is judged where contrast agent was given."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sr_writer.pages.pixels import Grey
from sr_writer.source import Source, Volume

_PARALLEL = 0.999  # cosine between the normals of two stacks of which a slice of one is shown for one of the other

Array = NDArray[np.float64]


def nearest(source: Volume, index: int, other: Source) -> int | None:
    """Which frame of the other lies where frame `index` of the source does; None where none is within half a slice.

    None, too, where the two have frames of reference of their own, so that places in one are not places in the other.
    """
    volume = other.volume
    if volume is None or volume.frame_of_reference_uid != source.frame_of_reference_uid:
        return None
    if abs(float(_axes(source)[2] @ _axes(volume)[2])) < _PARALLEL:
        return None
    places = np.asarray(volume.positions, float) - np.asarray(source.positions[index], float)
    away = np.abs(places @ _axes(source)[2])
    found = int(away.argmin())
    return found if away[found] <= max(volume.slice_spacing, source.slice_spacing) / 2 else None


def on_grid(pixels: Grey, other: tuple[Volume, int], source: tuple[Volume, int]) -> Grey:
    """The picture of a frame of one stack (rows, columns) as it lies on the grid of a frame of another."""
    (volume, k), (wanted, index) = other, source
    to_patient, from_patient = _affine(wanted, index), np.linalg.pinv(_affine(volume, k)[:, :2])
    step = from_patient @ to_patient[:, :2]
    # Pillow counts from the corner of the first pixel, places are of its centre.
    shift = from_patient @ (to_patient[:, 2] - _affine(volume, k)[:, 2]) - step @ (0.5, 0.5) + 0.5
    data = (step[0, 0], step[0, 1], shift[0], step[1, 0], step[1, 1], shift[1])
    size = (wanted.columns, wanted.rows)
    moved = Image.fromarray(pixels).transform(size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    return np.asarray(moved)


def _axes(volume: Volume) -> Array:
    row, column = np.asarray(volume.orientation, float).reshape(2, 3)
    return np.stack([row, column, np.cross(row, column)])


def _affine(volume: Volume, index: int) -> Array:
    """Column, row and 1 of a frame to patient mm, (3, 3)."""
    rows, columns = map(float, volume.pixel_spacing)
    row, column, _ = _axes(volume)
    return np.stack([row * columns, column * rows, np.asarray(volume.positions[index], float)], axis=1)
