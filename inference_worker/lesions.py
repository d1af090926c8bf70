"""[[lesions]]: each separate part of a segment as a finding by itself, with a place on an image and measurements."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from domain.findings import Region, Segment, Shape
from inference_worker.transforms.arrays import Sampled
from inference_worker.transforms.grids import Box, Grid, Real
from inference_worker.transforms.inverse import inside_of, values_on_source
from inference_worker.transforms.labels import Labels, boxes
from inference_worker.transforms.measuring import diameters, measure_lesion
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
    """One component: its voxels inside a box of the source, and how likely it is."""

    box: Box
    mask: Mask
    probability: float


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
        likely = [one for one in parts if _is_lesion(one, wanted, source)]
        for part in parts:
            if part not in likely:
                kept[part.box][part.mask] = 0
        if len(likely) > wanted.most:
            remarks.append(f"of {len(likely)} parts that are {segment.label} the {wanted.most} likeliest are listed")
        for number, part in enumerate(likely[: wanted.most], 1):
            regions += _regions(part, number, wanted, segment, manifest, source)
    return Listed(kept, tuple(regions), tuple(remarks))


def _is_lesion(part: _Part, wanted: Lesions, source: Volume) -> bool:
    """Whether it is likely enough and of a size that the model is for."""
    if part.probability < wanted.threshold or not wanted.long_axis_mm:
        return part.probability >= wanted.threshold
    least, most = wanted.long_axis_mm
    return least <= diameters(part.mask, _affine(part, source))[0] <= most


def _affine(part: _Part, source: Volume) -> Real:
    return Grid(source.voxels.shape, source.affine).part(part.box).affine


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
        yield _Part(box, part, _largest(share, part, Grid(mask.shape, source.affine).part(box)))


def _largest(share: Sampled, part: Mask, grid: Grid) -> float:
    """The largest share inside the part."""
    near = inside_of(share.grid, grid)
    cut = Sampled(share.values[(slice(None), *near)], share.grid.part(near).affine)
    return float(values_on_source(cut, grid)[0][part].max().clip(0, 1))


def _regions(
    part: _Part, number: int, wanted: Lesions, segment: Segment, manifest: Manifest, source: Volume
) -> Iterator[Region]:
    """The places that point at one lesion; what was measured is said of the first of them."""
    section, frame = _section(part, source.filled)
    if section is None:
        return
    corner = (part.box[1].start, part.box[2].start)
    quantities = [one for one in manifest.measurements if one.scope == LESION and one.segment in (0, wanted.segment)]
    measured = measure_lesion(part.mask, source.voxels[part.box], _affine(part, source), quantities)
    for name in wanted.shapes:
        first = name == wanted.shapes[0]
        yield Region(
            label=f"{wanted.label} {number}" if first else f"{wanted.label} {number}, middle",
            finding=segment.type,
            frame=frame,
            shape=Shape(name),
            points=_SHAPES[name](np.argwhere(section) + corner),
            probability=part.probability if first else None,
            site=wanted.site,
            colour=segment.colour,
            measurements=measured if first else (),
            of="" if first else f"{wanted.label} {number}",
        )


def _section(part: _Part, filled: Sequence[int]) -> tuple[Mask | None, int]:
    """The section with the most voxels, and its index among the frames; None where no image shows the part.

    Slices that were interpolated (`filled`) are no images.
    """
    first = part.box[0].start
    counts = np.count_nonzero(part.mask, axis=(1, 2))
    counts[[k - first for k in filled if 0 <= k - first < len(counts)]] = 0
    if not counts.any():
        return None, 0
    at = int(counts.argmax())
    return part.mask[at], first + at - sum(k < first + at for k in filled)


def _box(at: npt.NDArray[np.intp]) -> tuple[tuple[float, float], ...]:
    """Corners (column, row) of the box around pixels (row, column), edge to edge."""
    (top, left), (bottom, right) = at.min(axis=0), at.max(axis=0) + 1
    return (float(left), float(top)), (float(right), float(bottom))


def _middle(at: npt.NDArray[np.intp]) -> tuple[tuple[float, float], ...]:
    row, column = at.mean(axis=0) + 0.5
    return ((float(column), float(row)),)


_SHAPES = {"box": _box, "point": _middle}
