"""Findings as a measurement report (PS3.16 TID 1500) in a Comprehensive 3D SR without coordinates.

One measurement group for each segment: TID 1411 where there is a segmentation, which also lists a segment without a
voxel, else TID 1501. PixelMed's validator refuses the two templates side by side.
"""

import math
from collections.abc import Sequence
from typing import Any

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    Comprehensive3DSR,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    FindingSite,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    NumContentItem,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceSeriesForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    UIDRefContentItem,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from domain import findings as domain
from domain.findings import Findings, ModelIdentity, Segment
from sr_writer.equipment import algorithm_items, contributing_equipment, general_equipment, observer
from sr_writer.segmentation import tracking
from sr_writer.source import Instance, Source
from sr_writer.stamp import Stamp
from sr_writer.wording import (
    ANATOMICAL_STRUCTURE,
    ATTENUATION,
    COMMENT,
    HOUNSFIELD,
    MEAN,
    concept,
    modality,
    plain,
    procedure,
    series_description,
    warning,
)

_SERIES_NUMBER = 9002
_CONTEXT = RelationshipTypeValues.HAS_ACQ_CONTEXT
_CONTAINS = RelationshipTypeValues.CONTAINS
_PIXELS = CodedConcept("{pixels}", "UCUM", "Pixels")
_MILLIMETRE = CodedConcept("mm", "UCUM", "millimeter")
_SOURCE_IMAGE = CodedConcept("260753009", "SCT", "Source")
_ENGLISH = CodedConcept("en-US", "RFC5646", "English (United States)")
_EVALUATIONS = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")


def report(findings: Findings, seg: Dataset | None, present: frozenset[int], source: Source, stamp: Stamp) -> Dataset:
    """The SR. `seg` is the segmentation whose segments `present` have voxels. Identity is left out."""
    dataset: Dataset = Comprehensive3DSR(
        evidence=[_evidence(source, instance) for instance in source.instances] + ([] if seg is None else [seg]),
        content=_root(findings, seg, present, source, stamp),
        series_instance_uid=stamp.uid("SR-series"),
        series_number=_SERIES_NUMBER,
        series_description=series_description(findings.model),
        sop_instance_uid=stamp.uid("SR"),
        instance_number=1,
        is_complete=True,
        is_final=False,
        is_verified=False,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        contributing_equipment=contributing_equipment(findings.model, stamp),
        **general_equipment(findings.model),
    )
    return dataset


def _evidence(source: Source, instance: Instance) -> Dataset:
    """An instance as far as a reference to it needs; identity comes from the source's own bytes."""
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = instance.sop_class_uid, instance.sop_instance_uid
    image.StudyInstanceUID, image.SeriesInstanceUID = source.study_uid, source.series_uid
    image.PatientID = image.PatientName = image.PatientBirthDate = image.PatientSex = ""
    image.AccessionNumber = image.StudyID = image.StudyDate = image.StudyTime = ""
    return image


def _root(
    findings: Findings, seg: Dataset | None, present: frozenset[int], source: Source, stamp: Stamp
) -> ContainerContentItem:
    groups = [item for segment in findings.segments for item in _group(segment, findings.model, seg, source, stamp)]
    items: list[ContentItem] = [
        *LanguageOfContentItemAndDescendants(_ENGLISH),
        *observer(findings.model),
        CodeContentItem(
            codes.DCM.ProcedureReported, procedure(source.modality), RelationshipTypeValues.HAS_CONCEPT_MOD
        ),
        _container(codes.DCM.ImageLibrary, [_library_group(source)]),
    ]
    if groups:
        items.append(_container(codes.DCM.ImagingMeasurements, groups))
    items.append(_container(_EVALUATIONS, [TextContentItem(COMMENT, _comment(findings, present), _CONTAINS)]))
    root = ContainerContentItem(codes.DCM.ImagingMeasurementReport, template_id="1500")
    root.ContentSequence = ContentSequence(items)
    return root


