"""Measurement groups of places on images (PS3.16 TID 1410): a point, a box or an outline each.

Coordinates are SCOORD on the image itself, which viewers draw, and a closed outline is a POLYLINE that ends where it
begins. The first number of a group is the one that viewers label it with. Each finding has a tracking UID of its own,
which a box and the middle of the same finding share; a viewer may draw only the first of those that share one.
"""

import math
from collections.abc import Sequence

import numpy as np
from highdicom.sr import (
    ContentItem,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    SourceImageForRegion,
    TrackingIdentifier,
)

from domain import findings as domain
from domain.errors import IntegrityError
from domain.findings import Region, Shape
from domain.words import percent
from sr_writer.codes import concepts
from sr_writer.codes.wording import concept
from sr_writer.content import Content
from sr_writer.contours import MOST_POINTS, enclosed, thinned
from sr_writer.equipment import algorithm_items
from sr_writer.reports.groups import A_SCORE, Tracked, certain, identifier, measured, run_by
from sr_writer.source import Frame, Source

_CORNERS = {Shape.POINT: (1, 1), Shape.BOX: (2, 2), Shape.CONTOUR: (3, math.inf)}


def checked(regions: Sequence[Region], source: Source) -> tuple[Region, ...]:
    """The regions, each with as many points as its shape has, all on its image; raises IntegrityError for any other."""
    for one in regions:
        least, most = _CORNERS[one.shape]
        if not least <= len(one.points) <= most:
            raise IntegrityError(f"{one.label} is a {one.shape} of {len(one.points)} points")
        image = source.frames[one.frame].instance
        if not all(0 <= x <= image.columns and 0 <= y <= image.rows for x, y in one.points):
            raise IntegrityError(f"{one.label} lies beside its image of {image.columns} columns and {image.rows} rows")
    return tuple(regions)


def region_groups(content: Content) -> list[ContentItem]:
    """A group for each region."""
    return [item for index in range(len(content.regions)) for item in _group(index, content)]


def tracked_region(content: Content, index: int) -> Tracked:
    """The region at an index of the content, those of the findings first; what points at it again is tracked as it."""
    region, numbers = content.regions[index], {one.label: number for number, one in enumerate(content.regions[:index])}
    uid = content.stamp.uid(f"tracking-region-{numbers.get(region.of, index) + 1}")
    label = identifier(region.of or region.label, region.frame, content)
    return Tracked(label, uid, tuple(_numbers(region, content)))


def _group(index: int, content: Content) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    findings, region, tracked = content.findings, content.regions[index], tracked_region(content, index)
    frame = content.frame(region.frame)
    scored = [] if region.probability is None else [A_SCORE]
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=tracked.uid, identifier=tracked.identifier),
        referenced_region=_image_region(region, frame),
        finding_type=concept(region.finding),
        finding_sites=_sites(region),
        algorithm_id=algorithm_items(findings.model, [*scored, *run_by(findings)]),
        measurements=list(tracked.numbers),
    )


def _sites(region: Region) -> list[FindingSite]:
    if region.site is None:
        return []
    return [FindingSite(concept(region.site), laterality=concept(region.laterality) if region.laterality else None)]


def _numbers(region: Region, content: Content) -> list[Measurement]:
    """How certain the model is and what was measured; where it says neither, how large an outline or a box is."""
    likely = [] if region.probability is None else [certain(percent(region.probability))]
    resolution = content.resolution(region.frame)
    found = [*likely, *(measured(one, resolution) for one in region.measurements if math.isfinite(one.value))]
    return found or ([] if region.shape is Shape.POINT else [measured(_area(region, content), resolution)])


def _area(region: Region, content: Content) -> domain.Measurement:
    """In mm2 where the image says how large its pixels are."""
    pixels = enclosed(np.array(_outline(region)))
    image = content.source.volume or content.frame(region.frame).instance
    if not image.pixel_spacing:
        return domain.Measurement(concepts.AREA.code, pixels, concepts.PIXELS.code)
    rows, columns = map(float, image.pixel_spacing)
    return domain.Measurement(concepts.AREA.code, pixels * rows * columns, concepts.SQUARE_MILLIMETRE.code)


def _image_region(region: Region, frame: Frame) -> ImageRegion:
    instance, outline = frame.instance, _outline(region)
    return ImageRegion(
        graphic_type=GraphicTypeValues.POINT if region.shape is Shape.POINT else GraphicTypeValues.POLYLINE,
        graphic_data=np.array(outline if region.shape is Shape.POINT else [*outline, outline[0]]),
        source_image=SourceImageForRegion(
            instance.sop_class_uid, instance.sop_instance_uid, [frame.number] if instance.multi_frame else None
        ),
    )


def _outline(region: Region) -> list[tuple[float, float]]:
    """The corners in order, the first not repeated."""
    if region.shape is Shape.BOX:
        (left, top), (right, bottom) = region.points
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    if len(region.points) <= MOST_POINTS:
        return list(region.points)
    return [(x, y) for x, y in thinned(np.array(region.points)).tolist()]
