"""What the guards measure of a volume or a picture: one function, one figure."""

from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from domain.errors import ConfigurationError, NotSuitable
from inference_worker.guards.robust import field, spread
from inference_worker.images import Picture
from inference_worker.transforms.grids import orientation_of, spacings_of
from inference_worker.volume import Volume

Source: TypeAlias = Volume | Picture
Values: TypeAlias = npt.NDArray[np.int16] | npt.NDArray[np.float32]
Float: TypeAlias = npt.NDArray[np.float32]
Places: TypeAlias = npt.NDArray[np.int64]

# A jump: a quarter of the picture's range between neighbours.
_JUMP = 0.25
# Pixels within which a drawn stroke ends. The edge of a collimator, a plate or lead jumps once and not back.
_STROKE = 4
# Standard deviations (mm) between which detail is looked for: the cortex folds there, and noise has died down.
_FINE, _WIDE = 2.0, 6.0
# The bright part exceeds this share of the brightest: it leaves out air and keeps the darkest tissue of T1 and T2.
_BRIGHT = 0.25
# Voxels (mm) on which enclosed air is looked for: a table's shell is thinner, so that it does not enclose its foam.
_COARSE = 3.0


def called(source: Source) -> str:
    """What a message calls the source."""
    return "volume" if isinstance(source, Volume) else "picture"


def values_of(source: Source) -> Values:
    """The values in output units; of a picture those of its field."""
    return source.voxels if isinstance(source, Volume) else field(source.values)


def share_above(source: Source, above: float) -> float:
    """The share of values above `above`."""
    return float(np.count_nonzero(values_of(source) > above) / values_of(source).size)


def quantile(source: Source, share: float) -> float:
    """The value that the share `share` does not exceed."""
    return float(np.quantile(values_of(source), share))


def extent(source: Source) -> tuple[float | None, float | None, float | None]:
    """Length in mm towards head, back and left. A picture is taken as frontal: its rows, unknown, its columns.

    Raises NotSuitable for a picture that does not state its spacing.
    """
    if isinstance(source, Volume):
        order, spacing = orientation_of(source.affine).order, spacings_of(source.affine)
        head, back, left = (float(source.voxels.shape[axis] * spacing[axis]) for axis in order)
        return head, back, left
    if source.spacing is None:
        raise NotSuitable("the picture does not state its pixel spacing, so its size is unknown (check extent)")
    rows, columns = (size * mm for size, mm in zip(source.values.shape, source.spacing, strict=True))
    return rows, None, columns


def strokes(source: Source) -> float:
    """The share of pairs of neighbours, along rows and columns, between which a thin stroke begins or ends.

    There the picture jumps by a quarter of its range, and back within a few pixels.
    """
    if isinstance(source, Volume):
        raise ConfigurationError("the check no_screen_capture is for images")
    values = field(source.values)
    low, high = spread(values)
    steps = [np.diff(values, axis=axis) for axis in (0, 1)]
    found = sum(_jumps_that_return(step, axis, _JUMP * (high - low)) for axis, step in enumerate(steps))
    return float(found / max(1, sum(step.size for step in steps)))


def _jumps_that_return(step: Float, axis: int, limit: float) -> int:
    up, down = (_along(marked, axis) for marked in (step > limit, step < -limit))
    return _with_one_near(up, down) + _with_one_near(down, up)


def _along(marked: npt.NDArray[np.bool_], axis: int) -> Places:
    """Where something is marked on the lines along `axis`, laid end to end, too far from each other to be near."""
    places = np.divmod(np.flatnonzero(marked), marked.shape[1])
    return np.sort(places[1 - axis] * (marked.shape[axis] + _STROKE + 1) + places[axis])


def _with_one_near(these: Places, others: Places) -> int:
    """How many of `these` have one of `others` within _STROKE; both are in order."""
    first = np.searchsorted(others, these - _STROKE)
    following = np.append(others, np.iinfo(np.int64).max)[first]
    return int(np.count_nonzero(following <= these + _STROKE))


def detail(source: Source) -> float:
    """How much the bright part varies between the scales _FINE and _WIDE, a median share; 0 where nothing is bright."""
    if isinstance(source, Picture):
        raise ConfigurationError("the check detail is for volumes")
    low, high = spread(source.voxels)
    values, spacing = _blocks(replace(source, voxels=source.voxels.clip(low, high)), _FINE)
    fine, wide = (ndimage.gaussian_filter(values, mm / spacing) for mm in (_FINE, _WIDE))
    air, brightest = np.quantile(wide, (0.01, 0.995))
    above = wide - air
    bright = above > max(0.0, _BRIGHT * float(brightest - air))
    # The outline would count as detail, of a phantom as well.
    rim = [2 * round(_WIDE / step) + 1 for step in spacing]
    inner = ndimage.minimum_filter(bright, rim, mode="nearest")
    return float(np.median(np.abs(fine - wide)[inner] / above[inner])) if inner.any() else 0.0


def enclosed(source: Source, below: float) -> float:
    """The ml of what lies below `below` inside the body's outline in each axial section.

    The body is the largest connected part above `below`.
    """
    if isinstance(source, Picture):
        raise ConfigurationError("the check enclosed is for volumes")
    values, spacing = _blocks(source, _COARSE)
    parts, count = ndimage.label(ndimage.binary_opening(values > below, np.ones((1, 3, 3))))
    if not count:
        return 0.0
    body = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    inside = sum(
        np.count_nonzero(ndimage.binary_fill_holes(section) & (plane < below))
        for section, plane in zip(body, values, strict=True)
    )
    return float(inside * np.prod(spacing) / 1000)


def _blocks(volume: Volume, mm: float) -> tuple[Float, npt.NDArray[np.float64]]:
    """The means of blocks of about `mm`, towards head, back and left, and their spacing; larger voxels stay."""
    how = orientation_of(volume.affine)
    voxels, spacing = how.canonical(volume.voxels), spacings_of(volume.affine)[list(how.order)]
    factors = [min(size, max(1, round(mm / step))) for size, step in zip(voxels.shape, spacing, strict=True)]
    return block_means(voxels, factors), spacing * factors


def block_means(values: npt.NDArray[np.generic], factors: list[int]) -> Float:
    """The mean of each block of `factors` values; an incomplete block at the end is left out."""
    counts = [size // factor for size, factor in zip(values.shape, factors, strict=True)]
    cut = values[tuple(slice(0, count * factor) for count, factor in zip(counts, factors, strict=True))]
    blocks = cut.reshape([size for pair in zip(counts, factors, strict=True) for size in pair])
    return np.asarray(blocks.mean(axis=tuple(range(1, blocks.ndim, 2)), dtype=np.float32))
