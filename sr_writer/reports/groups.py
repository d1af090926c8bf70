"""Measurement groups: what was found, one group for each segment and for each finding that a classifier looked for.

A segment has TID 1411 of PS3.16 where there is a segmentation, which also lists a segment without a voxel, else TID
1501. What a classifier looked for has TID 1501: the finding, how certain the model is of it, 0 to 100 % (Certainty of
Finding, as in TID 4006), that it is present (CID 240) where it is reported, the image it was sought in beside it.
"""

import math
from dataclasses import dataclass

from highdicom.sr import (
    CodedConcept,
    ContentItem,
    FindingSite,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegment,
    SourceImageForMeasurementGroup,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)

from domain import findings as domain
from domain.anatomy import is_anatomy
from domain.findings import Code, FindingProbability, Findings, Segment
from domain.words import Resolution, certainty, number
from sr_writer.codes import concepts
from sr_writer.codes.wording import concept, plain
from sr_writer.content import Content
from sr_writer.equipment import algorithm_items
from sr_writer.segments.segmentation import reference_to, tracking
from sr_writer.source import Frame, Source

# PS3.16 has no concept for a score that nobody has calibrated: of CID 6048 this one is what a device holds of a finding
# (TID 4006), the other the probability of cancer. So it is said beside the number what it is not.
A_SCORE = f"{concepts.CERTAINTY.meaning} is the score of the model, not a probability"


@dataclass(frozen=True, eq=False)
class Tracked:
    """What is said of one finding wherever a report speaks of it: by what it is tracked, and its numbers."""

    identifier: str
    uid: str
    numbers: tuple[Measurement, ...]


def tracked_segment(content: Content, index: int) -> Tracked:
    """The segment at an index of the findings, with all that could be measured in it and compared with before."""
    segment, resolution = content.findings.segments[index], content.resolution()
    numbers = (*segment.measurements, *segment.compared)
    found = (measured(one, resolution) for one in numbers if math.isfinite(one.value))
    return Tracked(*tracking(segment, content.findings.model, content.stamp), tuple(found))


def tracked_likelihood(content: Content, index: int) -> Tracked:
    """What a classifier looked for, at an index of the findings, with how certain it is."""
    one = content.findings.likelihoods[index]
    uid = content.stamp.uid(f"tracking-likelihood-{index + 1}")
    return Tracked(identifier(one.label, one.frame, content), uid, (certain(certainty(one)),))


def segment_groups(content: Content, refers: str) -> list[ContentItem]:
    """The measurements of each segment, which refer to the segmentation of the form `refers` where it names one."""
    return [item for index in range(len(content.findings.segments)) for item in _segment(index, content, refers)]


def likelihood_groups(content: Content) -> list[ContentItem]:
    """What a classifier looked for, also what it did not find."""
    return [item for index in range(len(content.findings.likelihoods)) for item in _likelihood(index, content)]


def identifier(label: str, frame: int | None, content: Content) -> str:
    """The tracking identifier: the finding's name and, where there are several images, on which one it is."""
    where = f", {content.names(frame)}" if frame is not None and len(content.source.frames) > 1 else ""
    return plain(f"{content.findings.model.name}: {label}{where}")


def run_by(findings: Findings) -> list[str]:
    """What ran the network, as a parameter of the algorithm."""
    return [f"Run by {findings.engine}"] if findings.engine else []


def measured(measurement: domain.Measurement, resolution: Resolution | None) -> Measurement:
    """One number (PS3.16 TID 300), in the figures that every page has it in."""
    derivation = concept(measurement.derivation) if measurement.derivation else None
    return _number(measurement.name, number(measurement, resolution), measurement.unit, derivation)


def certain(percent: float) -> Measurement:
    """How certain the model is of a finding, in percent: never 0 or 100."""
    return _number(concepts.CERTAINTY, percent, concepts.PERCENT)


def _number(name: Code, value: float, unit: Code, derivation: CodedConcept | None = None) -> Measurement:
    """The number as it is said: highdicom makes a decimal of each whole one, and repeats it as a binary fraction."""
    found = Measurement(concept(name), value, concept(unit), derivation=derivation)
    (stated,) = found[0].MeasuredValueSequence
    stated.NumericValue = f"{value:.12g}"
    stated.pop("FloatingPointValue", None)
    return found


def _segment(
    index: int, content: Content, refers: str
) -> VolumetricROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations:
    findings, tracked = content.findings, tracked_segment(content, index)
    segment = findings.segments[index]
    described = {
        "tracking_identifier": TrackingIdentifier(uid=tracked.uid, identifier=tracked.identifier),
        "finding_type": concept(segment.type),
        "finding_sites": _sites(segment),
        "algorithm_id": algorithm_items(findings.model, run_by(findings)),
        "measurements": list(tracked.numbers),
    }
    if not refers:
        return MeasurementsAndQualitativeEvaluations(**described)
    sop_class_uid, sop_instance_uid, _ = reference_to(refers, content.stamp)
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=ReferencedSegment(
            sop_class_uid=sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            segment_number=segment.number,
            source_series=SourceSeriesForSegmentation(content.source.series_uid),
        ),
        **described,
    )


def _sites(segment: Segment) -> list[FindingSite]:
    """Where the finding is, which the findings say only of a finding that is itself an anatomical structure."""
    if not is_anatomy(segment.category):
        return []
    laterality = concept(segment.laterality) if segment.laterality else None
    return [FindingSite(concept(segment.type), laterality=laterality)]


def _likelihood(index: int, content: Content) -> MeasurementsAndQualitativeEvaluations:
    findings, tracked = content.findings, tracked_likelihood(content, index)
    likelihood = findings.likelihoods[index]
    # Below its threshold a finding is not reported; that it is absent nobody has measured.
    presence = [QualitativeEvaluation(concept(concepts.PRESENCE), concept(concepts.PRESENT))]
    threshold = f"Reported as present from {100 * likelihood.threshold:.6g} % on"
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=tracked.uid, identifier=tracked.identifier),
        finding_type=concept(likelihood.finding),
        algorithm_id=algorithm_items(findings.model, [threshold, A_SCORE, *run_by(findings)]),
        measurements=list(tracked.numbers),
        qualitative_evaluations=presence if likelihood.present else None,
        source_images=[_image(frame) for frame in _looked_at(likelihood, content.source)],
    )


def _looked_at(likelihood: FindingProbability, source: Source) -> tuple[Frame, ...]:
    """The images to name; a whole volume is named by the image library already."""
    if likelihood.frame is not None:
        return (source.frames[likelihood.frame],)
    return () if source.volume else source.frames


def _image(frame: Frame) -> SourceImageForMeasurementGroup:
    instance = frame.instance
    numbers = [frame.number] if instance.multi_frame else None
    return SourceImageForMeasurementGroup(instance.sop_class_uid, instance.sop_instance_uid, numbers)
