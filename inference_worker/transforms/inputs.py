"""[[preprocessing]]: from what was read to the one array that the network gets."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from domain.errors import ConfigurationError
from inference_worker.images import Picture
from inference_worker.transforms import enclosed, intensities, shapes
from inference_worker.transforms.arrays import Sampled, to_device
from inference_worker.transforms.grids import lines
from inference_worker.transforms.resampling import resample
from inference_worker.volume import Volume
from models import steps
from models.steps import Before

_OF_EACH: Mapping[type[Before], Callable[[Sampled, Any], Sampled]] = {
    steps.Orientation: shapes.orientation,
    steps.Spacing: shapes.spacing,
    steps.Conform: shapes.conform,
    steps.Window: intensities.window,
    steps.ZScore: intensities.z_score,
    steps.Quantiles: intensities.quantiles,
    steps.MinMax: intensities.min_max,
    steps.DivideByMax: intensities.divide_by_max,
    steps.Round: intensities.rounded,
    steps.Resize: shapes.resize,
    steps.CentreCrop: shapes.centre_crop,
    steps.CropForeground: shapes.crop_foreground,
    steps.KeepEnclosed: enclosed.keep_enclosed,
    steps.Pad: shapes.pad,
    steps.BlockMean: shapes.block_mean,
    steps.RepeatChannels: intensities.repeat_channels,
    steps.Affine: intensities.affine,
}


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


_OF_ALL: Mapping[type[Before], Callable[[Mapping[str, Sampled], Any], Mapping[str, Sampled]]] = {
    steps.Align: _aligned,
    steps.Stack: _stacked,
    steps.Display: _displayed,
}
IMPLEMENTED = frozenset({*_OF_EACH, *_OF_ALL})
