"""Steps that change the grid: turned, resampled, cut, filled up."""

from collections.abc import Sequence

import numpy as np
from array_api_compat import array_namespace

from domain.errors import ConfigurationError, UnusableInput
from inference_worker.transforms.arrays import Array, Sampled, to_numpy
from inference_worker.transforms.grids import Box, cube, moved, orientation_of, reoriented, scaled, spaced
from inference_worker.transforms.intensities import quantiles_of, rounded
from inference_worker.transforms.morphology import box_of
from inference_worker.transforms.resampling import along, operator, resample
from models import steps


def orientation(sampled: Sampled, step: steps.Orientation) -> Sampled:
    """A view of the same values."""
    how = orientation_of(sampled.affine, step.axes)
    xp = array_namespace(sampled.stored)
    stored = xp.permute_dims(sampled.stored, (0, *(1 + axis for axis in how.order)))
    backwards = tuple(1 + axis for axis, back in enumerate(how.backwards) if back)
    stored = xp.flip(stored, axis=backwards) if backwards else stored
    return Sampled(stored, reoriented(sampled.grid, how).affine, sampled.pending)


def spacing(sampled: Sampled, step: steps.Spacing) -> Sampled:
    """Resampled; what is pending is done on the way."""
    return resample(sampled, spaced(sampled.grid, step.mm), step.how)


def conform(sampled: Sampled, step: steps.Conform) -> Sampled:
    """Linear interpolation in the cube; 0 outside the source's outermost centres."""
    values = sampled.values
    xp = array_namespace(values)
    target = cube(sampled.grid.centre, step.size, step.mm, step.axes)
    low, (high,) = float(xp.min(values)), quantiles_of(values, (1 - step.top,))
    made = resample(sampled.with_values(values), target, "linear", (0.0, 0.0), low)
    scale = 255 / ((high - low) or 1.0)
    return made.with_values(xp.floor(xp.clip((made.values - low) * scale, 0.0, 255.0) + 0.5))


def resize(sampled: Sampled, step: steps.Resize) -> Sampled:
    """Resampled between the same outer edges."""
    shape = sampled.grid.shape
    if len(step.size) != len(shape):
        raise ConfigurationError(f"the step resize names {len(step.size)} sizes for {len(shape)} axes")
    if step.levels is None:
        return _resized(sampled, step.size, step.how)
    for axis in reversed(range(len(shape))):
        sampled = _resized(sampled, (*sampled.grid.shape[:axis], *step.size[axis:]), step.how)
        sampled = rounded(sampled, steps.Round(step.levels))
    return sampled


def _resized(sampled: Sampled, size: Sequence[int], how: str) -> Sampled:
    ratios = [old / new for old, new in zip(sampled.grid.shape, size, strict=True)]
    return resample(sampled, scaled(sampled.grid, size, ratios), how)


def centre_crop(sampled: Sampled, step: steps.CentreCrop) -> Sampled:
    """Of an odd number of voxels too many, the one more is cut at the far end."""
    shape = sampled.grid.shape
    box = tuple(
        slice((old - new) // 2, (old - new) // 2 + new) if old > new else slice(0, old)
        for old, new in zip(shape, step.size or (min(shape),) * len(shape), strict=True)
    )
    return cut(sampled, box)


def crop_foreground(sampled: Sampled, step: steps.CropForeground) -> Sampled:
    """The box of the foreground of all channels. Raises UnusableInput where nothing stands out."""
    values = sampled.values
    xp = array_namespace(values)
    low, high = float(xp.min(values)), float(xp.max(values))
    box = box_of(to_numpy(xp.any(values > low + step.above * (high - low), axis=0)))
    if box is None:
        raise UnusableInput("the series shows nothing: all of its values are equal")
    wider = (
        slice(max(0, part.start - step.margin), min(size, part.stop + step.margin))
        for part, size in zip(box, sampled.grid.shape, strict=True)
    )
    return cut(sampled, tuple(wider))


def pad(sampled: Sampled, step: steps.Pad) -> Sampled:
    """Of an odd number of voxels to fill, the one more is at the far end."""
    sizes = step.size or tuple(size + -size % step.multiple for size in sampled.grid.shape)
    lacking = [max(0, new - old) for old, new in zip(sampled.grid.shape, sizes, strict=True)]
    before = [count // 2 if step.both else 0 for count in lacking]
    values = sampled.values
    xp = array_namespace(values)
    shape = [old + count for old, count in zip(sampled.grid.shape, lacking, strict=True)]
    made = xp.full((values.shape[0], *shape), step.value, dtype=values.dtype, device=values.device)
    inner = (slice(start, start + old) for start, old in zip(before, sampled.grid.shape, strict=True))
    made[(slice(None), *inner)] = values
    return Sampled(made, moved(sampled.affine, [-start for start in before]))


def block_mean(sampled: Sampled, step: steps.BlockMean) -> Sampled:
    """Each block of voxels becomes one."""
    factor, values = step.factor, sampled.values
    for axis, size in enumerate(sampled.grid.shape):
        matrix = np.repeat(np.eye(size // factor, dtype=np.float32) / factor, factor, axis=1)
        rest = np.zeros((size // factor, size % factor), np.float32)
        values = along(values, operator(np.hstack([matrix, rest]), values), axis + 1)
    index = np.diag([*[float(factor)] * (values.ndim - 1), 1.0])
    index[:-1, -1] = (factor - 1) / 2
    return Sampled(values, sampled.affine @ index)


def cut(sampled: Sampled, box: Box) -> Sampled:
    """The part in `box`."""
    stored: Array = sampled.stored[(slice(None), *box)]
    return Sampled(stored, moved(sampled.affine, [part.start for part in box]), sampled.pending)
