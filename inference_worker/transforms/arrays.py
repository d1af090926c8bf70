"""Arrays of either library, on their grid: what every step takes and gives.

A step is written over the array API (array_api_compat), so that it runs where its array lies: a NumPy array on the CPU,
a torch tensor on its device. What SciPy does alone happens on the CPU, and `like` brings it back.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, is_torch_array

from inference_worker.transforms.grids import Grid, Real

# A NumPy array or a torch tensor.
Array: TypeAlias = Any
Numbers: TypeAlias = npt.NDArray[Any]
Float: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sampled:
    """Values (channels, *space) on a grid; `affine` takes an index to LPS mm, or to row and column of the picture.

    `pending` is a change of each value by itself that has not been made in `stored`: resampling makes it slab by slab,
    so that a window costs no second copy of a series.
    """

    stored: Array
    affine: Real
    pending: Callable[[Array], Array] | None = None

    @property
    def values(self) -> Array:
        """The values, 32-bit floats."""
        return self.read(self.stored)

    @property
    def grid(self) -> Grid:
        """Where the values lie."""
        return Grid(tuple(int(size) for size in self.stored.shape[1:]), self.affine)

    def read(self, part: Array) -> Array:
        """`part` of what is stored, as values."""
        return floats(self.pending(part) if self.pending else part)

    def with_values(self, values: Array) -> "Sampled":
        """Other values on the same grid."""
        return replace(self, stored=values, pending=None)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labels (*space), one byte each, 0 being the background; `affine` as in Sampled."""

    values: Array
    affine: Real

    @property
    def grid(self) -> Grid:
        """Where the labels lie."""
        return Grid(tuple(int(size) for size in self.values.shape), self.affine)


def floats(values: Array) -> Array:
    """`values` as 32-bit floats; the same array where it holds such."""
    xp = array_namespace(values)
    return xp.astype(values, xp.float32, copy=False)


def to_numpy(values: Array) -> Numbers:
    """`values` as a NumPy array."""
    return np.asarray(values.cpu() if is_torch_array(values) else values)


def like(values: Numbers, other: Array) -> Array:
    """`values` in the library and on the device of `other`."""
    if not is_torch_array(other):
        return values
    xp = array_namespace(other)
    return xp.asarray(np.ascontiguousarray(values), device=other.device)


def to_device(device: str, values: Numbers) -> Array:
    """`values` on `device`: "" is NumPy, others are torch's names, such as "cuda:0"."""
    if not device:
        return values
    import torch  # noqa: PLC0415  # a worker without a GPU has none

    return torch.asarray(np.ascontiguousarray(values), device=device)


def slabs(count: int, thickness: int) -> Iterator[slice]:
    """`count` planes in slabs."""
    return (slice(start, min(start + thickness, count)) for start in range(0, count, thickness))


def each_slab(work: Callable[[slice], None], count: int, thickness: int, array: Array) -> None:
    """Call `work` for each slab, on all cores where `array` is NumPy's: its loops let other threads run."""
    if is_torch_array(array):
        for slab in slabs(count, thickness):
            work(slab)
        return
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        for _ in threads.map(work, slabs(count, thickness)):
            pass
