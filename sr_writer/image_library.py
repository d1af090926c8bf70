"""The image library of a report (PS3.16 TID 1600, 1602): the images that were read, with what they have in common."""

from typing import Any

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentItem,
    ImageContentItem,
    NumContentItem,
    RelationshipTypeValues,
    UIDRefContentItem,
)
from pydicom.sr.codedict import codes

from sr_writer.items import CONTAINS, container
from sr_writer.source import Instance, Source, Volume
from sr_writer.wording import modality

_CONTEXT = RelationshipTypeValues.HAS_ACQ_CONTEXT
_PIXELS = CodedConcept("{pixels}", "UCUM", "Pixels")
_MILLIMETRE = CodedConcept("mm", "UCUM", "millimeter")
_SOURCE_IMAGE = CodedConcept("260753009", "SCT", "Source")

_Format = tuple[int, int, tuple[Any, ...] | None]


def image_library(source: Source) -> ContainerContentItem:
    """All images of the series; those of one size and pixel spacing form a group that states it once."""
    groups: dict[_Format, list[Instance]] = {}
    for instance in source.instances:
        groups.setdefault((instance.rows, instance.columns, instance.pixel_spacing), []).append(instance)
    return container(codes.DCM.ImageLibrary, [_group(source, images) for images in groups.values()])


def _group(source: Source, images: list[Instance]) -> ContainerContentItem:
    first, volume = images[0], source.volume
    spacing = volume.pixel_spacing if volume else first.pixel_spacing
    described = [
        CodeContentItem(codes.DCM.Modality, modality(source.modality), _CONTEXT),
        *(_frame_of_reference(volume) if volume else ()),
        _number(codes.DCM.PixelDataRows, first.rows, _PIXELS),
        _number(codes.DCM.PixelDataColumns, first.columns, _PIXELS),
        *(_pixel_spacing(spacing) if spacing else ()),
        *(_slices(volume) if volume else ()),
    ]
    references = [
        ImageContentItem(_SOURCE_IMAGE, image.sop_class_uid, image.sop_instance_uid, relationship_type=CONTAINS)
        for image in images
    ]
    return container(codes.DCM.ImageLibraryGroup, [*described, *references])


def _frame_of_reference(volume: Volume) -> list[ContentItem]:
    return [UIDRefContentItem(codes.DCM.FrameOfReferenceUID, volume.frame_of_reference_uid, _CONTEXT)]


def _pixel_spacing(spacing: tuple[Any, ...]) -> list[ContentItem]:
    return [
        _number(codes.DCM.HorizontalPixelSpacing, spacing[1], _MILLIMETRE),
        _number(codes.DCM.VerticalPixelSpacing, spacing[0], _MILLIMETRE),
    ]


def _slices(volume: Volume) -> list[ContentItem]:
    return [
        _number(codes.DCM.SpacingBetweenSlices, volume.slice_spacing, _MILLIMETRE),
        _number(codes.DCM.SliceThickness, volume.slice_thickness, _MILLIMETRE),
    ]


def _number(name: Any, value: float, unit: CodedConcept) -> NumContentItem:
    item = NumContentItem(name, float(value), unit, relationship_type=_CONTEXT)
    item.MeasuredValueSequence[0].NumericValue = f"{value:.6g}"
    return item
