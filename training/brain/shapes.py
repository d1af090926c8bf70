"""Random shapes on a grid: ellipsoids, rough ones, smooth noise. Axes towards head, back and left; lengths in mm."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Float: TypeAlias = npt.NDArray[np.float32]
Rng: TypeAlias = np.random.Generator
Shape: TypeAlias = tuple[int, int, int]


class Space:
    """Coordinates (mm from the head's centre) of a grid of `spacing` mm, and what is random about it."""

    def __init__(self, rng: Rng, shape: Shape, spacing: float, centre: Sequence[float] = (0.0, 0.0, 0.0)) -> None:
        self.rng, self.shape, self.spacing = rng, shape, spacing
        ends = [(np.arange(n, dtype=np.float32) - n / 2) * spacing - c for n, c in zip(shape, centre, strict=True)]
        self.mm = np.meshgrid(*ends, indexing="ij", sparse=True)

    def ellipsoid(self, centre: Sequence[float], radii: Sequence[float]) -> Float:
        """About how far (mm) each voxel lies outside an ellipsoid; negative inside.

        The first term of the distance's series, f (f - 1) / |grad f|: exact at the surface, where it is used.
        """
        parts: list[Any] = [(x - c) / r for x, c, r in zip(self.mm, centre, radii, strict=True)]
        level = np.sqrt(sum(part**2 for part in parts))
        slope = np.sqrt(sum((part / r) ** 2 for part, r in zip(parts, radii, strict=True)))
        return np.asarray(level * (level - 1) / np.maximum(slope, 1e-6), np.float32)

    def share(self, distance: Float) -> Float:
        """Share of each voxel inside a surface that lies `distance` mm away."""
        return np.asarray(np.clip(0.5 - distance / self.spacing, 0, 1), np.float32)

    def noise(self, coarseness: float) -> Float:
        """A smooth random field of about unit scale that changes over `coarseness` mm."""
        coarse = [max(2, round(n * self.spacing / coarseness) + 1) for n in self.shape]
        zoom = [n / c for n, c in zip(self.shape, coarse, strict=True)]
        field = self.rng.standard_normal(coarse, np.float32)
        return np.asarray(ndimage.zoom(field, zoom, order=1, mode="nearest", grid_mode=True), np.float32)

    def grain(self) -> Float:
        """Noise of unit scale that differs from voxel to voxel."""
        return self.rng.standard_normal(self.shape, np.float32)
