"""Findings and their mask as one binary Segmentation (PS3.3 A.51) on the source's own grid."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentationTypeValues, SegmentDescription
from highdicom.seg import Segmentation as HighdicomSegmentation
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from domain.errors import IntegrityError, UnusableInput
from domain.findings import Findings, ModelIdentity, Segment
from domain.profiles import Form, Kind, every_form
from sr_writer.content import Content, Draft
from sr_writer.equipment import algorithm, contributing_equipment, general_equipment
from sr_writer.source import Instance, Source, Volume
from sr_writer.stamp import Stamp
from sr_writer.wording import SERIES_NUMBERS, concept, content_description, plain, series_description, short, warning


def present_segments(findings: Findings, mask: NDArray[np.uint8] | None, source: Source) -> frozenset[int]:
    """The numbers of the segments that have a voxel; raises IntegrityError where the mask is not of these findings."""
    if mask is None:
        return frozenset()
    assert source.volume is not None  # a mask has made the source volumetric
    expected = (len(source.frames), source.volume.rows, source.volume.columns)
    if mask.shape != expected or mask.dtype != np.uint8:
        raise IntegrityError(f"the mask is {mask.dtype} {mask.shape}, its source is uint8 {expected}")
    # Slice by slice: counting takes eight times the memory of what it counts.
    counts = sum((np.bincount(labels.reshape(-1), minlength=256) for labels in mask), np.zeros(256, np.int64))
    numbers = frozenset(np.flatnonzero(counts).tolist()) - {0}
    unknown = numbers - {segment.number for segment in findings.segments}
    if unknown:
        raise IntegrityError(f"the mask holds segment {min(unknown)}, which the findings do not name")
    return numbers


def reference_to(name: str, stamp: Stamp) -> tuple[str, str, str]:
    """SOP class, SOP instance and series of the segmentation whose form has this name."""
    (form,) = (one for one in every_form() if one.name == name)
    return form.sop_class, stamp.uid(name), stamp.uid(f"{name}-series")


def drafts(content: Content, form: Form) -> Iterator[Draft]:
    """The SEG of the findings' mask; none where no voxel is marked."""
    if content.present:
        assert content.mask is not None and content.source.volume is not None
        seg = segmentation(content.findings, content.mask, content.source, content.source.volume, content.stamp)
        seg.ImageComments = warning(content.findings.model)
        yield Draft(form, seg)


def tracking(segment: Segment, model: ModelIdentity, stamp: Stamp) -> tuple[str, str]:
    """The tracking identifier and its UID that tie a segment to its measurement group."""
    return short(f"{model.name}: {segment.label}"), stamp.uid(f"tracking-{segment.number}")


def segmentation(findings: Findings, mask: NDArray[np.uint8], source: Source, volume: Volume, stamp: Stamp) -> Dataset:
    """The SEG of all segments, frames without a voxel omitted; `volume` is the source's.

    `mask` holds segment numbers, (slices, rows, columns); at least one voxel has to be set. Identity is left out.
    Raises UnusableInput where the source's slices do not make a Segmentation (two in one place).
    """
    occupied = np.flatnonzero(mask.any(axis=(1, 2)))
    try:
        dataset: Dataset = HighdicomSegmentation(
            source_images=[_stand_in(source, volume, k) for k in occupied.tolist()],
            pixel_array=mask[occupied],
            **_description(findings, stamp),
        )
    except ValueError as error:
        raise UnusableInput(f"the slices do not make a segmentation: {error}") from error
    dataset.ContentCreatorName = ""  # type 2 (PS3.3 table 10-12), and no person made it
    _refer_to(dataset, source)
    _identify_segments_per_frame(dataset)
    _settle_dimension_uid(dataset, stamp.uid("SEG-dimensions"))
    return dataset


def _description(findings: Findings, stamp: Stamp) -> dict[str, Any]:
    model = findings.model
    return {
        "segmentation_type": SegmentationTypeValues.BINARY,
        "segment_descriptions": [_segment(segment, model, stamp) for segment in findings.segments],
        "series_instance_uid": stamp.uid("SEG-series"),
        "series_number": SERIES_NUMBERS[Kind.SEG],
        "series_description": series_description(model),
        "sop_instance_uid": stamp.uid("SEG"),
        "instance_number": 1,
        "content_label": "AI_SEGMENTATION",
        "content_description": content_description(model),
        "contributing_equipment": contributing_equipment(model, stamp),
        "transfer_syntax_uid": ExplicitVRLittleEndian,
        **general_equipment(model),
    }


