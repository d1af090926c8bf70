"""How sure a segmenting network is of each voxel, as maps on the source's grid.

Beside the mask, which has a sharp border everywhere, such a map shows where the border might as well lie elsewhere.
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from domain.errors import ConfigurationError
from domain.findings import Map
from inference_worker.transforms.arrays import Sampled
from inference_worker.transforms.grids import Grid
from inference_worker.transforms.inverse import values_on_source
from inference_worker.volume import Volume
from models.manifest import Explanation

METHOD = "probability"
# Slices in which nothing is likelier than this are left out of a map.
_LEAST = 0.01


def probability_maps(
    shares: Sampled, wanted: Sequence[Explanation], source: Volume
) -> Iterator[tuple[Map, NDArray[np.float32]]]:
    """A map for each of `wanted`: the share of its channel, 0 to 1, in the slices where it comes to 1 % at least.

    `shares` are (maps, *space), 0 to 1: for each of `wanted` that of its channel. A channel that is nowhere likely
    gives no map, and slices that the series lacks none. Raises ConfigurationError where the values are no shares.
    """
    for at, one in enumerate(wanted):
        channel = Sampled(shares.values[at][None], shares.affine)
        (values,) = values_on_source(channel, Grid(source.voxels.shape, source.affine))
        if values.min(initial=0) < -1e-3 or values.max(initial=0) > 1 + 1e-3:
            raise ConfigurationError("a map wants shares; is a step softmax or sigmoid missing?")
        kept = np.delete(values, source.filled, axis=0) if source.filled else values
        frames = np.flatnonzero(kept.max(axis=(1, 2)) >= _LEAST)
        if frames.size:
            yield _map(one.label, kept[frames].clip(0, 1), tuple(frames.tolist()))


def _map(label: str, values: NDArray[np.float32], frames: tuple[int, ...]) -> tuple[Map, NDArray[np.float32]]:
    content = np.ascontiguousarray(values, "<f4")
    depth, rows, columns = content.shape
    digest = hashlib.sha256(content.data).hexdigest()
    return Map(label, METHOD, "", digest, (depth, rows, columns), frames), content
