"""Plain weights become a network in ONNX: number for number, layer for layer, and nothing of another size does."""

import io
from array import array
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from domain.errors import ConfigurationError, IntegrityError
from models.catalogue import catalogue, entry
from models.fetched import make_package
from models.meshnet import onnx_of
from models.networks import read_onnx
from models.pulling import pull
from models.registry import verify
from tests.support.counterparts import data

WIDTHS, DILATIONS = (1, *[2] * 9, 3), (1, 2, 4, 8, 16, 8, 4, 2, 1, 1)


def weights() -> list[
    tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], np.ndarray[tuple[int], np.dtype[np.float32]]]
]:
    noise = np.random.default_rng(1)
    sides = [*[3] * 9, 1]
    return [
        (
            noise.normal(0, 0.4, (side, side, side, inner, outer)).astype(np.float32),
            noise.normal(0, 1, outer).astype(np.float32),
        )
        for side, inner, outer in zip(sides, WIDTHS[:-1], WIDTHS[1:], strict=True)
    ]
