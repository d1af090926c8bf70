"""What the body encloses: the air in it, seen in axial sections, which in a CT of the chest are the lungs."""

import numpy as np
from scipy import ndimage

from domain.errors import UnusableInput
from inference_worker.transforms.arrays import Float, Sampled, like, to_numpy
from inference_worker.transforms.grids import Grid, Real, orientation_of, spacings_of
from inference_worker.transforms.morphology import Mask, at_least, box_of, closed, largest
from models import steps

# A table's shell and a fold of cloth are thinner: what an opening of this (mm) leaves of them hangs on no body.
_THIN = 3.0


def keep_enclosed(sampled: Sampled, step: steps.KeepEnclosed) -> Sampled:
    """Raises UnusableInput where the body encloses nothing of that size."""
    values = np.asarray(to_numpy(sampled.values), np.float32)
    kept = enclosed(values[0], sampled.affine, step)
    box = box_of(kept, step.margin)
    if box is None:
        raise UnusableInput(f"nothing below {step.below:g} of {step.ml:g} ml or more is enclosed by the body")
    made = np.where(kept[box], values[(slice(None), *box)], np.float32(step.value))
    part = Grid(kept.shape, sampled.affine).part(box)
    return Sampled(like(made, sampled.values), part.affine)


def enclosed(values: Float, affine: Real, step: steps.KeepEnclosed) -> Mask:
    """The voxels that the step keeps."""
    spacing = tuple(float(one) for one in spacings_of(affine))
    axial = orientation_of(affine).order[0]
    dense = np.moveaxis(values >= step.below, axial, 0)
    thin = max(1, round(_THIN / max(spacing)))
    body = largest(ndimage.binary_opening(dense, np.ones((1, 3, 3)), iterations=thin))
    air = np.moveaxis(_inside(body) & ~dense, 0, axial)
    return closed(at_least(np.ascontiguousarray(air), _voxels(step.ml, spacing)), spacing, step.mm)


def _voxels(ml: float, spacing: tuple[float, ...]) -> float:
    return ml * 1000 / float(np.prod(spacing))


def _inside(body: Mask) -> Mask:
    """In each section what no path outside `body` connects with the section's edge."""
    # Neighbours within a section alone: its own connected parts, all sections at once.
    parts, count = ndimage.label(
        ~body, np.array([np.zeros((3, 3)), [[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.zeros((3, 3))])
    )
    open_ = np.zeros(count + 1, np.bool_)
    for edge in (parts[:, 0], parts[:, -1], parts[:, :, 0], parts[:, :, -1]):
        open_[np.unique(edge)] = True
    open_[0] = True
    return np.asarray(~open_[parts])
