"""A closed outline of each segment on one slice: what viewers draw that show no segmentation."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from domain.anatomy import is_anatomy
from domain.findings import Findings, Measurement, Region, Segment, Shape
from sr_writer.codes import concepts
from sr_writer.contours import contour, contours
from sr_writer.source import Source

_LONGEST_RUN, _MOST_SLICES = 31, 80  # of one segment, and of all together
_MOST_PARTS = 12  # of one segment on one slice


def outlines(findings: Findings, mask: NDArray[np.uint8] | None, source: Source) -> tuple[Region, ...]:
    """A contour for each segment that has a voxel, with the area that it encloses.

    It goes around the largest connected part of the segment, holes filled, on the image that its axes were measured on,
    else on the slice that most of its voxels lie on.
    A segment whose parts the model points at one by one is not outlined as one besides.
    `mask` is (slices, rows, columns) of segment numbers, slice k on frame k of the findings.
    """
    if mask is None:
        return ()
    assert source.volume is not None  # a mask has made the source volumetric
    largest = _largest_slices(mask)
    pointed = {one.finding for one in findings.regions}
    rows, columns = map(float, source.volume.pixel_spacing)
    return tuple(
        _region(segment, measured_on(segment, largest[segment.number]), mask, rows * columns)
        for segment in findings.segments
        if segment.number in largest and segment.type not in pointed
    )


def measured_on(segment: Segment, otherwise: int) -> int:
    """The image that the first of its axes was measured on, or the other."""
    return next((one.frame for one in segment.measurements if one.frame is not None), otherwise)


def runs(findings: Findings, mask: NDArray[np.uint8] | None) -> Mapping[int, tuple[Region, ...]]:
    """By frame, the outlines of every segment on it: for each segment a run of slices around that of its outline.

    Of a segment whose parts the model points at one by one there is a run around each of these places. A run is of 31
    slices at the most, of fewer where there are many, so that a state stays readable. The first outline of a segment on
    a slice has its name, those of its other parts none.
    """
    if mask is None:
        return {}
    slices, table = counts(mask)
    there = {int(n): slices[table[:, n] > 0] for n in np.flatnonzero(table.any(axis=0))}
    largest = {n: int(slices[table[:, n].argmax()]) for n in there}
    largest |= {one.number: measured_on(one, largest[one.number]) for one in findings.segments if one.number in there}
    middles = {n: _pointed(findings, n, on) or [largest[n]] for n, on in there.items()}
    length = max(1, min(_LONGEST_RUN, _MOST_SLICES // max(1, sum(map(len, middles.values())))))
    frames = {int(k) for n, on in there.items() for middle in middles[n] for k in _run(on, middle, length)}
    found = {k: tuple(_on_slice(findings, k, mask[k])) for k in sorted(frames)}
    return {k: regions for k, regions in found.items() if regions}


def _pointed(findings: Findings, number: int, there: NDArray[np.intp]) -> list[int]:
    """The slices with the segment on which the model points at one of its parts."""
    types = {one.type for one in findings.segments if one.number == number}
    return sorted({one.frame for one in findings.pointed if one.finding in types} & set(there.tolist()))


def _run(there: NDArray[np.intp], middle: int, length: int) -> NDArray[np.intp]:
    """So many of the slices that a segment is on, as even as can be around the one in the middle."""
    first = max(0, min(int(np.searchsorted(there, middle)) - length // 2, len(there) - length))
    return there[first : first + length]


def _on_slice(findings: Findings, frame: int, labels: NDArray[np.uint8]) -> Iterator[Region]:
    there = np.bincount(labels.reshape(-1), minlength=256)
    for segment in findings.segments:
        if there[segment.number]:
            for number, points in enumerate(contours(labels == segment.number, _MOST_PARTS)):
                corners = tuple((column, row) for column, row in points.tolist())
                label = "" if number else segment.label
                yield Region(label, segment.type, frame, Shape.CONTOUR, corners, colour=segment.colour)


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
    slices, table = counts(mask)
    return {int(n): int(slices[table[:, n].argmax()]) for n in np.flatnonzero(table.any(axis=0))}


def counts(mask: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The slices with a marked voxel, and how many voxels each number has on each of them, (slices, 256)."""
    marked = ((k, labels[labels != 0]) for k, labels in enumerate(mask))
    counts = {k: np.bincount(labels, minlength=256) for k, labels in marked if labels.size}
    return np.array(list(counts), np.intp), np.array(list(counts.values()), np.intp).reshape(-1, 256)
