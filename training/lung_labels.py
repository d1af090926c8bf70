"""Lung labels by a classical method: thresholds, connected components, distances. No model, no hand drawing.

The result is what a radiologist calls the lung: parenchyma with the vessels and nodules in it and those that
touch the pleura, without trachea and main bronchi, split into right and left.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference_worker.transforms.morphology import box_of

RIGHT, LEFT = 1, 2

# Aerated lung and soft tissue meet half-way between about -850 and +50 HU.
LUNG_BELOW_HU = -400
# The lumen of trachea and main bronchi is nearly pure air; parenchyma seldom is.
LUMEN_HU = range(-980, -860, 10)
LUMEN_LIMIT_ML = 90.0
AIRWAY_WALL_MM = 2.0
THIN_MM = 3.0
# Wide enough to take in a nodule of 20 mm that touches the pleura, narrow enough to leave the heart out.
CLOSING_MM = 12.0
MIN_LUNG_ML = 150.0

Bool: TypeAlias = npt.NDArray[np.bool_]
Spacing: TypeAlias = tuple[float, float, float]


def lung_labels(voxels: npt.NDArray[Any], spacing: Spacing) -> npt.NDArray[np.uint8]:
    """Label every voxel of a chest CT: 0 outside the lungs, RIGHT or LEFT inside.

    `voxels` are HU in canonical order: slices from foot to head, rows to the back, columns to the patient's left.
    `spacing` is mm in that order. Raises ValueError where no two lungs are found.
    """
    air = _air_inside(voxels < LUNG_BELOW_HU)
    # Lungs lie in the box of the air; a margin of one voxel keeps its faces from counting as the volume's.
    box = box_of(air, margin=1)
    if box is None:
        raise ValueError("no air is seen inside the body")
    airways = _airways(voxels, air, spacing)[box]
    sides = _split(air[box] & ~_dilate(airways, AIRWAY_WALL_MM, spacing), spacing)
    labels = np.zeros(air.shape, np.uint8)
    labels[box] = _smooth(sides, airways, spacing)
    return labels


def _air_inside(air: Bool) -> Bool:
    """Air that no slice connects with its own border, which is air outside the patient."""
    inside = air.copy()
    for k, plane in enumerate(air):
        labels, _ = ndimage.label(plane)
        rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        inside[k] = plane & ~np.isin(labels, rim)
    return inside


def _airways(voxels: npt.NDArray[Any], air: Bool, spacing: Spacing) -> Bool:
    """Trachea and main bronchi: the largest region grown from the trachea that has not leaked into the lung."""
    seed = _trachea_seed(voxels, air, spacing)
    tree = np.zeros(air.shape, bool)
    if seed is None:
        return tree
    voxel_ml = float(np.prod(spacing)) / 1000
    for limit in LUMEN_HU:
        labels, _ = ndimage.label(air & (voxels < limit))
        if not labels[seed]:
            continue
        grown = labels == labels[seed]
        if grown.sum() * voxel_ml > LUMEN_LIMIT_ML:
            break
        tree = grown
    # Bronchi thinner than this stay in the lung: they branch through it.
    return _dilate(_core(tree, THIN_MM, spacing), THIN_MM, spacing)


def _trachea_seed(voxels: npt.NDArray[Any], air: Bool, spacing: Spacing) -> tuple[int, int, int] | None:
    """A voxel of the trachea: in the topmost slices the round air column nearest the body's middle."""
    body = np.argwhere(voxels[voxels.shape[0] // 2] > -200)
    middle = body.mean(axis=0)[1]
    area = spacing[1] * spacing[2]
    for k in range(voxels.shape[0] - 2, voxels.shape[0] // 2, -1):
        labels, count = ndimage.label(air[k] & (voxels[k] < -850))
        for label in range(1, count + 1):
            where = np.argwhere(labels == label)
            centre = where.mean(axis=0)
            round_enough = np.ptp(where, axis=0).max() * spacing[1] < 35
            if 60 < len(where) * area < 700 and abs(centre[1] - middle) * spacing[2] < 30 and round_enough:
                row, column = where[np.argmin(((where - centre) ** 2).sum(axis=1))]
                return k, int(row), int(column)
    return None


def _split(air: Bool, spacing: Spacing) -> npt.NDArray[np.uint8]:
    """Right and left lung, parted by erosion where they touch, every voxel given to the nearer core."""
    least = MIN_LUNG_ML * 1000 / float(np.prod(spacing))
    for erosion in (0.0, 1.5, 3.0, 4.5, 6.0):
        labels, _ = ndimage.label(_core(air, erosion, spacing))
        sizes = np.bincount(labels.ravel(), minlength=3)
        sizes[0] = 0
        first, second = np.argsort(sizes)[:-3:-1]
        # An eroded lung keeps most of its size; a lobe that came off does not pass for the other lung.
        if sizes[second] > least and sizes[second] > 0.3 * sizes[first]:
            return _grow_back(labels, (int(first), int(second)), air, least, spacing)
    raise ValueError("no two lungs of plausible size are seen")


def _grow_back(
    labels: npt.NDArray[np.int32], cores: tuple[int, int], air: Bool, least: float, spacing: Spacing
) -> npt.NDArray[np.uint8]:
    columns = {core: np.nonzero(labels == core)[2].mean() for core in cores}
    right, left = sorted(cores, key=columns.__getitem__)
    sides = np.zeros(labels.shape, np.uint8)
    sides[labels == right], sides[labels == left] = RIGHT, LEFT
    nearest = ndimage.distance_transform_edt(sides == 0, sampling=spacing, return_distances=False, return_indices=True)
    pieces, _ = ndimage.label(air)
    kept = np.unique(pieces[sides > 0])
    return np.where(np.isin(pieces, kept[kept > 0]), sides[tuple(nearest)], 0).astype(np.uint8)


def _smooth(sides: npt.NDArray[np.uint8], airways: Bool, spacing: Spacing) -> npt.NDArray[np.uint8]:
    """Close each lung over vessels and nodules, then take away the airways that closing brought back."""
    closed = {side: _fill(_close(sides == side, CLOSING_MM, spacing)) for side in (RIGHT, LEFT)}
    result = sides.copy()
    for side, other in ((RIGHT, LEFT), (LEFT, RIGHT)):
        result[closed[side] & (sides != other) & ~closed[other]] = side
    result[_dilate(airways, AIRWAY_WALL_MM, spacing)] = 0
    return result


def _fill(lung: Bool) -> Bool:
    return np.stack([ndimage.binary_fill_holes(plane) for plane in lung])


def _core(mask: Bool, radius: float, spacing: Spacing) -> Bool:
    """What lies deeper than `radius` mm in `mask`; the volume's faces do not count as its surface."""
    return np.asarray(ndimage.distance_transform_edt(mask, sampling=spacing) > radius, bool)


def _dilate(mask: Bool, radius: float, spacing: Spacing) -> Bool:
    if not mask.any():
        return mask
    inside = ndimage.distance_transform_edt(~mask, sampling=spacing) <= radius
    return np.asarray(inside, bool)


def _close(mask: Bool, radius: float, spacing: Spacing) -> Bool:
    """Closing by a ball of `radius` mm, on a margin of air so that the volume's faces do not count as tissue."""
    box = box_of(mask)
    result = mask.copy()
    if box is not None:
        margin = [int(np.ceil(radius / step)) + 1 for step in spacing]
        padded = np.pad(mask[box], [(m, m) for m in margin])
        closed = _core(_dilate(padded, radius, spacing), radius, spacing)
        result[box] |= closed[tuple(slice(m, -m) for m in margin)]
    return result
