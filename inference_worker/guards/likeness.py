"""Whether a picture or volume looks like a template: normalised correlation, reduced to the template's few cells.

Grey values are replaced by their ranks, so that neither window nor gamma counts. Half of the weight is the pattern as a
whole, half its detail (the ranks without what is smoother than an eighth of the side), for a lateral chest radiograph
resembles a frontal one as a whole. The best of a few shifts and sizes counts, of a picture with and without its frame.
"""

import io
from collections.abc import Iterator, Sequence
from itertools import product
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from domain.errors import ConfigurationError
from inference_worker.guards.measures import Float, Source, block_means
from inference_worker.guards.robust import field
from inference_worker.images import Picture
from inference_worker.transforms.grids import orientation_of
from inference_worker.transforms.weights import mean_weights

Pattern: TypeAlias = npt.NDArray[np.float64]

SIZE = 16

_SIZES = (0.85, 1.0, 1.15)
_SHIFTS = (-1, 0, 1)
# Blocks before the exact reduction: this many for each cell keep it exact to a sixteenth of a cell.
_FINER = 8


def template(pictures: Sequence[npt.NDArray[np.generic]], size: int = SIZE) -> Float:
    """The template that `pictures` make: the mean of their ranks, reduced to `size` cells along each axis.

    Pictures are (rows, columns) as shown, white being high; volumes (z, y, x) towards head, back and left.
    """
    shape = (size,) * pictures[0].ndim
    return np.asarray(np.mean([_ranks(_reduced(picture, shape)) for picture in pictures], axis=0), np.float32)


def correlation(source: Source, file: str, data: bytes) -> float:
    """The correlation, -1 to 1, of `source` with the template that `data` (npy), called `file`, holds.

    Raises ConfigurationError where that is none for such a source.
    """
    looks = _looked_at(source)
    wanted = read_template(file, data)
    if wanted.ndim != looks[0].ndim:
        raise ConfigurationError(f"{file}: the template has {wanted.ndim} axes, the input has {looks[0].ndim}")
    return max(_best(_reduced(one, wanted.shape), _features(wanted)) for one in looks)


def _looked_at(source: Source) -> list[npt.NDArray[np.generic]]:
    """A volume head up; a picture as it is, and without its frame."""
    if not isinstance(source, Picture):
        return [orientation_of(source.affine).canonical(source.voxels)]
    inside = field(source.shown)
    return [source.shown] if inside.shape == source.shown.shape else [source.shown, inside]


def read_template(file: str, data: bytes) -> Float:
    """The template in `data` (npy), called `file`; raises ConfigurationError where that is none."""
    try:
        wanted = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ConfigurationError(f"{file}: is no array in NumPy's format") from error
    if not isinstance(wanted, np.ndarray) or wanted.dtype.kind != "f" or not np.isfinite(wanted).all():
        raise ConfigurationError(f"{file}: a template is an array of finite floating-point numbers")
    return wanted.astype(np.float32)


def _best(reduced: Float, wanted: Pattern) -> float:
    return max(float(_features(seen) @ wanted) for seen in _looks(reduced))


def _looks(reduced: Float) -> Iterator[Float]:
    """`reduced` itself, larger, smaller and shifted; what lies outside continues the border."""
    middle = (np.array(reduced.shape) - 1) / 2
    for scale, shift in product(_SIZES, product(_SHIFTS, repeat=reduced.ndim)):
        step = np.full(reduced.ndim, 1 / scale)
        yield np.asarray(
            ndimage.affine_transform(reduced, step, offset=middle * (1 - step) + shift, order=1, mode="nearest")
        )


def _features(reduced: Float) -> Pattern:
    """What is correlated: a vector of length 1, or 0 where there is no contrast."""
    ranks = _unit(_ranks(reduced))
    finer = _unit(ranks - ndimage.gaussian_filter(ranks, np.array(ranks.shape) / 8))
    return np.asarray(np.concatenate([ranks.ravel(), finer.ravel()]) / np.sqrt(2))


def _unit(values: Pattern) -> Pattern:
    centred = values - values.mean()
    length = float(np.linalg.norm(centred))
    return np.asarray(centred / length) if length > 1e-9 else np.zeros_like(centred)


def _ranks(values: Float) -> Pattern:
    """The rank of each value from 0 to 1, equal values sharing the middle of theirs."""
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles = np.cumsum(counts) - (counts + 1) / 2
    return np.asarray(middles[at].reshape(values.shape) / max(1, values.size - 1))


def _reduced(values: npt.NDArray[np.generic], shape: tuple[int, ...]) -> Float:
    """The mean of `values` over each cell of a grid of `shape`, edge to edge."""
    factors = [max(1, size // (_FINER * cells)) for size, cells in zip(values.shape, shape, strict=True)]
    reduced = block_means(values, factors)
    for axis, cells in enumerate(shape):
        size = reduced.shape[axis]
        matrix = mean_weights(cells, size / cells, size)
        reduced = np.moveaxis(np.tensordot(matrix, reduced, axes=(1, axis)), 0, axis)
    return reduced
