"""The node and highdicom on one case: everything is got ready, and what comes back is what the clock measures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentationTypeValues, SegmentDescription

from benchmarks.segmentation.cases import Case
from domain.findings import Segment
from domain.profiles import LABEL_MAP_SEGMENTATION, ResultFormat, ResultKind
from sr_writer.codes.wording import concept, content_description, series_description, warning
from sr_writer.content import Content
from sr_writer.equipment import algorithm, contributing_equipment, general_equipment
from sr_writer.provenance import Provenance, provenance_of
from sr_writer.results import finished, write
from sr_writer.segments.segmentation import drafts, present_segments, tracking
from sr_writer.source import read_source
from tests.support.findings import MODEL, MOMENT

# Bytes that are gathered before they go to the file: pieces are many, and some of them small.
_BUFFER = 1 << 20


def node(form: ResultFormat, folder: Path, out: Path) -> Callable[[], None]:
    """This node, the segmentation alone, the source's files read before."""
    case = Case(folder)
    findings, mask = case.findings, case.mask
    source = read_source(case.files, findings.frames, volumetric=True)
    provenance = provenance_of(findings, source, MOMENT)

    def timed() -> None:
        present = present_segments(findings, mask, source)
        content = Content(findings, source, provenance, mask, present, (), (), ())
        (draft,) = drafts(content, form)
        with out.open("wb", buffering=_BUFFER) as file:
            file.writelines(finished(draft, content).pieces)

    return timed


def node_from_files(form: ResultFormat, folder: Path, out: Path) -> Callable[[], None]:
    """This node as a job runs it."""
    case = Case(folder)
    findings, mask, files = case.findings, case.mask, case.files

    def timed() -> None:
        (result,) = write(findings, mask, files, (), MOMENT, [form])
        with out.open("wb", buffering=_BUFFER) as file:
            file.writelines(result.pieces)

    return timed


def highdicom(form: ResultFormat, folder: Path, out: Path) -> Callable[[], None]:
    """`highdicom.seg.Segmentation` and its `save_as` with what the node says too, the source's files read before."""
    case = Case(folder)
    mask, headers = case.mask, case.headers()
    provenance = provenance_of(case.findings, read_source(case.files, case.findings.frames, volumetric=True), MOMENT)
    label_map = form.sop_class == LABEL_MAP_SEGMENTATION
    given: dict[str, Any] = {
        "segmentation_type": SegmentationTypeValues.LABELMAP if label_map else SegmentationTypeValues.BINARY,
        "segment_descriptions": [_description(one, provenance) for one in case.segments],
        "series_instance_uid": "2.25.71",
        "series_number": 9001,
        "sop_instance_uid": "2.25.72",
        "instance_number": 1,
        "series_description": series_description(MODEL, ResultKind.SEG),
        "content_label": "AI_SEGMENTATION",
        "content_description": content_description(MODEL),
        "contributing_equipment": contributing_equipment(MODEL, provenance),
        **general_equipment(MODEL),
        "transfer_syntax_uid": form.transfer_syntax,
    }

    def timed() -> None:
        Segmentation(source_images=headers, pixel_array=mask, **given).save_as(out)

    return timed


def _description(segment: Segment, provenance: Provenance) -> SegmentDescription:
    identifier, uid = tracking(segment, MODEL, provenance)
    item = SegmentDescription(
        segment_number=segment.number,
        segment_label=segment.label,
        segmented_property_category=concept(segment.category),
        segmented_property_type=concept(segment.type),
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm(MODEL),
        tracking_id=identifier,
        tracking_uid=uid,
        display_color=CIELabColor.from_rgb(*segment.colour),
    )
    item.SegmentDescription = f"{segment.label}. {warning(MODEL)}"
    if segment.laterality:
        (kind,) = item.SegmentedPropertyTypeCodeSequence
        kind.SegmentedPropertyTypeModifierCodeSequence = [concept(segment.laterality)]
    return item
