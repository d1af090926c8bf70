"""Lungs to learn from, on the network's grid: of CTs with the nodules that readers outlined, and of phantoms."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from inference_worker.transforms.arrays import Sampled
from inference_worker.transforms.enclosed import enclosed
from inference_worker.transforms.inputs import of_volume, prepare
from inference_worker.volume import Volume
from models.steps import Affine, Before, KeepEnclosed, Orientation, Pad, Spacing, Window
from training import cases, phantoms
from training.annotations import Nodule, read_nodules
from training.evaluate import annotations_of
from training.nodules.network import Nodules

Float: TypeAlias = npt.NDArray[np.float32]
Bool: TypeAlias = npt.NDArray[np.bool_]
Rng: TypeAlias = np.random.Generator

SPACING = 1.5  # mm
# The steps of the package's manifest, in two parts: nodules are put in between.
TO_GRID: tuple[Before, ...] = (Orientation("SPL"), Window(-1000.0, 400.0, (-1000.0, 400.0)), Spacing((SPACING,) * 3))
TO_LUNGS: tuple[Before, ...] = (
    Window(-1000.0, 400.0),
    KeepEnclosed(below=0.42857, ml=100.0, mm=12.0, value=-1.0, margin=4),
    Affine(1.0, 1.0),
    Pad(multiple=Nodules.multiple),
)
# The same lungs, of a body that is still in HU.
AIR = KeepEnclosed(below=-400.0, ml=100.0, mm=12.0)
_OUTLINED_BY = 2  # readers at the least, for a voxel to be of a nodule that is learned from


@dataclass(frozen=True, eq=False)
class Ball:
    """Where a nodule is: its middle (index on the grid) and the radius (mm) of a ball of its volume."""

    middle: npt.NDArray[np.float64]
    radius: float


@dataclass(frozen=True, eq=False)
class Lungs:
    """A body in HU on the network's grid, and the nodules that it is known to have: mask and places."""

    body: Sampled
    nodules: Bool
    balls: tuple[Ball, ...]


def of_case(folder: Path) -> Lungs:
    """The CT in `folder` with the nodules of the LIDC file beside it."""
    source = cases.read(folder)
    body = prepare({"": of_volume(source)}, TO_GRID)
    annotations = annotations_of(folder)
    outlined = agreed(read_nodules(annotations) if annotations else (), source, _OUTLINED_BY)
    mask = np.asarray(prepare({"": Sampled(outlined[None], source.affine)}, (TO_GRID[0], TO_GRID[2])).values[0] > 0.5)
    return Lungs(Sampled(np.asarray(body.values, np.float32), body.affine), mask, balls_of(mask))


def agreed(nodules: Sequence[Nodule], source: Volume, readers: int) -> Float:
    """1 where so many readers or more outlined a nodule, else 0, on the source's voxels."""
    slices = {frame.sop_instance_uid: k for k, frame in enumerate(source.frames)}
    z, y, x = source.voxels.shape
    votes = np.zeros((z, y, x), np.uint8)
    for reader in sorted({one.reader for one in nodules}):
        masks = [one.mask(slices, (z, y, x)) for one in nodules if one.reader == reader]
        votes += np.any(masks, axis=0)
    return (votes >= readers).astype(np.float32)


def of_phantom(rng: Rng, shape: tuple[int, int, int]) -> Lungs:
    """A body of nobody with lungs in view and no nodule yet."""
    affine = np.array([[0, 0, SPACING, 0], [0, SPACING, 0, 0], [SPACING, 0, 0, 0], [0, 0, 0, 1.0]])
    while True:
        sample = phantoms.phantom(rng, shape, SPACING)
        if sample.lungs.sum() * SPACING**3 > 1e6 and enclosed(sample.voxels, affine, AIR).any():
            break
    return Lungs(Sampled(sample.voxels[None], affine), np.zeros(shape, np.bool_), ())


def balls_of(mask: Bool) -> tuple[Ball, ...]:
    """Each component of `mask` as a ball."""
    parts, count = ndimage.label(mask)
    middles = ndimage.center_of_mass(mask, parts, range(1, count + 1))
    voxels = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    radii = np.cbrt(3 * voxels * SPACING**3 / (4 * np.pi))
    return tuple(Ball(np.array(middle), float(radius)) for middle, radius in zip(middles, radii, strict=True))
