"""[[measurements]]: what is measured in each segment, on the source's own voxels."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull

from domain.findings import Code, Measurement, Segment
from inference_worker.transforms.grids import Real, spacings_of
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


_SAME = 1e-5  # mm: lengths that differ by less are the same
_MOST_PARTS = 10  # of one segment that are measured by themselves


@dataclass(frozen=True)
class Diameters:
    """The axes (mm) of a part on one slice: its longest diameter, and the longest perpendicular to that."""

    slice: int
    long: float
    short: float

    @property
    def by_name(self) -> dict[str, float]:
        """Each of the axes that a manifest can ask for."""
        return dict(zip(AXES, (self.long, self.short, (self.long + self.short) / 2), strict=True))


@dataclass(frozen=True, eq=False)
class _Part:
    """What is measured: a mask with the voxels under it; its `first` slice, and those interpolated, in the stack."""

    mask: Mask
    voxels: npt.NDArray[Any]
    affine: Real
    first: int = 0
    filled: Collection[int] = ()


@dataclass(frozen=True)
class _Values:
    """What was measured by its name, and on which image the axes were."""

    by_name: Mapping[str, float]
    frame: int | None = None


def measure(
    segments: Sequence[Segment],
    labels: Labels,
    voxels: npt.NDArray[Any],
    affine: Real,
    wanted: Sequence[Quantity],
    filled: Collection[int] = (),
) -> tuple[Segment, ...]:
    """`segments` with what `wanted` measures in each; `labels` and `voxels` lie on the grid of `affine`.

    A segment without voxels has a volume and a count of 0 and nothing else. No axis is one of the slices `filled`.
    """
    found = boxes(labels)
    wanted = [one for one in wanted if one.scope != LESION]
    measured = []
    for segment in segments:
        box = found.get(segment.number, (slice(0, 0),) * labels.ndim)
        part = _Part(labels[box] == segment.number, voxels[box], affine, box[0].start, filled)
        chosen = [one for one in wanted if one.segment in (0, segment.number)]
        measured.append(replace(segment, measurements=tuple(_measured(chosen, part))))
    return tuple(measured)


def measure_lesion(
    mask: Mask, voxels: npt.NDArray[Any], affine: Real, wanted: Sequence[Quantity], axes: Diameters
) -> tuple[Measurement, ...]:
    """What `wanted` measures in one lesion, whose `mask` and `voxels` lie on the grid of `affine`.

    `axes` are its diameters on the image that is named for it.
    """
    others = {one.what for one in wanted} - set(AXES)
    values = {**_values(others, _Part(mask, voxels, affine)).by_name, **axes.by_name}
    return tuple(_stated(one, _Values(values)) for one in wanted if one.what in values)


def frame_of(index: int, filled: Collection[int]) -> int:
    """Which image the slice at this index of a stack is; those `filled` are none."""
    return index - sum(k < index for k in filled)


def within(filled: Collection[int], part: slice) -> Collection[int]:
    """Those slices of a stack that lie in a part of it, counted from its start."""
    return {k - part.start for k in filled if part.start <= k < part.stop}


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


def _measured(wanted: Sequence[Quantity], whole: _Part) -> Iterator[Measurement]:
    """What is wanted of one segment: of the whole of it, of its largest part, or of each part, the largest first."""
    values = {0: _values({one.what for one in wanted if one.scope == "whole"}, whole)}
    most = max((1 if one.scope == "largest" else _MOST_PARTS for one in wanted if one.scope != "whole"), default=0)
    parts, several = by_size(whole.mask) if most and whole.mask.any() else (iter(()), 0)
    for number, part in enumerate(islice(parts, most), 1):
        asked = {one.what for one in wanted if one.scope == "each" or (one.scope == "largest" and number == 1)}
        values[number] = _values(asked, replace(whole, mask=part))
    for one in wanted:
        ranks = {"whole": (0,), "largest": (1,), "each": range(1, _MOST_PARTS + 1)}[one.scope]
        for number in ranks:
            if number in values and one.what in values[number].by_name:
                yield _stated(one, values[number], number, several)


def _stated(one: Quantity, values: _Values, part: int = 0, several: int = 0) -> Measurement:
    derivation = one.derivation or _DERIVATIONS.get(one.what)
    value = values.by_name[one.what] * (1000 if one.what == "volume" and one.unit.value == "mm3" else 1)
    frame = values.frame if one.what in AXES else None
    return Measurement(one.name, value, one.unit, derivation, part, several if part else 0, frame)


def _values(wanted: set[str], part: _Part) -> _Values:
    count = int(np.count_nonzero(part.mask))
    values = {"volume": count * abs(float(np.linalg.det(part.affine[:3, :3]))) / 1000}
    if "count" in wanted:
        values["count"] = float(components(part.mask)[3] if count else 0)
    if not count:
        return _Values(values)
    statistics = [name for name in _STATISTICS if name in wanted]
    inside = part.voxels[part.mask] if statistics else part.voxels[:0]
    values |= {name: _STATISTICS[name](inside) for name in statistics}
    if not wanted & set(AXES):
        return _Values(values)
    stack = slice(part.first, part.first + len(part.mask))
    axes = diameters(part.mask, part.affine, within(part.filled, stack))
    return _Values(values | axes.by_name, frame_of(part.first + axes.slice, part.filled)) if axes else _Values(values)


def diameters(mask: Mask, affine: Real, filled: Collection[int] = ()) -> Diameters | None:
    """The axes of one component on the slice where the long one is longest; None where it is on no image.

    A reader measures in the plane of acquisition, on one image (RECIST 1.1, Eisenhauer et al. 2009, doi:
    10.1016/j.ejca.2008.10.026; Fleischner Society, Bankier et al. 2017, doi:10.1148/radiol.2017162894). `mask` is on
    the source's own grid, whose first axis leads from slice to slice; interpolated slices (`filled`) are no images. The
    outline passes halfway between the centres of voxels inside and outside, and around what is concave. Of
    slices with the same long axis the one with the most voxels counts, then the first.
    """
    sides = spacings_of(affine)[1:]
    best, first = None, (0.0, 0)
    for bound, k in _by_extent(mask, sides, filled):
        if bound < first[0] - _SAME:
            break
        long, short = _axes(_outline(mask[k]) * sides)
        rank = (round(long, 6), int(np.count_nonzero(mask[k])))
        if best is None or rank > first or (rank == first and k < best.slice):
            best, first = Diameters(k, long, short), rank
    return best


def _by_extent(mask: Mask, sides: Real, filled: Collection[int]) -> list[tuple[float, int]]:
    """Each slice with a voxel and how long (mm) nothing on it can be, the longest first: most need no hull then."""
    rows, columns = (_extent(np.asarray(mask.any(axis=axis))) for axis in (2, 1))
    bounds = np.hypot(rows * sides[0], columns * sides[1])
    there = [int(k) for k in np.flatnonzero(rows) if k not in filled]
    return sorted(((float(bounds[k]), k) for k in there), key=lambda one: (-one[0], one[1]))


def _extent(there: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """From first to last of what is marked in each row, both counted; 0 in an empty one."""
    length = there.shape[1] - there.argmax(axis=1) - there[:, ::-1].argmax(axis=1)
    return np.where(there.any(axis=1), length, 0)


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
