"""Steps that change values and leave the grid."""

from collections.abc import Callable, Sequence

import numpy as np
from array_api_compat import array_namespace, is_torch_array

from domain.errors import ConfigurationError
from inference_worker.transforms.arrays import Array, Sampled, floats
from models import steps


def window(sampled: Sampled, step: steps.Window) -> Sampled:
    """Clip and scale, once for each value when it is first read."""
    low, high = step.low, step.high
    bottom, top = step.to

    def change(part: Array) -> Array:
        xp = array_namespace(part)
        clipped = floats(xp.clip(part, low, high)) if _whole(part, low, high) else xp.clip(floats(part), low, high)
        return (clipped - low) * ((top - bottom) / (high - low)) + bottom

    return Sampled(sampled.stored if sampled.pending is None else sampled.values, sampled.affine, change)


def _whole(part: Array, low: float, high: float) -> bool:
    """Whether clipping may come before the change to floats, which then reads half as much."""
    return "int" in str(part.dtype) and float(low).is_integer() and float(high).is_integer()


def z_score(sampled: Sampled, step: steps.ZScore) -> Sampled:
    """Each channel by its own mean and deviation; a channel without any deviation is only moved."""

    def change(values: Array) -> Array:
        xp = array_namespace(values)
        chosen = values[values != 0] if step.nonzero else values
        if not chosen.shape[0]:
            return values
        mean, deviation = float(xp.mean(chosen)), float(xp.std(chosen))
        scaled = (values - mean) / (deviation or 1.0)
        return xp.where(values != 0, scaled, values) if step.nonzero else scaled

    return _by_channel(sampled, change)


def quantiles(sampled: Sampled, step: steps.Quantiles) -> Sampled:
    """Each channel by its own quantiles."""

    def change(values: Array) -> Array:
        low, high = quantiles_of(values, (step.low, step.high))
        return _stretched(values, low, high, step.to, step.clip)

    return _by_channel(sampled, change)


def min_max(sampled: Sampled, step: steps.MinMax) -> Sampled:
    """Each channel by its own minimum and maximum."""

    def change(values: Array) -> Array:
        xp = array_namespace(values)
        return _stretched(values, float(xp.min(values)), float(xp.max(values)), step.to, False)

    return _by_channel(sampled, change)


def divide_by_max(sampled: Sampled, _step: steps.DivideByMax) -> Sampled:
    """Each channel by its own maximum; one whose maximum is 0 stays."""
    return _by_channel(sampled, lambda values: values / (float(array_namespace(values).max(values)) or 1.0))


def rounded(sampled: Sampled, step: steps.Round) -> Sampled:
    """Halves go up, as they do where pictures are kept in whole numbers."""
    values = sampled.values
    xp = array_namespace(values)
    return sampled.with_values(xp.floor(values * step.levels + 0.5) / step.levels)


def affine(sampled: Sampled, step: steps.Affine) -> Sampled:
    """Scale, then move. Raises ConfigurationError where a list has not a number for each channel."""
    scale, offset = (_for_channels(one, sampled.values) for one in (step.scale, step.offset))
    return sampled.with_values(sampled.values * scale + offset)


def _for_channels(numbers: float | tuple[float, ...], values: Array) -> Array:
    """One number, or one for each channel along axis 0."""
    if not isinstance(numbers, tuple):
        return numbers
    if len(numbers) != values.shape[0]:
        raise ConfigurationError(f"the step affine has {len(numbers)} numbers for {values.shape[0]} channels")
    xp = array_namespace(values)
    listed = xp.asarray(np.asarray(numbers, np.float32), device=values.device)
    return xp.reshape(listed, (-1, *[1] * (values.ndim - 1)))


def repeat_channels(sampled: Sampled, step: steps.RepeatChannels) -> Sampled:
    """The one channel `count` times."""
    xp = array_namespace(sampled.values)
    return sampled.with_values(xp.concat([sampled.values] * step.count, axis=0))


def quantiles_of(values: Array, shares: Sequence[float]) -> list[float]:
    """The quantiles, interpolated linearly between the two nearest values."""
    if not is_torch_array(values):
        return [float(one) for one in np.quantile(values, shares)]
    xp = array_namespace(values)  # torch.quantile refuses more than 16 million values
    ranked = xp.sort(xp.reshape(values, (-1,)))
    at = [share * (ranked.shape[0] - 1) for share in shares]
    return [
        float(ranked[int(k)] + (ranked[min(int(k) + 1, ranked.shape[0] - 1)] - ranked[int(k)]) * (k % 1)) for k in at
    ]


def _stretched(values: Array, low: float, high: float, to: tuple[float, float], clip: bool) -> Array:
    scaled = (values - low) * ((to[1] - to[0]) / ((high - low) or 1.0)) + to[0]
    return array_namespace(values).clip(scaled, *to) if clip else scaled


def _by_channel(sampled: Sampled, change: Callable[[Array], Array]) -> Sampled:
    values = sampled.values
    xp = array_namespace(values)
    return sampled.with_values(xp.stack([change(values[k]) for k in range(values.shape[0])]))