def _container(name: Any, items: Sequence[ContentItem]) -> ContainerContentItem:
    container = ContainerContentItem(name, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence(items)
    return container


def _library_group(source: Source) -> ContainerContentItem:
    """All images of the series with what they have in common (PS3.16 TID 1600, 1602), stated once."""
    described: list[ContentItem] = [
        CodeContentItem(codes.DCM.Modality, modality(source.modality), _CONTEXT),
        UIDRefContentItem(codes.DCM.FrameOfReferenceUID, source.frame_of_reference_uid, _CONTEXT),
        _described(codes.DCM.PixelDataRows, source.rows, _PIXELS),
        _described(codes.DCM.PixelDataColumns, source.columns, _PIXELS),
        _described(codes.DCM.HorizontalPixelSpacing, source.pixel_spacing[1], _MILLIMETRE),
        _described(codes.DCM.VerticalPixelSpacing, source.pixel_spacing[0], _MILLIMETRE),
        _described(codes.DCM.SpacingBetweenSlices, source.slice_spacing, _MILLIMETRE),
        _described(codes.DCM.SliceThickness, source.slice_thickness, _MILLIMETRE),
    ]
    images = [
        ImageContentItem(_SOURCE_IMAGE, image.sop_class_uid, image.sop_instance_uid, relationship_type=_CONTAINS)
        for image in source.instances
    ]
    return _container(codes.DCM.ImageLibraryGroup, [*described, *images])


def _described(name: Any, value: float, unit: CodedConcept) -> NumContentItem:
    item = NumContentItem(name, float(value), unit, relationship_type=_CONTEXT)
    item.MeasuredValueSequence[0].NumericValue = f"{value:.6g}"
    return item


def _group(
    segment: Segment, model: ModelIdentity, seg: Dataset | None, source: Source, stamp: Stamp
) -> VolumetricROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations:
    identifier, uid = tracking(segment, model, stamp)
    content = {
        "tracking_identifier": TrackingIdentifier(uid=uid, identifier=identifier),
        "finding_type": concept(segment.type),
        "finding_sites": _sites(segment),
        "algorithm_id": algorithm_items(model),
        "measurements": [_measurement(one) for one in segment.measurements if math.isfinite(one.value)],
    }
    if seg is None:
        return MeasurementsAndQualitativeEvaluations(**content)
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=ReferencedSegment(
            sop_class_uid=seg.SOPClassUID,
            sop_instance_uid=seg.SOPInstanceUID,
            segment_number=segment.number,
            source_series=SourceSeriesForSegmentation(source.series_uid),
        ),
        **content,
    )


def _sites(segment: Segment) -> list[FindingSite]:
    """Where the finding is, which the findings say only of a finding that is itself an anatomical structure."""
    if (segment.category.value, segment.category.scheme) != ANATOMICAL_STRUCTURE:
        return []
    laterality = concept(segment.laterality) if segment.laterality else None
    return [FindingSite(concept(segment.type), laterality=laterality)]


def _measurement(measurement: domain.Measurement) -> Measurement:
    """One number (PS3.16 TID 300). The attenuation of a region is the mean over its voxels, and is marked as such."""
    name, derivation = concept(measurement.name), None
    if name == ATTENUATION or (name == MEAN and measurement.unit.value == HOUNSFIELD):
        name, derivation = ATTENUATION, MEAN
    return Measurement(
        name=name,
        value=_six_digits(measurement.value),
        unit=concept(measurement.unit),
        derivation=derivation,
    )


def _six_digits(value: float) -> float:
    """More digits than any measurement here has, fewer than a float prints."""
    return float(f"{value:.6g}")


def _comment(findings: Findings, present: frozenset[int]) -> str:
    """What a reader has to know, then which segments have no voxel and what has no value.

    A measurement without a value may be written as such (PS3.3 C.18.1), but there are readers that fail on it.
    """
    absent = [segment.label for segment in findings.segments if segment.number not in present]
    sentences = [f"{warning(findings.model)}."]
    if not present:
        sentences.append("The model marked no voxel, so there is no segmentation.")
    elif absent:
        sentences.append(f"No voxel was marked as: {', '.join(absent)}.")
    unmeasured = [
        f"{measurement.name.meaning} of {segment.label}"
        for segment in findings.segments
        for measurement in segment.measurements
        if not math.isfinite(measurement.value)
    ]
    if unmeasured:
        sentences.append(f"Could not be measured: {', '.join(unmeasured)}.")
    return plain(" ".join(sentences))
