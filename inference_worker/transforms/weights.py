"""Interpolation along one axis as a matrix: each new sample is a weighted mean of few old ones."""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from inference_worker.transforms.grids import Line, Real

Float: TypeAlias = npt.NDArray[np.float32]

# How far (samples) beyond the first and the last sample their values go on; farther out there is nothing.
Reach: TypeAlias = tuple[float, float]
ENDLESS: Reach = (math.inf, math.inf)


def weights(how: str, line: Line, reach: Reach = ENDLESS) -> Float:
    """Weights (count, size) that take the old samples of `line` to its new ones.

    `how` is that of models/steps.py. A new sample farther than `reach` from the old ones has no weight at all.
    """
    made = HOW[how](line)
    at = line.positions
    made[(at < -reach[0] - 1e-6) | (at > line.size - 1 + reach[1] + 1e-6)] = 0
    return made.astype(np.float32)


def mean_weights(count: int, step: float, size: int) -> Float:
    """Weights (count, size) of `_mean` for intervals that lie around the middle of the old samples."""
    return weights("mean", Line(count, size, (size - 1) / 2 - step * (count - 1) / 2, step))


def smoothing(size: int, width: float) -> Float:
    """Weights (size, size): at each sample the mean of the linear interpolant over an interval of `width` samples."""
    return _mean(Line(size, size, 0.0, 1.0), width).astype(np.float32)


def _mean(line: Line, width: float = 0.0) -> Real:
    """The mean of the linear interpolant over an interval around each new sample, as wide as a step if not `width`.

    The interpolant is exact on a linear ramp, and its mean over an interval is that at the interval's middle, so a ramp
    stays exact where no interval passes the ends; beyond them the end's value goes on. Being a mean, it does not alias.
    """
    middles = line.positions
    width = width or abs(line.step)
    apart = middles[:, None] - np.arange(line.size)
    made = (_hat_integral(apart + width / 2) - _hat_integral(apart - width / 2)) / width
    rest = 1 - made.sum(axis=1)
    rest[np.abs(rest) < 1e-9] = 0  # rounding is no weight, and would tie each end to every sample
    made[np.arange(line.count), np.where(middles < (line.size - 1) / 2, 0, line.size - 1)] += rest
    return np.asarray(made)


def _hat_integral(t: Real) -> Real:
    """Integral up to `t` of the hat function, which is 1 at 0 and falls to 0 at -1 and 1."""
    t = np.clip(t, -1, 1)
    return np.asarray(np.where(t < 0, (t + 1) ** 2 / 2, 1 - (1 - t) ** 2 / 2))


def _linear(line: Line) -> Real:
    apart = np.clip(line.positions, 0, line.size - 1)[:, None] - np.arange(line.size)
    return np.asarray(np.maximum(0.0, 1 - np.abs(apart)))


def _nearest(line: Line) -> Real:
    at = np.clip(np.floor(line.positions + 0.5 + 1e-9), 0, line.size - 1)
    return np.asarray(at[:, None] == np.arange(line.size), np.float64)


def _antialias(line: Line) -> Real:
    """A triangle as wide as the reduction, its part inside the picture scaled to a sum of 1."""
    apart = (line.positions[:, None] - np.arange(line.size)) / max(1.0, abs(line.step))
    made = np.maximum(0.0, 1 - np.abs(apart))
    # Where next to nothing of it is inside, nothing is left to be scaled.
    return np.asarray(made / np.maximum(made.sum(axis=1, keepdims=True), 1e-3))


HOW = {"mean": _mean, "linear": _linear, "nearest": _nearest, "antialias": _antialias}
