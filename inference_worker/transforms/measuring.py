"""[[measurements]]: what is measured in each segment, on the source's own voxels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull

from domain.findings import Code, Measurement, Segment
from inference_worker.transforms.grids import Real, orientation_of, spacings_of
from inference_worker.transforms.labels import Labels, boxes
from inference_worker.transforms.morphology import Mask, by_size, components
from models.manifest import AXES, LESION, Quantity

_STATISTICS: Mapping[str, Callable[[npt.NDArray[Any]], float]] = {
    "mean": lambda inside: float(inside.mean(dtype=np.float64)),
    "deviation": lambda inside: float(inside.std(dtype=np.float64)),
    "minimum": lambda inside: float(inside.min()),
    "maximum": lambda inside: float(inside.max()),
    "median": lambda inside: float(np.median(inside)),
}

# PS3.16 CID 7464, General Region of Interest Measurement Modifiers.
_DERIVATIONS = {
    "mean": Code("373098007", "SCT", "Mean"),
    "deviation": Code("386136009", "SCT", "Standard Deviation"),
    "minimum": Code("255605001", "SCT", "Minimum"),
    "maximum": Code("56851009", "SCT", "Maximum"),
    "median": Code("373099004", "SCT", "Median"),
    "mean_axis": Code("373098007", "SCT", "Mean"),
}


_MOST_PARTS = 10  # of one segment that are measured by themselves


def measure(
    segments: Sequence[Segment],
    labels: Labels,
    voxels: npt.NDArray[Any],
    affine: Real,
    wanted: Sequence[Quantity],
) -> tuple[Segment, ...]:
    """`segments` with what `wanted` measures in each; `labels` and `voxels` lie on the grid of `affine`.

    A segment without voxels has a volume and a count of 0 and nothing else.
    """
    found = boxes(labels)
    wanted = [one for one in wanted if one.scope != LESION]
    measured = []
    for segment in segments:
        box = found.get(segment.number, (slice(0, 0),) * labels.ndim)
        mask = labels[box] == segment.number
        chosen = [one for one in wanted if one.segment in (0, segment.number)]
        measured.append(replace(segment, measurements=tuple(_measured(chosen, mask, voxels[box], affine))))
    return tuple(measured)


def measure_lesion(
    mask: Mask, voxels: npt.NDArray[Any], affine: Real, wanted: Sequence[Quantity]
) -> tuple[Measurement, ...]:
    """What `wanted` measures in one lesion, whose `mask` and `voxels` lie on the grid of `affine`."""
    values = _values({one.what for one in wanted}, mask, voxels, affine)
    return tuple(_stated(one, values[one.what], 0, 0) for one in wanted if one.what in values)


def size_of(affine: Real) -> tuple[float, float, float]:
    """The size of a voxel (mm): from slice to slice, row to row and column to column."""
    depth, rows, columns = map(float, spacings_of(affine))
    return depth, rows, columns


def volumes_ml(labels: Labels, affine: Real, segments: int) -> dict[int, float]:
    """The volume of each of so many `segments`, by its number."""
    voxel = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    found = boxes(labels)
    return {
        number: int(np.count_nonzero(labels[found[number]] == number)) * voxel if number in found else 0.0
        for number in range(1, segments + 1)
    }


def _measured(wanted: Sequence[Quantity], mask: Mask, voxels: npt.NDArray[Any], affine: Real) -> Iterator[Measurement]:
    """What is wanted of one segment: of the whole of it, of its largest part, or of each part, the largest first."""
    values = {0: _values({one.what for one in wanted if one.scope == "whole"}, mask, voxels, affine)}
    most = max((1 if one.scope == "largest" else _MOST_PARTS for one in wanted if one.scope != "whole"), default=0)
    parts, several = by_size(mask) if most and mask.any() else (iter(()), 0)
    for number, part in enumerate(islice(parts, most), 1):
        asked = {one.what for one in wanted if one.scope == "each" or (one.scope == "largest" and number == 1)}
        values[number] = _values(asked, part, voxels, affine)
    for one in wanted:
        ranks = {"whole": (0,), "largest": (1,), "each": range(1, _MOST_PARTS + 1)}[one.scope]
        for number in ranks:
            if one.what in values.get(number, {}):
                yield _stated(one, values[number][one.what], number, several)


def _stated(one: Quantity, value: float, part: int, several: int) -> Measurement:
    derivation = one.derivation or _DERIVATIONS.get(one.what)
    value *= 1000 if one.what == "volume" and one.unit.value == "mm3" else 1
    return Measurement(one.name, value, one.unit, derivation, part, several if part else 0)


def _values(wanted: set[str], mask: Mask, voxels: npt.NDArray[Any], affine: Real) -> dict[str, float]:
    count = int(np.count_nonzero(mask))
    values = {"volume": count * abs(float(np.linalg.det(affine[:3, :3]))) / 1000}
    if "count" in wanted:
        values["count"] = float(components(mask)[3] if count else 0)
    if not count:
        return values
    statistics = [name for name in _STATISTICS if name in wanted]
    inside = voxels[mask] if statistics else voxels[:0]
    values |= {name: _STATISTICS[name](inside) for name in statistics}
    if wanted & set(AXES):
        long, short = diameters(mask, affine)
        values |= zip(AXES, (long, short, (long + short) / 2), strict=True)
    return values


def diameters(mask: Mask, affine: Real) -> tuple[float, float]:
    """The longest diameter (mm) of the axial section with the most voxels, and the longest perpendicular to it.

    `mask` is one component: a diameter from one to another would be that of neither.
    The outline passes halfway between the centres of voxels inside and outside, and around what is concave.
    """
    axial = orientation_of(affine).order[0]
    sections = np.moveaxis(mask, axial, 0)
    section = sections[np.count_nonzero(sections, axis=(1, 2)).argmax()]
    return _axes(_outline(section) * np.delete(spacings_of(affine), axial))


def _outline(section: Mask) -> Real:
    """The corners of the convex hull, in voxels, of the middles of the edges of every voxel."""
    at = np.argwhere(section).astype(np.float64)
    edges = np.concatenate([at + step for step in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))])
    return np.asarray(edges[ConvexHull(edges).vertices])


def _axes(corners: Real) -> tuple[float, float]:
    apart = corners[:, None] - corners
    lengths = np.linalg.norm(apart, axis=-1)
    end, start = np.unravel_index(lengths.argmax(), lengths.shape)
    long = float(lengths[end, start])
    along = apart[end, start] / long
    turned = (corners - corners[start]) @ np.column_stack([along, [-along[1], along[0]]])
    return long, _widest(turned)


def _widest(corners: Real) -> float:
    """The longest chord across; `corners` are (along, across) the long axis, whose ends lie at across 0."""
    corners = corners[np.argsort(corners[:, 0])]
    above, below = (corners[sign * corners[:, 1] >= -1e-9] for sign in (1, -1))
    chords = [np.interp(corners[:, 0], *side.T) for side in (above, below)]
    return float((chords[0] - chords[1]).max())
