"""Chest phantoms made by code: bodies, lungs, hearts, vessels and nodules of random size on the network's grid.

They are crude on purpose. What they teach is what no single patient can: lungs of any size and place, air that is
not lung, lesions at the pleura, and bodies without any lung in view.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Float: TypeAlias = npt.NDArray[np.float32]
Rng: TypeAlias = np.random.Generator

AIR, FAT, MUSCLE, BONE = -1000.0, -100.0, 45.0, 600.0


@dataclass(frozen=True)
class Sample:
    """A volume in HU (z, y, x), and for each voxel the share of right and left lung in it, (2, z, y, x)."""

    voxels: Float
    lungs: Float


def phantom(rng: Rng, shape: tuple[int, int, int], spacing: float) -> Sample:
    """One random body on a grid of `spacing` mm; one in six has no lung in view."""
    space = _Space(rng, shape, spacing)
    width, depth = rng.uniform(140, 200), rng.uniform(90, 135)
    height = rng.uniform(70, 140)
    lungs = [space.blob((0, rng.uniform(-15, 15), side * width * 0.48), (height, depth * 0.72, width * 0.36), 0.25)
             for side in (-1, 1)]  # fmt: skip
    heart = space.blob((-20, -0.25 * depth, 25), (55, 45, 55), 0.2)
    body = space.blob((0, 0, 0), (2000, depth, width), 0.05)
    inner = space.blob((0, 0, 0), (2000, depth * 0.88, width * 0.9), 0.05)
    voxels = np.full(shape, AIR, np.float32)
    _paint(voxels, body, FAT)
    _paint(voxels, inner, MUSCLE)
    _paint(voxels, space.blob((0, 0.75 * depth, 0), (2000, 16, 16), 0.2), BONE)
    none = rng.random() < 1 / 6
    shares = np.stack([np.zeros(shape, np.float32) if none else lung * (1 - heart) * inner for lung in lungs])
    shares /= np.maximum(shares.sum(axis=0), 1)
    _fill_lungs(space, voxels, shares)
    _airway_and_gas(space, voxels, shares, depth)
    return Sample(voxels, shares)


def add_nodules(rng: Rng, sample: Sample, spacing: float, most: int = 6) -> None:
    """Put up to `most` solid or subsolid balls into the lungs, often at the pleura; the labels stay lung."""
    inside = np.argwhere(sample.lungs.sum(axis=0) > 0.5)
    if not len(inside):
        return
    for _ in range(rng.integers(most + 1)):
        centre = inside[rng.integers(len(inside))]
        radius = rng.uniform(3, 15) / spacing
        low = np.maximum(np.floor(centre - radius - 2).astype(int), 0)
        box = tuple(slice(a, int(b + radius + 3)) for a, b in zip(low, centre, strict=True))
        offsets = np.indices(sample.voxels[box].shape) + low[:, None, None, None] - centre[:, None, None, None]
        ball = np.clip(radius + 0.5 - np.sqrt((offsets**2).sum(axis=0)), 0, 1)
        _paint(sample.voxels[box], ball * sample.lungs.sum(axis=0)[box], rng.uniform(-500, 100))


class _Space:
    """Coordinates (mm from the middle) of a grid, and random shapes in them."""

    def __init__(self, rng: Rng, shape: tuple[int, int, int], spacing: float) -> None:
        self.rng, self.shape, self.spacing = rng, shape, spacing
        shift = rng.uniform(-30, 30, 3)
        self.mm = np.meshgrid(*((np.arange(n) - n / 2) * spacing + d for n, d in zip(shape, shift, strict=True)),
                              indexing="ij", sparse=True)  # fmt: skip

    def blob(self, centre: tuple[float, ...], radii: tuple[float, ...], roughness: float) -> Float:
        """Share of each voxel inside a rough ellipsoid of `radii` mm around `centre` mm."""
        terms: list[Any] = [((x - c) / r) ** 2 for x, c, r in zip(self.mm, centre, radii, strict=True)]
        distance = np.sqrt(terms[0] + terms[1] + terms[2]) - 1 + roughness * self.noise(12.0)
        return np.asarray(np.clip(0.5 - distance * min(radii) / self.spacing, 0, 1), np.float32)

    def noise(self, coarseness: float) -> Float:
        """A smooth random field of unit scale that changes over `coarseness` voxels."""
        coarse = [max(2, round(n / coarseness) + 1) for n in self.shape]
        zoom = [n / c for n, c in zip(self.shape, coarse, strict=True)]
        field = ndimage.zoom(self.rng.normal(size=coarse), zoom, order=1, mode="nearest", grid_mode=True)
        return np.asarray(field, np.float32)


def _paint(voxels: Float, share: Float, value: float | Float) -> None:
    voxels += share * (value - voxels)


def _fill_lungs(space: _Space, voxels: Float, shares: Float) -> None:
    """Parenchyma with vessels, which are the ridges of two crossing random fields."""
    both = shares.sum(axis=0)
    tissue = space.rng.uniform(-900, -720) + 30 * space.noise(6)
    vessels = np.clip(1.2 - 6 * np.hypot(space.noise(5), space.noise(5)), 0, 1)
    _paint(voxels, both, tissue)
    _paint(voxels, both * vessels, MUSCLE)


def _airway_and_gas(space: _Space, voxels: Float, shares: Float, depth: float) -> None:
    """A trachea down to mid-height, and pockets of gas below the lungs; neither is lung."""
    free = 1 - shares.sum(axis=0)
    trachea = space.blob((150, 0.1 * depth, 0), (150, 9, 9), 0.1)
    _paint(voxels, trachea * free, AIR)
    for _ in range(space.rng.integers(5)):
        centre = (space.rng.uniform(-170, -60), *(space.rng.uniform(-0.6, 0.6, 2) * depth))
        gas = space.blob(centre, tuple(space.rng.uniform(10, 35, 3)), 0.3)
        _paint(voxels, gas * free, AIR)
    table = np.abs(space.mm[1] - depth - 20) < 6
    voxels[np.broadcast_to(table, voxels.shape) & (voxels < -500)] = -700
