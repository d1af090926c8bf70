"""[[preprocessing]]: from what was read to the one array that the network gets."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from array_api_compat import array_namespace

from domain.errors import ConfigurationError
from inference_worker.images import Picture
from inference_worker.transforms import enclosed, intensities, shapes
from inference_worker.transforms.arrays import Sampled, to_device
from inference_worker.transforms.by_kind import carried
from inference_worker.transforms.grids import lines
from inference_worker.transforms.resampling import resample
from inference_worker.volume import Volume
from models import steps
from models.steps import Before, Step

_OF_EACH: Mapping[type[Step], Callable[[Sampled, Step], Sampled]] = dict(
    (
        carried(steps.Orientation, shapes.orientation),
        carried(steps.Spacing, shapes.spacing),
        carried(steps.Conform, shapes.conform),
        carried(steps.Window, intensities.window),
        carried(steps.ZScore, intensities.z_score),
        carried(steps.Quantiles, intensities.quantiles),
        carried(steps.MinMax, intensities.min_max),
        carried(steps.DivideByMax, intensities.divide_by_max),
        carried(steps.Round, intensities.rounded),
        carried(steps.Resize, shapes.resize),
        carried(steps.CentreCrop, shapes.centre_crop),
        carried(steps.CropForeground, shapes.crop_foreground),
        carried(steps.KeepEnclosed, enclosed.keep_enclosed),
        carried(steps.Pad, shapes.pad),
        carried(steps.BlockMean, shapes.block_mean),
        carried(steps.RepeatChannels, intensities.repeat_channels),
        carried(steps.Affine, intensities.affine),
    )
)


def of_volume(volume: Volume, device: str = "") -> Sampled:
    """A volume as it was read, one channel (1, slices, rows, columns), on `device` (arrays.on)."""
    return Sampled(to_device(device, volume.voxels)[None], volume.affine)


def of_picture(picture: Picture, wanted: Sequence[Before], device: str = "") -> Sampled:
    """A picture as displayed where `wanted` has the step display, else as stored; one channel (1, rows, columns)."""
    displayed = any(isinstance(step, steps.Display) for step in wanted)
    return Sampled(to_device(device, picture.shown if displayed else picture.values)[None], np.eye(3))


def prepare(inputs: Mapping[str, Sampled], wanted: Sequence[Before]) -> Sampled:
    """`inputs`, in the manifest's order, after the steps: values (channels, *space) on the network's grid.

    Raises UnusableInput where a step cannot be made of these values, ConfigurationError where it never can.
    """
    for step in wanted:
        inputs = _after(inputs, step)
    if len(inputs) != 1:
        raise ConfigurationError('the step "stack" is missing: the network reads one array')
    (only,) = inputs.values()
    return only


def _after(inputs: Mapping[str, Sampled], step: Before) -> Mapping[str, Sampled]:
    if type(step) in _OF_ALL:
        return _OF_ALL[type(step)](inputs, step)
    return {name: _OF_EACH[type(step)](one, step) for name, one in inputs.items()}


def _aligned(inputs: Mapping[str, Sampled], step: steps.Align) -> Mapping[str, Sampled]:
    """Every other input on the grid of `step.to`, 0 outside the outermost centres of its own."""
    grid = inputs[step.to].grid
    return {name: one if name == step.to else resample(one, grid, step.how, (0.0, 0.0)) for name, one in inputs.items()}


def _stacked(inputs: Mapping[str, Sampled], _: steps.Stack) -> Mapping[str, Sampled]:
    first, *others = inputs.values()
    for other in others:
        same = lines(first.grid, other.grid) if first.grid.shape == other.grid.shape else None
        if same is None or not np.allclose(first.affine, other.affine, atol=1e-3):
            raise ConfigurationError('the step "stack" finds inputs on different grids; "align" brings them to one')
    xp = array_namespace(first.values)
    return {"stack": first.with_values(xp.concat([one.values for one in inputs.values()], axis=0))}


def _displayed(inputs: Mapping[str, Sampled], _: steps.Display) -> Mapping[str, Sampled]:
    """Nothing more: `of_picture` began with it."""
    return inputs


_OF_ALL: Mapping[type[Step], Callable[[Mapping[str, Sampled], Step], Mapping[str, Sampled]]] = dict(
    (
        carried(steps.Align, _aligned),
        carried(steps.Stack, _stacked),
        carried(steps.Display, _displayed),
    )
)
IMPLEMENTED = frozenset({*_OF_EACH, *_OF_ALL})
