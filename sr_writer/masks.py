"""A mask as it is kept in the object store, back to voxels."""

import hashlib
import zlib

import numpy as np
from numpy.typing import NDArray

from domain.errors import Permanent
from domain.findings import Mask


def unpack(packed: bytes, mask: Mask) -> NDArray[np.uint8]:
    """The voxels (slices, rows, columns) of `mask`; raises Permanent where `packed` is not what the model made."""
    try:
        raw = zlib.decompress(packed)
    except zlib.error as error:
        raise Permanent(f"mask {mask.key} is damaged: {error}") from error
    if hashlib.sha256(raw).hexdigest() != mask.sha256:
        raise Permanent(f"mask {mask.key} is not the one that the model made")
    return np.frombuffer(raw, np.uint8).reshape(mask.shape)
