"""Findings as measurement reports (PS3.16 TID 1500) without coordinates, and what every such report is made of.

Segments of a segmentation (TID 1411) and findings of a classifier (TID 1501) go into reports of their own: the standard
lets them share one, PixelMed's validator refuses the two templates side by side.
"""

import math
from collections.abc import Iterator, Sequence

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    Comprehensive3DSR,
    ComprehensiveSR,
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
from domain.profiles import COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR, Form, Kind
from sr_writer.content import Content, Draft
from sr_writer.equipment import contributing_equipment, general_equipment, observer
from sr_writer.groups import likelihood_groups, segment_groups
from sr_writer.image_library import image_library
from sr_writer.items import comment, container
from sr_writer.segmentation import reference_to
from sr_writer.source import Source
from sr_writer.wording import SERIES_NUMBERS, procedure, series_description, warning

_CLASSES = {COMPREHENSIVE_3D_SR: Comprehensive3DSR, COMPREHENSIVE_SR: ComprehensiveSR, ENHANCED_SR: EnhancedSR}
_ENGLISH = CodedConcept("en-US", "RFC5646", "English (United States)")
_EVALUATIONS = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")


def drafts(content: Content, form: Form) -> Iterator[Draft]:
    """The report of the segments, or of what a classifier looked for; where there are no segments, of both as one."""
    findings, segments = content.findings, segment_groups(content, form.refers)
    likelihoods = likelihood_groups(content)
    first = f"{warning(findings.model)}."
    apart = bool(content.present and likelihoods)
    if form.kind is Kind.SR:
        groups = segments if apart else [*segments, *likelihoods]
        comments = [" ".join([first, *_gaps(findings, content.present)]), *findings.remarks]
        yield document(content, form, groups, comments)
    elif apart:
        yield document(content, form, likelihoods, [first, *findings.remarks])


def document(content: Content, form: Form, groups: Sequence[ContentItem], comments: Sequence[str]) -> Draft:
    """One report in the SOP class of `form`. Its content is the same in each of the three."""
    findings, source, stamp = content.findings, content.source, content.stamp
    evidence = [
        _evidence(source, one.sop_class_uid, one.sop_instance_uid, source.series_uid) for one in source.instances
    ]
    if form.refers:
        evidence.append(_evidence(source, *reference_to(form.refers, stamp)))
    dataset: Dataset = _CLASSES[form.sop_class](
        evidence=evidence,
        content=_root(groups, comments, findings, source),
        series_instance_uid=stamp.uid(f"{form.name}-series"),
        series_number=SERIES_NUMBERS[form.kind],
        series_description=series_description(findings.model),
        sop_instance_uid=stamp.uid(form.name),
        instance_number=1,
        is_complete=True,
        is_final=False,
        is_verified=False,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        contributing_equipment=contributing_equipment(findings.model, stamp),
        **general_equipment(findings.model),
    )
    return Draft(form, dataset)


def _evidence(source: Source, sop_class_uid: str, sop_instance_uid: str, series_uid: str) -> Dataset:
    """An instance as far as a reference to it needs; identity comes from the source's own bytes."""
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = sop_class_uid, sop_instance_uid
    image.StudyInstanceUID, image.SeriesInstanceUID = source.study_uid, series_uid
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
