"""What is unpacked of a mask or a map is as large as its shape says, whatever was packed."""

import hashlib
import zlib

import numpy as np
import pytest

from domain.errors import Permanent
from domain.findings import Map, Mask
from sr_writer.masks import unpack, unpack_map

VOXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def mask(shape: tuple[int, int, int] = (2, 3, 4)) -> Mask:
    return Mask("masks/one", hashlib.sha256(VOXELS.tobytes()).hexdigest(), shape)


def test_a_mask_comes_back_as_it_was_packed() -> None:
    assert np.array_equal(unpack(zlib.compress(VOXELS.tobytes()), mask()), VOXELS)


@pytest.mark.parametrize("raw", [bytes(1 << 24), b"", VOXELS.tobytes()[:-1]])
def test_bytes_of_another_number_than_the_shape_has_are_never_unpacked_whole(raw: bytes) -> None:
    with pytest.raises(Permanent, match="mask masks/one has not the 24 bytes that its shape says"):
        unpack(zlib.compress(raw), mask())
    with pytest.raises(Permanent, match="map maps/one has not the 96 bytes"):
        unpack_map(zlib.compress(raw), Map("Lung", "probability", "maps/one", "", (2, 3, 4), (0, 1)))
