"""[[lesions]]: each separate part of a segment as a finding by itself, with a place on an image and measurements."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from domain.findings import Code, Region, Segment, Shape
from inference_worker.sides import Lungs
from inference_worker.transforms.arrays import Sampled
from inference_worker.transforms.grids import Box, Grid
from inference_worker.transforms.inverse import inside_of, values_on_source
from inference_worker.transforms.labels import Labels, boxes
from inference_worker.transforms.measuring import Diameters, diameters, frame_of, measure_lesion, within
from inference_worker.transforms.morphology import Mask
from inference_worker.volume import Volume
from models.manifest import LESION, Lesions, Manifest


@dataclass(frozen=True, eq=False)
class Listed:
    """The mask without what is no lesion, the places of all lesions, and what is to be said of those not listed."""

    mask: Labels
    regions: tuple[Region, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Part:
    """One component: its voxels inside a box of the source, how likely it is, and its axes on one of its slices.

    Without axes it is on no image: all of its slices were interpolated.
    """

    box: Box
    mask: Mask
    probability: float
    axes: Diameters | None


def listed(mask: Labels, shares: Sampled, manifest: Manifest, source: Volume) -> Listed:
    """What [[lesions]] make of `mask`, which lies on `source`; channel k of `shares` is that of the k-th table."""
    if not manifest.lesions:
        return Listed(mask)
    kept = mask.copy()
    regions: list[Region] = []
    remarks: list[str] = []
    for k, wanted in enumerate(manifest.lesions):
        segment = manifest.segments[wanted.segment - 1]
        parts = sorted(_parts(mask, wanted, shares.with_values(shares.values[k][None]), source), key=_first)
        likely = [one for one in parts if _is_lesion(one, wanted)]
        for part in parts:
            if part not in likely:
                kept[part.box][part.mask] = 0
        lungs = None if wanted.air_below is None else Lungs(source, wanted.air_below)
        if len(likely) > wanted.most:
            remarks.append(f"of {len(likely)} parts that are {segment.label} the {wanted.most} likeliest are listed")
        for number, part in enumerate(likely[: wanted.most], 1):
            side = lungs.side_of(part.mask, part.box) if lungs else None
            regions += _regions(part, number, side, wanted, segment, manifest, source)
    return Listed(kept, tuple(regions), tuple(remarks))


def _is_lesion(part: _Part, wanted: Lesions) -> bool:
    """Whether it is likely enough, of a size and a shape that the model is for, and on an image."""
    if part.axes is None or part.probability < wanted.threshold:
        return False
    lengths = part.axes.by_name
    if part.axes.short < wanted.least_ratio * part.axes.long:
        return False
    return all(least <= lengths[axis] <= most for axis, (least, most) in wanted.bounds.items())


def _first(part: _Part) -> tuple[float, int]:
    """The likeliest first, of several the largest."""
    return -part.probability, -int(np.count_nonzero(part.mask))


def _parts(mask: Labels, wanted: Lesions, share: Sampled, source: Volume) -> Iterator[_Part]:
    outer = boxes(mask).get(wanted.segment)
    if outer is None:
        return
    numbers, _ = ndimage.label(mask[outer] == wanted.segment)
    for number, inner in enumerate(ndimage.find_objects(numbers), 1):
        box = tuple(
            slice(one.start + part.start, one.start + part.stop) for one, part in zip(outer, inner, strict=True)
        )
        part = numbers[inner] == number
        grid = Grid(mask.shape, source.affine).part(box)
        axes = diameters(part, grid.affine, within(source.filled, box[0]))
        yield _Part(box, part, _largest(share, part, grid), axes)


def _largest(share: Sampled, part: Mask, grid: Grid) -> float:
    """The largest share inside the part."""
    near = inside_of(share.grid, grid)
    cut = Sampled(share.values[(slice(None), *near)], share.grid.part(near).affine)
    return float(values_on_source(cut, grid)[0][part].max().clip(0, 1))


def _regions(
    part: _Part,
    number: int,
    side: Code | None,
    wanted: Lesions,
    segment: Segment,
    manifest: Manifest,
    source: Volume,
) -> Iterator[Region]:
    """The places that point at one lesion; what was measured is said of the first of them."""
    if part.axes is None:
        return
    frame = frame_of(part.box[0].start + part.axes.slice, source.filled)
    corner = (part.box[1].start, part.box[2].start)
    points = np.argwhere(part.mask[part.axes.slice]) + corner
    quantities = [one for one in manifest.measurements if one.scope == LESION and one.segment in (0, wanted.segment)]
    affine = Grid(source.voxels.shape, source.affine).part(part.box).affine
    measured = measure_lesion(part.mask, source.voxels[part.box], affine, quantities, part.axes)
    for name in wanted.shapes:
        first = name == wanted.shapes[0]
        yield Region(
            label=f"{wanted.label} {number}" if first else f"{wanted.label} {number}, middle",
            finding=segment.type,
            frame=frame,
            shape=Shape(name),
            points=_SHAPES[name](points),
            probability=part.probability if first else None,
            site=wanted.site,
            laterality=side,
            colour=segment.colour,
            measurements=measured if first else (),
            of="" if first else f"{wanted.label} {number}",
        )


def _box(at: npt.NDArray[np.intp]) -> tuple[tuple[float, float], ...]:
    """Corners (column, row) of the box around pixels (row, column), edge to edge."""
    (top, left), (bottom, right) = at.min(axis=0), at.max(axis=0) + 1
    return (float(left), float(top)), (float(right), float(bottom))


def _middle(at: npt.NDArray[np.intp]) -> tuple[tuple[float, float], ...]:
    row, column = at.mean(axis=0) + 0.5
    return ((float(column), float(row)),)


_SHAPES = {"box": _box, "point": _middle}
