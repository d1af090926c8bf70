"""On which side of the patient a lesion of a lung lies: told by whose air is around it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from domain.findings import Code
from inference_worker.guards.measures import block_means
from inference_worker.transforms.enclosed import enclosed
from inference_worker.transforms.grids import Box, Real, spacings_of
from inference_worker.transforms.morphology import Mask, box_of, dilated
from inference_worker.volume import Volume
from models.steps import KeepEnclosed

# PS3.16 CID 244, Laterality.
RIGHT, LEFT = Code("24028007", "SCT", "Right"), Code("7771000", "SCT", "Left")

_COARSE = 3.0  # mm: voxels that the lungs are told apart on
_LUNG = 100.0  # ml of air that a lung has at the least
# mm eaten away from all sides until the lungs part: what joins them (trachea and main bronchi, a thin septum) is
# narrower than twice the last of these.
_EATEN = (0.0, 3.0, 6.0, 9.0, 12.0)
# Two lungs have sizes of one order and lie beside each other; of lobes, or of a lung and a hernia, one is not so.
_SMALLER = 0.2
_AROUND = 15.0  # mm around a lesion in which air is counted
_MOST_OF = 0.75  # of that air lies on the lesion's side


@dataclass(frozen=True, eq=False)
class Lungs:
    """Which side lesions of `source` lie on, by the air that the body encloses, what lies below `below`."""

    source: Volume
    below: float

    def side_of(self, part: Mask, box: Box) -> Code | None:
        """The side whose air is three quarters of what lies around `part`, inside `box` of the source; else None."""
        if self._sides is None:
            return None
        right, left, affine = self._sides
        at = np.argwhere(part) + [one.start for one in box]
        there = self.source.affine @ np.vstack([at.T, np.ones(len(at))])
        index = np.rint(np.linalg.solve(affine, there))[:3].astype(int).T.clip(0, np.array(right.shape) - 1)
        marked = np.zeros(right.shape, np.bool_)
        marked[tuple(index.T)] = True
        spacing = tuple(map(float, spacings_of(affine)))
        near = box_of(marked, int(_AROUND / min(spacing)) + 1)
        assert near is not None
        around = dilated(marked[near], spacing, _AROUND)
        air = [int(np.count_nonzero(around & one[near])) for one in (right, left)]
        most = max(air)
        return (RIGHT, LEFT)[air.index(most)] if most and most >= _MOST_OF * sum(air) else None

    @cached_property
    def _sides(self) -> tuple[Mask, Mask, Real] | None:
        """The air of the right and of the left lung, and the affine of both; None where they cannot be told apart."""
        sides = spacings_of(self.source.affine)
        factors = [
            min(size, max(1, round(_COARSE / step))) for size, step in zip(self.source.voxels.shape, sides, strict=True)
        ]
        values = block_means(self.source.voxels, factors)
        index = np.diag([*map(float, factors), 1.0])
        index[:3, 3] = [(one - 1) / 2 for one in factors]
        affine = self.source.affine @ index
        air = enclosed(values, affine, KeepEnclosed(self.below, _LUNG, 0.0))
        return _parted(air, affine)


def _parted(air: Mask, affine: Real) -> tuple[Mask, Mask, Real] | None:
    spacing = spacings_of(affine)
    inside = ndimage.distance_transform_edt(air, sampling=spacing)
    for eaten in _EATEN:
        numbers, count = ndimage.label(inside > eaten)
        sizes = np.bincount(numbers.ravel(), minlength=count + 1)[1:] * float(np.prod(spacing)) / 1000
        if count < 2:
            continue
        first, second = (int(one) + 1 for one in np.argsort(-sizes)[:2])
        if sizes[second - 1] < max(_SMALLER * sizes[first - 1], _LUNG / 4):
            continue
        middles = [affine[:3] @ np.append(np.argwhere(numbers == one).mean(axis=0), 1) for one in (first, second)]
        apart = middles[1] - middles[0]
        if np.abs(apart).argmax() != 0:
            continue
        right, left = (first, second) if apart[0] > 0 else (second, first)
        return _grown(air, numbers, right, left, spacing, affine)
    return None


def _grown(
    air: Mask, numbers: np.ndarray, right: int, left: int, spacing: Real, affine: Real
) -> tuple[Mask, Mask, Real]:
    """All of the air, each voxel with the lung that is nearer."""
    far = [ndimage.distance_transform_edt(numbers != one, sampling=spacing) for one in (right, left)]
    return air & (far[0] < far[1]), air & (far[1] < far[0]), affine
