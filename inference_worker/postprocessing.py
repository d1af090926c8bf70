"""From the network's logits to a mask on the source's grid, and to what is measured in it."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from domain.errors import ConfigurationError
from domain.findings import Measurement, Segment
from inference_worker.preprocessing import Affine, Float, Grid
from models.manifest import Postprocessing, Wanted

Labels: TypeAlias = npt.NDArray[np.uint8]
Box: TypeAlias = tuple[slice, ...]

# Where the background is this sure, no interpolation between neighbours gives a label the most.
_SURE = 0.99


def label(logits: Float, grid: Grid, labels: int, close_mm: float = 0.0) -> Labels:
    """The likeliest label of each voxel of the source's grid, in the source's own order.

    `logits` has shape (1, labels, z, y, x) on the network's grid and may be padded at the far ends. Probabilities
    are interpolated linearly, then compared, so that borders are finer than the network's voxels. Before that each
    label is closed by a ball of radius `close_mm`. Raises ConfigurationError where the network's labels are not as
    many as the manifest's.
    """
    if logits.shape[1] != labels:
        raise ConfigurationError(f"the network gives {logits.shape[1]} labels, its manifest {labels} with background")
    heads, backs, lefts = grid.axes
    likely = _softmax(logits[0, :, : heads.new_size, : backs.new_size, : lefts.new_size])
    mask = np.zeros([axis.size for axis in grid.axes], np.uint8)
    # A closing adds nothing outside the box: it never leaves the smallest box around what it closes.
    box = box_of(likely[0] < _SURE, margin=1)
    if box:
        close(likely[1:], tuple(axis.new_spacing for axis in grid.axes), close_mm)
        # Outside the box all is background, so only the weights of the box's voxels count.
        weights = [axis.back()[:, part] for axis, part in zip(grid.axes, box, strict=True)]
        _interpolate(likely[(slice(None), *box)], weights, mask)
    return np.ascontiguousarray(grid.orientation.source(mask))


def close(shares: Float, spacing: tuple[float, ...], radius: float) -> None:
    """Give to each label (axis 0 of `shares`) the background that a ball of `radius` mm cannot reach, in place.

    That is a morphological closing. Background that more than one label would close over stays background.
    """
    if radius <= 0:
        return
    gained = np.stack([_closed(share > 0.5, spacing, radius) for share in shares]) & (shares.max(axis=0) <= 0.5)
    gained &= gained.sum(axis=0) == 1
    shares[:, gained.any(axis=0)] = 0
    shares[gained] = 1


def _closed(mask: npt.NDArray[np.bool_], spacing: tuple[float, ...], radius: float) -> npt.NDArray[np.bool_]:
    if not mask.any():
        return mask
    margin = [int(radius / step) + 2 for step in spacing]
    padded = np.pad(mask, [(size, size) for size in margin])
    reached = ndimage.distance_transform_edt(~padded, sampling=spacing) <= radius
    closed = ndimage.distance_transform_edt(reached, sampling=spacing) > radius
    return np.asarray(closed[tuple(slice(size, -size) for size in margin)])


def _softmax(logits: Float) -> Float:
    powers = np.exp(logits - logits.max(axis=0))
    return np.asarray(powers / powers.sum(axis=0))


def _interpolate(likely: Float, weights: Sequence[Float], mask: Labels) -> None:
    """Write the likeliest label into `mask`, plane by plane: all planes at once would take gigabytes."""
    used = [np.flatnonzero(matrix.sum(axis=1) > 0) for matrix in weights]
    (heads, rows, columns) = (matrix[at] for matrix, at in zip(weights, used, strict=True))
    # The background's share is what the labels leave, also where part of it was cut off with the box.
    shares = likely[1:]
    for plane, head in zip(used[0], heads, strict=True):
        near = np.flatnonzero(head)
        flat = np.tensordot(head[near], shares[:, near], axes=(0, 1))
        fine = rows @ flat @ columns.T
        best = fine.argmax(axis=0).astype(np.uint8) + np.uint8(1)
        found = fine.max(axis=0) > 1 - fine.sum(axis=0)
        mask[plane, used[1][0] : used[1][-1] + 1, used[2][0] : used[2][-1] + 1] = best * found


def box_of(mask: npt.NDArray[np.bool_], margin: int = 0) -> Box | None:
    """The smallest box around what is True, `margin` wider where there is room; None where nothing is."""
    box = []
    for axis in range(mask.ndim):
        at = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        if not len(at):
            return None
        box.append(slice(max(0, int(at[0]) - margin), int(at[-1]) + 1 + margin))
    return tuple(box)


def clean(mask: Labels, labels: int, wanted: Postprocessing) -> None:
    """Keep the largest component of each label (faces touching) and fill its holes, in place."""
    for number, box in enumerate(ndimage.find_objects(mask, max_label=labels), start=1):
        if box is not None:
            part = mask[box]
            if wanted.largest_component:
                part[_lesser_components(part == number)] = 0
            if wanted.fill_holes:
                part[_holes(part == number) & (part == 0)] = number


def _lesser_components(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    components, count = ndimage.label(mask)
    if count < 2:
        return np.zeros_like(mask)
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    return np.asarray(mask & (components != sizes.argmax()))


def _holes(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Voxels that no path outside `mask` connects with the array's faces."""
    outside, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
    holes = outside[1:-1, 1:-1, 1:-1]
    return np.asarray((holes != outside[0, 0, 0]) & ~mask)


def measure(
    segment: Segment, mask: Labels, voxels: npt.NDArray[Any], affine: Affine, wanted: Sequence[Wanted]
) -> tuple[Measurement, ...]:
    """What is measured in one segment: volume in ml from the affine's determinant (mm3), mean of the voxels.

    A segment without voxels has a volume of 0 and no mean.
    """
    box = box_of(mask == segment.number)
    inside = voxels[box][mask[box] == segment.number] if box else voxels[:0]
    values = {"volume": inside.size * abs(float(np.linalg.det(affine[:3, :3]))) / 1000}
    if inside.size:
        values["mean"] = float(inside.mean(dtype=np.float64))
    return tuple(Measurement(one.name, values[one.what], one.unit) for one in wanted if one.what in values)
