"""The network of models/ct_nodules: a classical detector of balls as fixed convolutions, and a small classifier.

What it reads is 0 outside the lungs and 1 to 2 inside, -1000 to 400 HU (the manifest's steps). At six sizes the second
derivatives of the air's smoothed share say how much like a ball, a tube or a sheet the dense tissue is around a voxel
(the Hessian matrix's trace and other invariants; Sato et al., Medical Image Analysis 2 (1998) 143). Where it is enough
like a ball, the classifier, three layers on the features of that one voxel, says how likely that is a nodule. The
nodule itself is the dense tissue near by that is left when what is thinner, such as a vessel, has been opened away.

Output "nodule" (1, 1, z, y, x): the share of a nodule in each voxel, at most how likely it is that it is one.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

# The classifier's features of a voxel: three of each size, then how much air and lung there is around, and itself.
SIGMAS = (1.0, 1.4)  # standard deviations at each level of the pyramid, in that level's voxels
LEVELS = 3
SIZES = LEVELS * len(SIGMAS)
AROUND = (3, 7, 15)  # voxels of 3 mm
FEATURES = 3 * SIZES + 2 * (1 + len(AROUND))
# How far each size reaches around its middle, voxels of 3 mm: 1.3 radii, less half a voxel.
REACHES = (1, 1, 2, 3, 4, 6)
HIDDEN = (16, 8)

# Share of dense tissue: 0 at -750 HU and below, 1 at -50 HU and above, so one half between lung and soft tissue.
_HU_FROM, _HU_TO = -750.0, -50.0
# How much like a ball (0 to 1) a place must be to be looked at, and from where on it is looked at fully.
BALL = (0.12, 0.2)
_TINY = 1e-3


def stencils() -> torch.Tensor:
    """Second differences along zz, yy, xx, zy, zx, yx as kernels of 3 x 3 x 3."""
    kernels = torch.zeros(6, 1, 3, 3, 3)
    for axis in range(3):
        for offset, weight in ((-1, 1.0), (0, -2.0), (1, 1.0)):
            at = [1, 1, 1]
            at[axis] += offset
            kernels[axis, 0][tuple(at)] = weight
    for k, (one, other) in enumerate(((0, 1), (0, 2), (1, 2)), start=3):
        for a in (-1, 1):
            for b in (-1, 1):
                at = [1, 1, 1]
                at[one] += a
                at[other] += b
                kernels[k, 0][tuple(at)] = a * b / 4
    return kernels


class Balls(nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
    """How much like a ball each place is, at every size: nothing in it is learned."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("second", stencils())
        for k, sigma in enumerate(SIGMAS):
            at = torch.arange(-4, 5, dtype=torch.float32)
            weights = torch.exp(-(at**2) / (2 * sigma**2))
            self.register_buffer(f"gauss{k}", weights / weights.sum())

    def forward(self, air: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the share of air (1, 1, ...), on a grid twice as coarse: features, and likeness to a ball of each size."""
        found, level = [], air
        for depth in range(LEVELS):
            found += [_halved(self._invariants(level, k), depth) for k in range(len(SIGMAS))]
            level = functional.avg_pool3d(level, 2)
        balls = torch.cat([one[:, :1] * one[:, 2:] for one in found], dim=1)
        return torch.cat(found, dim=1), balls

    def _invariants(self, air: torch.Tensor, k: int) -> torch.Tensor:
        """Contrast, likeness to no sheet, likeness to a ball: each 0 to 1 or so."""
        smooth = air
        weights = getattr(self, f"gauss{k}")
        for axis in range(3):
            shape, padding = [1, 1, 1, 1, 1], [0, 0, 0]
            shape[axis + 2], padding[axis] = 9, 4
            smooth = functional.conv3d(smooth, weights.reshape(shape), padding=padding)
        zz, yy, xx, zy, zx, yx = functional.conv3d(smooth, self.second, padding=1).split(1, dim=1)
        trace = torch.relu(zz + yy + xx)
        minors = zz * yy + zz * xx + yy * xx - zy * zy - zx * zx - yx * yx
        determinant = zz * (yy * xx - yx * yx) - zy * (zy * xx - yx * zx) + zx * (zy * yx - yy * zx)
        scale = trace + _TINY
        contrast = trace * SIGMAS[k] ** 2
        sheet = within(3 * minors / (scale * scale))
        ball = within(27 * determinant / (scale * scale * scale))
        return torch.cat([contrast, sheet, ball], dim=1)


def radii(spacing: float) -> tuple[float, ...]:
    """The radius (mm) of the ball that each size answers to most, on a grid of `spacing`: sigma times root 3."""
    return tuple(math.sqrt(3) * sigma * 2**level * spacing for level in range(LEVELS) for sigma in SIGMAS)


class Classifier(nn.Sequential):  # type: ignore[misc]  # as above
    """Logit of a nodule from the features of one place: all that is learned."""

    def __init__(self, hidden: Sequence[int] = HIDDEN) -> None:
        sizes = (FEATURES, *hidden)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Conv3d(inputs, outputs, 1), nn.ReLU()]
        super().__init__(*layers, nn.Conv3d(sizes[-1], 1, 1))


class Nodules(nn.Module):  # type: ignore[misc]  # as above
    """The whole: features, classifier, extent. Sides are multiples of `multiple`."""

    multiple = 2 ** (LEVELS - 1)

    def __init__(self) -> None:
        super().__init__()
        self.balls, self.classifier = Balls(), Classifier()

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """The share of a nodule in each voxel, at most how likely it is one."""
        features, balls, dense, inside = self.described(volume)
        likely = torch.sigmoid(self.classifier(features)) * seen(balls)
        most = balls.max(dim=1, keepdim=True).values
        fits = within((balls / (most + _TINY) - 0.7) / 0.25) * likely
        reached = [_largest(one, reach) for one, reach in zip(fits.split(1, dim=1), REACHES, strict=True)]
        share = torch.zeros_like(dense)
        # Steep around one half, so that the rim stays and what is inside is as likely as its place.
        for level, opened in enumerate(_opened(within(2 * dense - 0.5))):
            near = torch.maximum(*reached[level * len(SIGMAS) : (level + 1) * len(SIGMAS)])
            share = torch.maximum(share, torch.minimum(doubled(near), opened))
        return share * inside

    def described(self, volume: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Features and likeness to balls, twice as coarse; the share of dense tissue, and 1 inside the lungs."""
        inside = within(10 * volume)
        hu = (volume - 1) * 1400 - 1000
        air = inside * within((_HU_TO - hu) / (_HU_TO - _HU_FROM))
        features, balls = self.balls(air)
        both = functional.avg_pool3d(torch.cat([air, inside], dim=1), 2)
        around = [functional.avg_pool3d(both, size, 1, size // 2) for size in AROUND]
        return torch.cat([features, both, *around], dim=1), balls, 1 - air, inside


class Looking(nn.Module):  # type: ignore[misc]  # as above
    """What the classifier is shown: features of each place, and above 0 where the detector looks at it."""

    def __init__(self, network: Nodules) -> None:
        super().__init__()
        self.network = network

    def forward(self, volume: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (1, FEATURES, ...) and whether a place is looked at (1, 1, ...), twice as coarse as `volume`."""
        features, balls, _, inside = self.network.described(volume)
        return features, seen(balls) * (functional.avg_pool3d(inside, 2) > 0.5)


def seen(balls: torch.Tensor) -> torch.Tensor:
    """From 0 to 1: whether a place is enough like a ball of some size."""
    return within((balls.max(dim=1, keepdim=True).values - BALL[0]) / (BALL[1] - BALL[0]))


def within(values: torch.Tensor) -> torch.Tensor:
    """Cut to 0 to 1; of the operator Clip not every engine reads the limits."""
    return 1 - torch.relu(1 - torch.relu(values))


def doubled(values: torch.Tensor) -> torch.Tensor:
    """Each voxel as two voxels a side."""
    made = values
    for axis in (2, 3, 4):
        # Engines are slow at the operator Resize in three dimensions.
        made = torch.stack([made, made], dim=axis + 1).flatten(axis, axis + 1)
    return made


def _halved(values: torch.Tensor, level: int) -> torch.Tensor:
    """From the grid of `level` to that of level 1."""
    if level == 0:
        return functional.max_pool3d(values, 2)
    return values if level == 1 else doubled(values)


def _opened(dense: torch.Tensor) -> list[torch.Tensor]:
    """For each level without what is thinner than half its balls; the rim, which that rounds off, is given back."""
    fine = [torch.minimum(dense, _ball(-_ball(-dense, rho), rho + 1)) for rho in (1, 2)]
    coarse = functional.avg_pool3d(dense, 2)
    return [*fine, torch.minimum(dense, doubled(_ball(-_ball(-coarse, 2), 3)))]


def _ball(values: torch.Tensor, radius: int) -> torch.Tensor:
    """The largest within about a ball: of crosses and cubes by turns."""
    made = values
    for turn in range(radius):
        made = functional.max_pool3d(made, 3, 1, 1) if turn % 2 else _cross(made)
    return made


def _cross(values: torch.Tensor) -> torch.Tensor:
    along = [_largest_along(values, axis, 1) for axis in range(3)]
    return torch.maximum(torch.maximum(along[0], along[1]), along[2])


def _largest(values: torch.Tensor, reach: int) -> torch.Tensor:
    for axis in range(3):
        values = _largest_along(values, axis, reach)
    return values


def _largest_along(values: torch.Tensor, axis: int, reach: int) -> torch.Tensor:
    kernel, padding = [1, 1, 1], [0, 0, 0]
    kernel[axis], padding[axis] = 2 * reach + 1, reach
    return functional.max_pool3d(values, kernel, 1, padding)
