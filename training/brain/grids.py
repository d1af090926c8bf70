"""From the grid of a NIfTI image to the network's: axes towards head, back and left, isotropic voxels."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from nibabel import orientations

from training.brain.shapes import Float

Array: TypeAlias = npt.NDArray[Any]

# The names of nibabel's axes, which count towards right, front and head (RAS+), in this package's order and direction.
_HEAD_BACK_LEFT = ("S", "P", "L")


def canonical(array: Array, affine: Array) -> Array:
    """`array` with its axes reordered and flipped to lead (nearly) towards head, back and left; a view."""
    wanted = orientations.axcodes2ornt(_HEAD_BACK_LEFT)
    change = orientations.ornt_transform(_axes(affine), wanted)
    return np.asarray(orientations.apply_orientation(array, change))


def resample(array: Array, affine: Array, spacing_mm: float) -> Float:
    """`array` in canonical order on voxels of `spacing_mm` around the same centre, each the mean of what it covers."""
    turned = canonical(array, affine).astype(np.float32)
    steps = canonical_steps(affine)
    for axis, step in enumerate(steps):
        weights = overlap_weights(turned.shape[axis], step, spacing_mm)
        turned = np.moveaxis(np.tensordot(weights, turned, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(turned)


def canonical_steps(affine: Array) -> tuple[float, ...]:
    """Distance (mm) between neighbours towards head, back and left."""
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    axes = _axes(affine)[:, 0].tolist()
    return tuple(float(steps[axes.index(world)]) for world in (2, 1, 0))


def overlap_weights(size: int, step: float, new_step: float) -> Float:
    """Weights (new size, size): the share of each new voxel that each old one covers; the centres of the rows agree."""
    count = max(1, round(size * step / new_step))
    old = (np.arange(size + 1) - size / 2) * step
    new = (np.arange(count + 1) - count / 2) * new_step
    common = np.minimum(new[1:, None], old[None, 1:]) - np.maximum(new[:-1, None], old[None, :-1])
    weights = np.clip(common, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _axes(affine: Array) -> Array:
    """For each axis of the array the patient axis that it is nearest to, and its direction along it."""
    return np.asarray(orientations.io_orientation(affine))
