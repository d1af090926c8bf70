"""A segmentation beside highdicom's of the same mask and arguments, element by element: every difference has a name."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.color import CIELabColor
from highdicom.seg import SegmentationTypeValues, SegmentDescription
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom import Dataset

from domain.findings import Findings, Segment
from domain.profiles import LABEL_MAP_SEGMENTATION, SEGMENTATION, ResultFormat, ResultKind
from sr_writer.codes.wording import concept, content_description, series_description
from sr_writer.encoding.colours import cielab
from sr_writer.equipment import algorithm, general_equipment
from sr_writer.results import write
from tests.support import phantoms
from tests.support.findings import LUNGS, MODEL, MOMENT, RIGHT_LUNG, boxes, findings_on
from tests.support.phantoms import CORONAL, OBLIQUE, SAGITTAL, Phantom

# What the node says and highdicom has no argument for, or a moment of its own.
SAID = {
    "InstanceCreationDate", "InstanceCreationTime", "SeriesDate", "SeriesTime", "ContentDate", "ContentTime",
    "TimezoneOffsetFromUTC", "ContributingEquipmentSequence", "ContentQualification", "DeviceUID", "ImageComments",
    "BodyPartExamined", "SegmentSequence.SegmentDescription",
    # Derived, so that the same findings give the same bytes; highdicom's is drawn by lot.
    "DimensionOrganizationSequence.DimensionOrganizationUID", "DimensionIndexSequence.DimensionOrganizationUID",
    # Type 2 (PS3.3 table 10-12).
    "ContentCreatorName",
}  # fmt: skip
# Odd lengths are padded with a zero byte, by highdicom with the digit 0.
PADDED = {"PixelData"}
# By frame for a single segment too: some viewers look nowhere else. highdicom also calls it a volume then.
ONE_SEGMENT = {
    "SharedFunctionalGroupsSequence.SegmentIdentificationSequence",
    "PerFrameFunctionalGroupsSequence.SegmentIdentificationSequence",
    "DimensionOrganizationType",
}
# The slice's thickness where no neighbour tells more: viewers make a volume of one slice too.
ONE_SLICE = {"SharedFunctionalGroupsSequence.PixelMeasuresSequence.SpacingBetweenSlices"}
# The background is the last item, not the first; its category is that of CID 7150. highdicom says that it is 3D.
LABEL_MAP = {"SegmentSequence", "DimensionOrganizationType"}

AXIAL = Phantom(slices=6, size=(20, 18))


def ours(findings: Findings, mask: NDArray[np.uint8], paths: list[Path], form: ResultFormat) -> Dataset:
    (result,) = write(findings, mask, paths, (), MOMENT, [form])
    return pydicom.dcmread(io.BytesIO(result.part10))


def theirs(segments: tuple[Segment, ...], mask: NDArray[np.uint8], sources: list[Dataset], twin: Dataset) -> Dataset:
    made = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=mask,
        segmentation_type=SegmentationTypeValues(twin.SegmentationType),
        segment_descriptions=[
            description(one, item) for one, item in zip(segments, twin.SegmentSequence, strict=False)
        ],
        series_instance_uid=twin.SeriesInstanceUID,
        series_number=twin.SeriesNumber,
        series_description=series_description(MODEL, ResultKind.SEG),
        sop_instance_uid=twin.SOPInstanceUID,
        instance_number=1,
        content_label="AI_SEGMENTATION",
        content_description=content_description(MODEL),
        **general_equipment(MODEL),
    )
    file = io.BytesIO()
    made.save_as(file)
    return pydicom.dcmread(io.BytesIO(file.getvalue()))


def description(segment: Segment, twin: Dataset) -> SegmentDescription:
    item = SegmentDescription(
        segment_number=segment.number,
        segment_label=segment.label,
        segmented_property_category=concept(segment.category),
        segmented_property_type=concept(segment.type),
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm(MODEL),
        tracking_id=twin.TrackingID,
        tracking_uid=twin.TrackingUID,
        display_color=CIELabColor.from_rgb(*segment.colour),
    )
    assert segment.laterality
    (kind,) = item.SegmentedPropertyTypeCodeSequence
    kind.SegmentedPropertyTypeModifierCodeSequence = [concept(segment.laterality)]
    return item


def elements(dataset: Dataset, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every element with its way through the sequences, the indices of their items in it."""
    for element in dataset:
        if element.VR != "SQ":
            yield path + element.keyword, (element.VR, element.value)
        for index, item in enumerate(element.value if element.VR == "SQ" else ()):
            yield from elements(item, f"{path}{element.keyword}[{index}].")


