"""The image library of a report (PS3.16 TID 1600, 1602): the images that were read, with what they have in common."""

from collections.abc import Iterator

from highdicom.sr import ContainerContentItem, ContentItem, ImageContentItem, RelationshipTypeValues

from domain.findings import Code
from sr_writer.codes import concepts
from sr_writer.codes.wording import concept, modality
from sr_writer.reports.items import CONTAINS, coded, container, number, uid
from sr_writer.source import Instance, Source, Volume

_CONTEXT = RelationshipTypeValues.HAS_ACQ_CONTEXT

_Alike = tuple[str, int, int, tuple[float, ...] | None]


def image_library(*sources: Source) -> ContainerContentItem:
    """All images that were read; those of one series, size and pixel spacing form a group that states it once."""
    return container(concepts.IMAGE_LIBRARY, [group for source in sources for group in _groups(source)])


def _groups(source: Source) -> Iterator[ContainerContentItem]:
    groups: dict[_Alike, list[Instance]] = {}
    for one in source.instances:
        groups.setdefault((one.series_uid, one.rows, one.columns, one.pixel_spacing), []).append(one)
    return (_group(source, images) for images in groups.values())


def _group(source: Source, images: list[Instance]) -> ContainerContentItem:
    first, volume = images[0], source.volume
    spacing = volume.pixel_spacing if volume else first.pixel_spacing
    described = [
        coded(concepts.MODALITY, modality(first.modality), _CONTEXT),
        *(_frame_of_reference(volume) if volume else ()),
        _number(concepts.PIXEL_DATA_ROWS, first.rows, concepts.PIXELS),
        _number(concepts.PIXEL_DATA_COLUMNS, first.columns, concepts.PIXELS),
        *(_pixel_spacing(spacing) if spacing else ()),
        *(_slices(volume) if volume else ()),
    ]
    references = [
        ImageContentItem(
            concept(concepts.SOURCE), image.sop_class_uid, image.sop_instance_uid, relationship_type=CONTAINS
        )
        for image in images
    ]
    return container(concepts.IMAGE_LIBRARY_GROUP, [*described, *references])


def _frame_of_reference(volume: Volume) -> list[ContentItem]:
    return [uid(concepts.FRAME_OF_REFERENCE_UID, volume.frame_of_reference_uid, _CONTEXT)]


def _pixel_spacing(spacing: tuple[float, ...]) -> list[ContentItem]:
    return [
        _number(concepts.HORIZONTAL_PIXEL_SPACING, spacing[1], concepts.MILLIMETRE),
        _number(concepts.VERTICAL_PIXEL_SPACING, spacing[0], concepts.MILLIMETRE),
    ]


def _slices(volume: Volume) -> list[ContentItem]:
    return [
        _number(concepts.SPACING_BETWEEN_SLICES, volume.slice_spacing, concepts.MILLIMETRE),
        _number(concepts.SLICE_THICKNESS, volume.slice_thickness, concepts.MILLIMETRE),
    ]


def _number(name: Code, value: float, unit: Code) -> ContentItem:
    return number(name, value, unit, _CONTEXT)
