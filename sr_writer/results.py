"""One run's findings as the objects that go home, each kind in every form that some destination takes."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from domain.editions import FIRST, Edition
from domain.errors import IntegrityError
from domain.findings import FindingProbability, Findings, Region
from domain.profiles import (
    BASIC_TEXT_SR,
    COMPREHENSIVE_3D_SR,
    COMPREHENSIVE_SR,
    ENHANCED_SR,
    GRAYSCALE_SOFTCOPY_PRESENTATION_STATE,
    KEY_OBJECT_SELECTION,
    SECONDARY_CAPTURE,
    SEGMENTATION,
    ResultFormat,
    ResultKind,
)
from sr_writer import parametric_map
from sr_writer.codes.schemes import private_schemes
from sr_writer.codes.sentences import comments
from sr_writer.content import Content, Draft, Predecessor, key_frames
from sr_writer.earlier import read_earlier
from sr_writer.encoding.elements import encoded, merged
from sr_writer.encoding.part10 import Buffer, part10
from sr_writer.equipment import sign
from sr_writer.inputs import read_others
from sr_writer.outlines import outlines
from sr_writer.pages import pdf_report, secondary_capture
from sr_writer.presentation_states import presentation_state
from sr_writer.provenance import provenance_of
from sr_writer.reports import key_objects, report, text_report
from sr_writer.reports.regions import checked
from sr_writer.requests import referenced_requests
from sr_writer.segments import segmentation
from sr_writer.segments.segmentation import present_segments
from sr_writer.source import read_source, unknown_side

# What findings are written as where nobody says more.
_SEGMENTS = ResultFormat(ResultKind.SEG, SEGMENTATION)
PLAIN = (
    _SEGMENTS,
    ResultFormat(ResultKind.SR, COMPREHENSIVE_3D_SR, refers=_SEGMENTS.name),
    ResultFormat(ResultKind.SR_LIKELIHOODS, COMPREHENSIVE_3D_SR),
)
# Segmentations first: a report refers to one that was written.
_DRAFTS: Mapping[ResultKind, Callable[[Content, ResultFormat], Iterator[Draft]]] = {
    ResultKind.SEG: segmentation.drafts,
    ResultKind.SR_REGIONS: report.region_drafts,
    ResultKind.SR: report.drafts,
    ResultKind.SR_LIKELIHOODS: report.drafts,
    ResultKind.TEXT: text_report.drafts,
    ResultKind.GSPS: presentation_state.drafts,
    ResultKind.PM: parametric_map.drafts,
    ResultKind.SC: secondary_capture.drafts,
    ResultKind.KOS: key_objects.drafts,
    ResultKind.PDF: pdf_report.drafts,
}
# Kinds whose series belongs to a part of the body (PS3.3 C.7.3.1); that of a document does not.
_OF_A_REGION = frozenset({ResultKind.SEG, ResultKind.PM, ResultKind.GSPS, ResultKind.SC})
# What is of one frame has to say the side of a part that there are two of, if only that it is not known.
_OF_A_SIDE = frozenset({GRAYSCALE_SOFTCOPY_PRESENTATION_STATE, SECONDARY_CAPTURE})
# Reports name the reports that they supersede (PS3.3 C.17.2).
_REPORTS = frozenset({COMPREHENSIVE_3D_SR, COMPREHENSIVE_SR, ENHANCED_SR, BASIC_TEXT_SR})
# What they fulfil is said by reports and by key objects (PS3.3 C.17.2, C.17.6.2).
_FULFIL = _REPORTS | {KEY_OBJECT_SELECTION}


@dataclass(frozen=True)
class ResultObject:
    """One finished object in one form, in the study `study_uid`; `pieces` make up the whole Part 10 file."""

    form: ResultFormat
    study_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    pieces: tuple[Buffer, ...]

    @property
    def kind(self) -> ResultKind:
        """What it is for."""
        return self.form.kind

    @property
    def part10(self) -> bytes:
        """The file in one piece."""
        return b"".join(self.pieces)


def write(
    findings: Findings,
    mask: NDArray[np.uint8] | None,
    sources: Sequence[Path],
    predecessors: Sequence[Predecessor],
    content_time: datetime,
    forms: Collection[ResultFormat] = PLAIN,
    maps: Sequence[NDArray[np.float32]] = (),
    edition: Edition = FIRST,
    requests: Sequence[Path] = (),
    earlier: Sequence[Path] = (),
) -> tuple[ResultObject, ...]:
    """The results of one run in each of `forms` that the findings give something for, in the order of their kinds.

    `mask` is (slices, rows, columns), each voxel the number of its segment or 0; slice k lies on frame k of the
    findings; no SEG is made where no voxel is marked, and a report that should refer to one refers to none. `maps` are
    the arrays of `findings.maps`. `sources` are Part 10 files that hold all of those frames and
    those of the other inputs. `content_time` is aware
    and constant over the retries of a job: with it, the same input gives the same bytes. Reports name their
    predecessors, for which no other object has an attribute; that they supersede others, and which (`edition`), all of
    them say in words. `requests` are Part 10 files that say what was requested (`sr_writer/requests.py`),
    `earlier` those of the images that `findings.earlier` names.

    Raises UnusableInput for a source without what a result needs, Retryable for one that cannot be opened,
    IntegrityError for a mask, a map, a place or a probability that is not of these findings.
    """
    content = _content(findings, mask, sources, predecessors, content_time, maps, edition, requests, earlier)
    made: list[ResultObject] = []
    for form in sorted(forms, key=lambda one: (list(_DRAFTS).index(one.kind), one.name)):
        wanted = form if form.refers in {one.form.name for one in made} else replace(form, refers="")
        if wanted not in {one.form for one in made}:
            made += [finished(draft, content) for draft in _DRAFTS[form.kind](content, wanted)]
    return tuple(made)


def _content(
    findings: Findings,
    mask: NDArray[np.uint8] | None,
    sources: Sequence[Path],
    predecessors: Sequence[Predecessor],
    content_time: datetime,
    maps: Sequence[NDArray[np.float32]],
    edition: Edition,
    requests: Sequence[Path],
    earlier: Sequence[Path],
) -> Content:
    _check(findings)
    source = read_source(sources, findings.frames, volumetric=mask is not None)
    requested = referenced_requests(source, requests)
    before, compared = read_earlier(earlier, findings, source)
    findings = replace(findings, remarks=(*findings.remarks, *compared, *source.remarks, *requested.remarks))
    present = present_segments(findings, mask, source)
    regions = (*checked(findings.regions, source), *outlines(findings, mask, source))
    return Content(
        findings=findings,
        source=source,
        stamp=provenance_of(findings, source, content_time),
        mask=mask,
        present=present,
        maps=tuple(maps),
        regions=regions,
        key_frames=key_frames(findings, regions),
        predecessors=predecessors,
        others=read_others(sources, findings),
        edition=edition,
        requests=requested.elements,
        earlier=before,
    )


def _check(findings: Findings) -> None:
    """A probability is from 0 to 1, not NaN, and everything is of an image that the findings are about."""
    found: tuple[FindingProbability | Region, ...] = (*findings.likelihoods, *findings.regions)
    for one in found:
        if one.probability is not None and not 0 <= one.probability <= 1:
            raise IntegrityError(f"the probability of {one.label} is {one.probability}")
        if one.frame is not None and not 0 <= one.frame < len(findings.frames):
            raise IntegrityError(f"{one.label} is of image {one.frame} of {len(findings.frames)}")


def _predecessors(form: ResultFormat, content: Content) -> list[Dataset]:
    """Predecessor Documents Sequence: the reports that this one supersedes, those most like it where there are any."""
    documents = [one for one in content.predecessors if one.sop_class_uid in _REPORTS]
    of_kind = [one for one in documents if one.kind == form.kind]
    earlier = [one for one in of_kind if one.sop_class_uid == form.sop_class] or of_kind or documents
    if not earlier:
        return []
    item = Dataset()
    item.StudyInstanceUID = content.source.study_uid
    item.ReferencedSeriesSequence = [_predecessor(one) for one in earlier]
    return [item]


def _predecessor(one: Predecessor) -> Dataset:
    document, series = Dataset(), Dataset()
    document.ReferencedSOPClassUID, document.ReferencedSOPInstanceUID = one.sop_class_uid, one.sop_instance_uid
    series.SeriesInstanceUID = one.series_instance_uid
    series.ReferencedSOPSequence = [document]
    return series


def finished(draft: Draft, content: Content) -> ResultObject:
    """The object with its times, its maker and the patient's identity, as a file."""
    dataset, form, source = draft.dataset, draft.form, content.source
    sign(dataset, content.findings.model, content.stamp, comments(content))
    if schemes := private_schemes(content.findings):
        dataset.CodingSchemeIdentificationSequence = schemes
    if form.sop_class in _REPORTS and (superseded := _predecessors(form, content)):
        dataset.PredecessorDocumentsSequence = superseded
    region = source.region if form.kind in _OF_A_REGION else {}
    side = unknown_side(region) if form.sop_class in _OF_A_SIDE else {}
    fulfilled = content.requests if form.sop_class in _FULFIL else {}
    elements = merged(encoded(dataset), draft.elements, source.identity, side, region, fulfilled)
    return ResultObject(
        form=form,
        study_uid=source.study_uid,
        sop_instance_uid=str(dataset.SOPInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        pieces=part10(dataset, [*elements, *draft.pixels], form.transfer_syntax),
    )
