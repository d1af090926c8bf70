"""What the guards measure by: the field inside a drawn frame, and a range that no single value and no padding moves."""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Number = TypeVar("Number", bound=np.generic)

# A line belongs to the frame where this share of it has one value: a marker may lie in it.
_FLAT = 0.95
# Positions of a line that are looked at, and values that a range is taken from.
_LOOKED_AT, _VALUES = 256, 2_000_000
# Where fewer values than this share have neighbours unlike them, all values are taken.
_FEW = 0.01


def field(values: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """A picture (rows, columns) without outer lines of one value: collimation, a shutter, padding to a square.

    The whole picture where nothing else is in it.
    """
    rows, columns = (_of_field(values, axis) for axis in (0, 1))
    return values[rows, columns] if rows and columns else values


def _of_field(values: npt.NDArray[Any], axis: int) -> slice | None:
    """From the first to the last line across `axis` that is no frame; None where there is none."""
    lines = np.moveaxis(values, axis, 0)
    lines = lines[:, :: max(1, lines.shape[1] // _LOOKED_AT)]
    same = lines == np.median(lines, axis=1, keepdims=True)
    (kept,) = np.nonzero(same.mean(axis=1) < _FLAT)
    return slice(int(kept[0]), int(kept[-1]) + 1) if kept.size else None


def spread(values: npt.NDArray[np.generic]) -> tuple[float, float]:
    """The 1st and the 99th percentile of the values that differ from both neighbours along the last axis.

    So neither a bright pixel nor what is drawn in one value (padding, a frame, the ground of a window) moves it.
    """
    every = max(1, int((values.size / _VALUES) ** (1 / max(1, values.ndim - 1))))
    lines: npt.NDArray[Any] = values[(slice(None, None, every),) * (values.ndim - 1)]
    differs = lines[..., 1:] != lines[..., :-1]
    seen = lines[..., 1:-1][differs[..., 1:] & differs[..., :-1]]
    low, high = np.quantile(seen if seen.size > _FEW * lines.size else lines, (0.01, 0.99))
    return float(low), float(high)
