"""Findings as measurement reports (PS3.16 TID 1500) without coordinates.

Segments of a segmentation (TID 1411) and findings of a classifier (TID 1501) go into reports of their own: the standard
lets them share one, PixelMed's validator refuses the two templates side by side.
"""

import math
from collections.abc import Sequence

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    Comprehensive3DSR,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    EnhancedSR,
    LanguageOfContentItemAndDescendants,
    RelationshipTypeValues,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from domain.findings import Findings
from sr_writer.equipment import contributing_equipment, general_equipment, observer
from sr_writer.groups import likelihood_groups, segment_groups
from sr_writer.image_library import image_library
from sr_writer.items import comment, container
from sr_writer.source import Instance, Source
from sr_writer.stamp import Stamp
from sr_writer.wording import procedure, series_description, warning

_SERIES_NUMBERS = {"SR": 9002, "SR-LIKELIHOODS": 9003}
_ENGLISH = CodedConcept("en-US", "RFC5646", "English (United States)")
_EVALUATIONS = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")


def reports(
    findings: Findings, seg: Dataset | None, present: frozenset[int], source: Source, stamp: Stamp
) -> list[tuple[str, Dataset]]:
    """The SRs, each after its kind: one, or two where there is a segmentation and what a classifier found.

    `seg` is the segmentation whose segments `present` have voxels. Identity is left out.
    """
    segments, likelihoods = segment_groups(findings, seg, source, stamp), likelihood_groups(findings, source, stamp)
    first = f"{warning(findings.model)}."
    said = [first, *findings.remarks]
    measured = [" ".join([first, *_gaps(findings, present)]), *findings.remarks]
    if seg is None or not likelihoods:
        return [
            _report("SR", _root([*segments, *likelihoods], measured, findings, source), findings, seg, source, stamp)
        ]
    return [
        _report("SR", _root(segments, measured, findings, source), findings, seg, source, stamp),
        _report("SR-LIKELIHOODS", _root(likelihoods, said, findings, source), findings, None, source, stamp),
    ]


def _report(
    kind: str, content: ContainerContentItem, findings: Findings, seg: Dataset | None, source: Source, stamp: Stamp
) -> tuple[str, Dataset]:
    """One document after its kind.

    Images without a place in the patient leave nothing that Comprehensive 3D SR could say and Enhanced SR could not,
    which more archives and viewers take.
    """
    sop_class = Comprehensive3DSR if source.volume else EnhancedSR
    dataset: Dataset = sop_class(
        evidence=[_evidence(source, instance) for instance in source.instances] + ([] if seg is None else [seg]),
        content=content,
        series_instance_uid=stamp.uid(f"{kind}-series"),
        series_number=_SERIES_NUMBERS[kind],
        series_description=series_description(findings.model),
        sop_instance_uid=stamp.uid(kind),
        instance_number=1,
        is_complete=True,
        is_final=False,
        is_verified=False,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        contributing_equipment=contributing_equipment(findings.model, stamp),
        **general_equipment(findings.model),
    )
    return kind, dataset


def _evidence(source: Source, instance: Instance) -> Dataset:
    """An instance as far as a reference to it needs; identity comes from the source's own bytes."""
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = instance.sop_class_uid, instance.sop_instance_uid
    image.StudyInstanceUID, image.SeriesInstanceUID = source.study_uid, source.series_uid
    image.PatientID = image.PatientName = image.PatientBirthDate = image.PatientSex = ""
    image.AccessionNumber = image.StudyID = image.StudyDate = image.StudyTime = ""
    return image


def _root(
    groups: Sequence[ContentItem], comments: Sequence[str], findings: Findings, source: Source
) -> ContainerContentItem:
    items: list[ContentItem] = [
        *LanguageOfContentItemAndDescendants(_ENGLISH),
        *observer(findings.model),
        CodeContentItem(
            codes.DCM.ProcedureReported, procedure(source.modality), RelationshipTypeValues.HAS_CONCEPT_MOD
        ),
        image_library(source),
    ]
    if groups:
        items.append(container(codes.DCM.ImagingMeasurements, groups))
    items.append(container(_EVALUATIONS, [comment(one) for one in comments]))
    root = ContainerContentItem(codes.DCM.ImagingMeasurementReport, template_id="1500")
    root.ContentSequence = ContentSequence(items)
    return root


def _gaps(findings: Findings, present: frozenset[int]) -> list[str]:
    """Which segments have no voxel and what has no value.

    A measurement without a value may be written as such (PS3.3 C.18.1), but there are readers that fail on it.
    """
    sentences = []
    absent = [segment.label for segment in findings.segments if segment.number not in present]
    if absent and not present:
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
    return sentences
