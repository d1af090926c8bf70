"""Masks and maps as they are kept in the object store, back to voxels."""

import hashlib
import math
import zlib

import numpy as np
from numpy.typing import NDArray

from domain.errors import Permanent
from domain.findings import Map, Mask


def unpack(packed: bytes, mask: Mask) -> NDArray[np.uint8]:
    """The voxels (slices, rows, columns) of `mask`; raises Permanent where `packed` is not what the model made."""
    return np.frombuffer(_raw(packed, mask.sha256, math.prod(mask.shape), f"mask {mask.key}"), np.uint8).reshape(
        mask.shape
    )


def unpack_map(packed: bytes, kept: Map) -> NDArray[np.float32]:
    """The values (frames, rows, columns) of a map; raises Permanent where `packed` is not what the model made."""
    return np.frombuffer(_raw(packed, kept.sha256, 4 * math.prod(kept.shape), f"map {kept.key}"), "<f4").reshape(
        kept.shape
    )


def _raw(packed: bytes, sha256: str, size: int, what: str) -> bytes:
    """The `size` bytes in `packed`, and never more of them than that: a few packed bytes may hold gigabytes."""
    try:
        raw = zlib.decompressobj().decompress(packed, size + 1)
    except zlib.error as error:
        raise Permanent(f"{what} is damaged: {error}") from error
    if len(raw) != size:
        raise Permanent(f"{what} has not the {size} bytes that its shape says")
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise Permanent(f"{what} is not the one that the model made")
    return raw