def _segment(segment: Segment, model: ModelIdentity, stamp: Stamp) -> SegmentDescription:
    tracking_id, tracking_uid = tracking(segment, model, stamp)
    item = SegmentDescription(
        segment_number=segment.number,
        segment_label=short(segment.label),
        segmented_property_category=concept(segment.category),
        segmented_property_type=concept(segment.type),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm(model),
        tracking_id=tracking_id,
        tracking_uid=tracking_uid,
        display_color=CIELabColor.from_rgb(*segment.colour),
    )
    item.SegmentDescription = plain(f"{segment.label}. {warning(model)}")
    if segment.laterality:
        modified = item.SegmentedPropertyTypeCodeSequence[0]
        modified.SegmentedPropertyTypeModifierCodeSequence = [concept(segment.laterality)]
    return item


def _stand_in(source: Source, volume: Volume, k: int) -> Dataset:
    """Slice k as a single-frame image with nothing but geometry.

    Without the source's other attributes no odd value of theirs can stop the result, and a frame of an enhanced
    instance is treated as any slice. The references are set right by `_refer_to`.
    """
    image = Dataset()
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = f"2.25.{k}"
    image.StudyInstanceUID, image.SeriesInstanceUID = source.study_uid, source.series_uid
    image.FrameOfReferenceUID = volume.frame_of_reference_uid
    image.Modality = source.modality
    image.Rows, image.Columns = volume.rows, volume.columns
    image.ImagePositionPatient = list(volume.positions[k])
    image.ImageOrientationPatient = list(volume.orientation)
    image.PixelSpacing = list(volume.pixel_spacing)
    image.SliceThickness, image.SpacingBetweenSlices = volume.slice_thickness, volume.slice_spacing
    image.PatientID = image.PatientName = image.PatientBirthDate = image.PatientSex = ""
    image.AccessionNumber = image.StudyID = image.StudyDate = image.StudyTime = ""
    for keyword, value in source.lossy.items():
        setattr(image, keyword, value)
    return image


def _refer_to(dataset: Dataset, source: Source) -> None:
    """Point every reference at the source: the frame's own slice, and all instances that the model has read."""
    for item in _source_items(dataset):
        frame = source.frames[int(item.ReferencedSOPInstanceUID.rpartition(".")[2])]
        item.ReferencedSOPClassUID = frame.instance.sop_class_uid
        item.ReferencedSOPInstanceUID = frame.instance.sop_instance_uid
        if frame.instance.multi_frame:
            item.ReferencedFrameNumber = frame.number
    dataset.SourceImageSequence = [reference(instance) for instance in source.instances]
    series = Dataset()
    series.SeriesInstanceUID = source.series_uid
    series.ReferencedInstanceSequence = [reference(instance) for instance in source.instances]
    dataset.ReferencedSeriesSequence = [series]


def _source_items(dataset: Dataset) -> Iterator[Dataset]:
    """The items of Source Image Sequence by frame, each once: frames of several segments share them."""
    seen: set[int] = set()
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        item = frame.DerivationImageSequence[0].SourceImageSequence[0]
        if id(item) not in seen:
            seen.add(id(item))
            yield item


def reference(instance: Instance) -> Dataset:
    """A reference to one instance (PS3.3 table 10-11)."""
    item = Dataset()
    item.ReferencedSOPClassUID = instance.sop_class_uid
    item.ReferencedSOPInstanceUID = instance.sop_instance_uid
    return item


def _identify_segments_per_frame(dataset: Dataset) -> None:
    """Segment identification by frame for a single segment too; a shared one is legal, but some viewers miss it."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    if "SegmentIdentificationSequence" not in shared:
        return
    identification = shared.SegmentIdentificationSequence
    del shared.SegmentIdentificationSequence
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        frame.SegmentIdentificationSequence = identification


def _settle_dimension_uid(dataset: Dataset, uid: str) -> None:
    """Replace the random UID of the dimension organization, so that the same findings give the same bytes."""
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