def differences(one: Dataset, other: Dataset) -> set[str]:
    first, second = dict(elements(one)), dict(elements(other))
    ways = [way for way in first | second if first.get(way) != second.get(way)]
    return {re.sub(r"\[\d+\]", "", way) for way in ways}


def named(found: set[str], names: set[str]) -> set[str]:
    """The names that stand for what was found; what no name stands for stays as it is."""
    return {next((name for name in names if way == name or way.startswith(f"{name}.")), way) for way in found}


CASES = [
    pytest.param(AXIAL, LUNGS, set(), id="axial"),
    pytest.param(Phantom(slices=5, size=(37, 43)), LUNGS, PADDED, id="odd columns"),
    pytest.param(Phantom(slices=6, size=(20, 18), orientation=SAGITTAL), LUNGS, set(), id="sagittal"),
    pytest.param(Phantom(slices=6, size=(20, 18), orientation=CORONAL), LUNGS, set(), id="coronal"),
    pytest.param(Phantom(slices=6, size=(20, 18), orientation=OBLIQUE), LUNGS, set(), id="oblique"),
    pytest.param(AXIAL, (RIGHT_LUNG,), ONE_SEGMENT, id="one segment"),
    pytest.param(Phantom(slices=1, size=(20, 18)), LUNGS, ONE_SLICE, id="one slice"),
]


@pytest.mark.parametrize(("phantom", "segments", "because"), CASES)
@pytest.mark.parametrize("enhanced", [False, True])
def test_a_binary_segmentation_differs_from_highdicoms_in_what_is_named_here_alone(
    phantom: Phantom, segments: tuple[Segment, ...], because: set[str], enhanced: bool, tmp_path: Path
) -> None:
    sources = [phantom.enhanced()] if enhanced else phantom.datasets()
    paths, mask = phantoms.write(sources, tmp_path), boxes(phantom.slices, *phantom.size)
    mask[mask > len(segments)] = 0
    seg = ours(findings_on(paths, mask, segments), mask, paths, ResultFormat(ResultKind.SEG, SEGMENTATION))
    peer = theirs(segments, mask, sources, seg)
    names = SAID | because | padding(seg, peer)
    assert named(differences(seg, peer), names) == names


def padding(seg: Dataset, peer: Dataset) -> set[str]:
    """The name of the padding, where it is all that tells the pixels apart."""
    bits = seg.NumberOfFrames * seg.Rows * seg.Columns
    assert seg.PixelData[: (bits + 7) // 8] == peer.PixelData[: (bits + 7) // 8]
    return PADDED if (bits + 7) // 8 % 2 else set()


@pytest.mark.parametrize("enhanced", [False, True])
def test_a_label_map_differs_from_highdicoms_in_what_is_named_here_alone(enhanced: bool, tmp_path: Path) -> None:
    sources = [AXIAL.enhanced()] if enhanced else AXIAL.datasets()
    paths, mask = phantoms.write(sources, tmp_path), boxes(6, 20, 18)
    seg = ours(findings_on(paths, mask), mask, paths, ResultFormat(ResultKind.SEG, LABEL_MAP_SEGMENTATION))
    peer = theirs(LUNGS, mask, sources, seg)
    names = (SAID | LABEL_MAP) - {"SegmentSequence.SegmentDescription"}
    assert named(differences(seg, peer), LABEL_MAP | SAID - {"SegmentSequence.SegmentDescription"}) == names
    background = peer.SegmentSequence.pop(0)
    background.SegmentedPropertyCategoryCodeSequence = [
        CodedConcept("309825002", "SCT", "Spatial and Relational Concept")
    ]
    peer.SegmentSequence.append(background)
    for item in seg.SegmentSequence[:2]:
        del item.SegmentDescription
    assert seg.SegmentSequence == peer.SegmentSequence


@pytest.mark.parametrize(
    "colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (1, 2, 3), (230, 120, 60)]
)
def test_a_colour_is_the_one_that_highdicom_writes_and_shows(colour: tuple[int, int, int]) -> None:
    assert np.abs(np.subtract(cielab(colour), CIELabColor.from_rgb(*colour).value)).max() <= 1
    back = CIELabColor.from_dicom_value(tuple(cielab(colour))).to_rgb()
    assert np.abs(np.subtract(back, colour)).max() <= 1
