"""Findings as measurement reports (PS3.16 TID 1500), and what every report is made of.

Segments of a segmentation (TID 1411), findings of a classifier (TID 1501) and places on images (TID 1410) go into
reports of their own. The standard lets them share one; PixelMed's validator refuses the first two side by side, and
viewers refuse a report of places for one group without coordinates.
"""

import math
from collections.abc import Iterator, Sequence

from highdicom.sr import (
    Comprehensive3DSR,
    ComprehensiveSR,
    ContainerContentItem,
    ContentItem,
    EnhancedSR,
    LanguageOfContentItemAndDescendants,
    RelationshipTypeValues,
)
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from domain.findings import Findings
from domain.profiles import COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR, ResultFormat, ResultKind
from domain.words import named
from sr_writer.codes import concepts
from sr_writer.codes.sentences import notes
from sr_writer.codes.wording import SERIES_NUMBERS, concept, procedure, series_description, warning
from sr_writer.content import Content, Draft
from sr_writer.equipment import contributing_equipment, general_equipment, observer
from sr_writer.inputs import by_series
from sr_writer.reports.groups import likelihood_groups, segment_groups
from sr_writer.reports.image_library import image_library
from sr_writer.reports.items import coded, comment, container, root
from sr_writer.reports.regions import region_groups
from sr_writer.segments.segmentation import reference_to

# highdicom has no class for Basic Text SR, whose header is that of the others (PS3.3 A.35.1 to A.35.3).
_CLASSES = {COMPREHENSIVE_3D_SR: Comprehensive3DSR, COMPREHENSIVE_SR: ComprehensiveSR, ENHANCED_SR: EnhancedSR}


def drafts(content: Content, form: ResultFormat) -> Iterator[Draft]:
    """The report of the segments, or of what a classifier looked for; where there are no segments, of both as one."""
    findings, segments = content.findings, segment_groups(content, form.refers)
    likelihoods = likelihood_groups(content)
    apart = bool(content.present and likelihoods)
    if form.kind is ResultKind.SR:
        groups = segments if apart else [*segments, *likelihoods]
        tree = _measurements(content, groups, _gaps(findings, content.present))
        yield document(content, form, tree, [reference_to(one, content.stamp) for one in form.referred])
    elif apart:
        yield document(content, form, _measurements(content, likelihoods))


def region_drafts(content: Content, form: ResultFormat) -> Iterator[Draft]:
    """The report of what lies where; none where nothing does."""
    if content.regions:
        yield document(content, form, _measurements(content, region_groups(content)))


def document(
    content: Content, form: ResultFormat, tree: ContainerContentItem, referred: Sequence[tuple[str, str, str]] = ()
) -> Draft:
    """The document whose content is `tree`, in the SOP class of `form`: what stands around it is the same in each.

    `referred` are SOP class, SOP instance and series of the results that the tree refers to.
    """
    findings, source, stamp = content.findings, content.source, content.stamp
    evidence = [
        _evidence(study, one.sop_class_uid, one.sop_instance_uid, series)
        for study, series, instances in by_series((*content.sources, *content.earlier))
        for one in instances
    ]
    evidence += [_evidence(source.study_uid, *one) for one in referred]
    dataset: Dataset = _CLASSES.get(form.sop_class, EnhancedSR)(
        evidence=evidence,
        content=tree,
        series_instance_uid=stamp.uid(f"{form.name}-series"),
        series_number=SERIES_NUMBERS[form.kind],
        series_description=series_description(findings.model, form.kind, number=content.edition.number),
        sop_instance_uid=stamp.uid(form.name),
        instance_number=1,
        is_complete=True,
        is_final=False,
        is_verified=False,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        contributing_equipment=contributing_equipment(findings.model, stamp),
        **general_equipment(findings.model),
    )
    dataset.SOPClassUID = form.sop_class
    return Draft(form, dataset)


def context(content: Content) -> list[ContentItem]:
    """What every report says first: its language, what has observed, and of which procedure it is."""
    return [
        *LanguageOfContentItemAndDescendants(concept(concepts.LANGUAGE)),
        *observer(content.findings.model),
        coded(concepts.PROCEDURE_REPORTED, procedure(content.source.modality), RelationshipTypeValues.HAS_CONCEPT_MOD),
    ]


def _evidence(study_uid: str, sop_class_uid: str, sop_instance_uid: str, series_uid: str) -> Dataset:
    """An instance as far as a reference to it needs; identity comes from the source's own bytes."""
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = sop_class_uid, sop_instance_uid
    image.StudyInstanceUID, image.SeriesInstanceUID = study_uid, series_uid
    image.PatientID = image.PatientName = image.PatientBirthDate = image.PatientSex = ""
    image.AccessionNumber = image.StudyID = image.StudyDate = image.StudyTime = ""
    return image


def _measurements(content: Content, groups: Sequence[ContentItem], gaps: Sequence[str] = ()) -> ContainerContentItem:
    """The root of TID 1500; `gaps` are sentences that follow the warning in its first comment."""
    findings = content.findings
    superseded = [f"{content.edition_said}."] if content.edition_said else []
    first = " ".join([f"{warning(findings.model)}.", *superseded, *gaps])
    items: list[ContentItem] = [*context(content), image_library(*content.sources)]
    if groups:
        items.append(container(concepts.IMAGING_MEASUREMENTS, groups))
    items.append(container(concepts.QUALITATIVE_EVALUATIONS, [comment(one) for one in (first, *notes(findings))]))
    return root(concepts.MEASUREMENT_REPORT, items, template="1500")


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
        f"{named(measurement)} of {segment.label}"
        for segment in findings.segments
        for measurement in segment.measurements
        if not math.isfinite(measurement.value)
    ]
    if unmeasured:
        sentences.append(f"Could not be measured: {', '.join(unmeasured)}.")
    return [*sentences, *_parts(findings)]


def _parts(findings: Findings) -> Iterator[str]:
    """Which measurements are of one of several separate parts, which the template has no item for."""
    for segment in findings.segments:
        apart = [one for one in segment.measurements if one.parts > 1]
        if apart:
            names = " and ".join(dict.fromkeys(map(named, apart)))
            which = "each, the largest first" if any(one.part > 1 for one in apart) else "of the largest alone"
            yield f"{segment.label} has {apart[0].parts} separate parts; {names}: {which}."
