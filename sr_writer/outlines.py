"""Where each segment is largest, as a closed outline on that slice: what viewers draw that show no segmentation."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from domain.findings import Findings, Measurement, Region, Segment, Shape
from sr_writer.codes import concepts
from sr_writer.codes.wording import is_anatomy
from sr_writer.contours import contour
from sr_writer.source import Source


def outlines(findings: Findings, mask: NDArray[np.uint8] | None, source: Source) -> tuple[Region, ...]:
    """A contour for each segment that has a voxel, with the area that it encloses.

    It goes around the largest connected part of the segment on the slice that most of its voxels lie on, holes filled.
    `mask` is (slices, rows, columns) of segment numbers, slice k on frame k of the findings.
    """
    if mask is None:
        return ()
    assert source.volume is not None  # a mask has made the source volumetric
    largest = _largest_slices(mask)
    rows, columns = map(float, source.volume.pixel_spacing)
    return tuple(
        _region(segment, largest[segment.number], mask, rows * columns)
        for segment in findings.segments
        if segment.number in largest
    )


def _region(segment: Segment, frame: int, mask: NDArray[np.uint8], pixel_mm2: float) -> Region:
    points, pixels = contour(mask[frame] == segment.number)
    return Region(
        label=segment.label,
        finding=segment.type,
        frame=frame,
        shape=Shape.CONTOUR,
        points=tuple((column, row) for column, row in points.tolist()),
        site=segment.type if is_anatomy(segment.category) else None,
        laterality=segment.laterality,
        colour=segment.colour,
        measurements=(Measurement(concepts.AREA.code, pixels * pixel_mm2, concepts.SQUARE_MILLIMETRE.code),),
    )


def _largest_slices(mask: NDArray[np.uint8]) -> Mapping[int, int]:
    """For each number in the mask the slice that most of its voxels lie on, the first of several."""
    marked = ((k, labels[labels != 0]) for k, labels in enumerate(mask))
    counts = {k: np.bincount(labels, minlength=256) for k, labels in marked if labels.size}
    if not counts:
        return {}
    slices, table = np.array(list(counts)), np.stack(list(counts.values()))
    return {int(n): int(slices[table[:, n].argmax()]) for n in np.flatnonzero(table.any(axis=0))}
