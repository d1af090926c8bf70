"""Steps from a network's output to labels, and on labels. Labels are one byte a voxel, 0 being the background."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace

from domain.errors import ConfigurationError
from inference_worker.transforms.arrays import Array, Labelled, Sampled, like, to_numpy
from inference_worker.transforms.grids import Box, spacings_of
from inference_worker.transforms.morphology import Mask, at_least, box_of, closed, holes, largest
from models import steps

Labels = npt.NDArray[np.uint8]


def softmax(shares: Sampled, step: steps.Softmax) -> Sampled:
    """Over the channels, axis 0."""
    xp = array_namespace(shares.values)
    logits = _tempered(shares.values, step.temperature)
    powers = xp.exp(logits - xp.max(logits, axis=0, keepdims=True))
    return shares.with_values(powers / xp.sum(powers, axis=0, keepdims=True))


def sigmoid(shares: Sampled, step: steps.Sigmoid) -> Sampled:
    """Written with tanh, which no value makes overflow."""
    xp = array_namespace(shares.values)
    return shares.with_values(0.5 + 0.5 * xp.tanh(_tempered(shares.values, step.temperature) / 2))


def _tempered(logits: Array, temperature: float) -> Array:
    return logits if temperature == 1 else logits / temperature


def argmax(shares: Sampled, _step: steps.Argmax) -> Labelled:
    """Of equals the first."""
    xp = array_namespace(shares.values)
    return _labelled(shares, xp.argmax(shares.values, axis=0))


def threshold(shares: Sampled, step: steps.Threshold) -> Labelled:
    """Raises ConfigurationError where there is more than one channel."""
    if shares.values.shape[0] != 1:
        raise ConfigurationError(f"the step threshold wants one channel; there are {shares.values.shape[0]}")
    return _labelled(shares, shares.values[0] > step.above)


def regions(shares: Sampled, step: steps.Regions) -> Labelled:
    """Raises ConfigurationError where there are not as many channels as labels."""
    if shares.values.shape[0] != len(step.labels):
        raise ConfigurationError(
            f"the step regions names {len(step.labels)} labels for {shares.values.shape[0]} channels"
        )
    xp = array_namespace(shares.values)
    made = xp.zeros_like(shares.values[0])
    for channel, label in enumerate(step.labels):
        made = xp.where(shares.values[channel] > step.above, float(label), made)
    return _labelled(shares, made)


def _labelled(shares: Sampled, values: Array) -> Labelled:
    xp = array_namespace(values)
    return Labelled(xp.astype(values, xp.uint8), shares.affine)


def relabel(labelled: Labelled, step: steps.Relabel) -> Labelled:
    """Raises ConfigurationError where a label has no new one."""
    labels = to_numpy(labelled.values)
    table = np.array(step.labels, np.uint8)
    if labels.max(initial=0) >= len(table):
        raise ConfigurationError(f"the step relabel names {len(table)} labels; there is a label {labels.max()}")
    return _with(labelled, table[labels])


def close(given: Sampled | Labelled, step: steps.Close) -> Sampled | Labelled:
    """Of shares, those above one half are closed; what is gained is the label's for sure."""
    spacing = tuple(float(one) for one in spacings_of(given.affine))
    values = to_numpy(given.values).copy()
    if isinstance(given, Sampled):
        gained = _gained(values[1:] > 0.5, spacing, step.mm)
        values[:, gained.any(axis=0)] = 0
        values[1:][gained] = 1
        return given.with_values(like(values, given.values))
    masks = values == np.arange(1, int(values.max(initial=0)) + 1).reshape(-1, *[1] * values.ndim)
    for number, mask in enumerate(_gained(masks, spacing, step.mm), start=1):
        values[mask] = number
    return _with(given, values)


def _gained(masks: Mask, spacing: tuple[float, ...], radius: float) -> Mask:
    """What closing gives to each of `masks` (labels, *space): what no label has and no other would get."""
    gained = np.zeros_like(masks)
    for mask, made in zip(masks, gained, strict=True):
        made[:] = closed(mask, spacing, radius)
    gained &= ~masks.any(axis=0)
    return np.asarray(gained & (gained.sum(axis=0) == 1))


def largest_component(labelled: Labelled, step: steps.LargestComponent) -> Labelled:
    """Smaller components become background."""
    if not step.together:
        return _each(labelled, _only(largest))
    values = to_numpy(labelled.values)
    box = box_of(values)
    made = values.copy()
    if box is not None:
        made[box][~largest(values[box] != 0)] = 0
    return _with(labelled, made)


def drop_small(labelled: Labelled, step: steps.DropSmall) -> Labelled:
    """Small components become background."""
    # A hair less, for a component of just that size: the affine is in floats.
    voxels = step.ml * 1000 / abs(float(np.linalg.det(labelled.affine[:-1, :-1]))) - 1e-6
    return _each(labelled, _only(lambda mask: at_least(mask, voxels)))


def fill_holes(labelled: Labelled, _step: steps.FillHoles) -> Labelled:
    """What another label fills is left to it."""

    def fill(part: Labels, number: int) -> None:
        part[holes(part == number) & (part == 0)] = number

    return _each(labelled, fill)


def _only(keep: Callable[[Mask], Mask]) -> Callable[[Labels, int], None]:
    def change(part: Labels, number: int) -> None:
        mask = part == number
        part[mask & ~keep(mask)] = 0

    return change


def _each(labelled: Labelled, change: Callable[[Labels, int], None]) -> Labelled:
    """`change` made in the box of each label, one label after another."""
    values = to_numpy(labelled.values).copy()
    for number, box in boxes(values).items():
        change(values[box], number)
    return _with(labelled, values)


def boxes(labels: Labels) -> dict[int, Box]:
    """The box of each label that occurs."""
    box = box_of(labels)
    if box is None:
        return {}
    part = labels[box]
    found = {number: box_of(part == number) for number in range(1, int(part.max()) + 1)}
    return {number: _within(box, inner) for number, inner in found.items() if inner is not None}


def _within(box: Box, inner: Box) -> Box:
    return tuple(slice(outer.start + one.start, outer.start + one.stop) for outer, one in zip(box, inner, strict=True))


def _with(labelled: Labelled, values: Labels) -> Labelled:
    return Labelled(like(values, labelled.values), labelled.affine)
