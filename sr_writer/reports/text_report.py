"""Findings as a report of plain text (Basic Text SR, PS3.16 TID 2000), for software that reads nothing else."""

from collections.abc import Iterator, Sequence

from highdicom.sr import ContentItem, ImageContentItem

from domain.findings import Code
from domain.profiles import ResultFormat
from sr_writer.codes import concepts
from sr_writer.codes.sentences import heads, lines, notes, read
from sr_writer.codes.wording import concept
from sr_writer.content import Content, Draft
from sr_writer.reports.items import CONTAINS, container, root, text
from sr_writer.reports.report import context, document
from sr_writer.source import Frame


def drafts(content: Content, form: ResultFormat) -> Iterator[Draft]:
    """The warning and who speaks, then a line for each finding, then how it came about and what the model is for."""
    findings = content.findings
    found = [f"{one.label}: {one.said}" for one in lines(content)]
    run = [f"Run by {findings.engine}."] if findings.engine else []
    sections = [
        _section(concepts.SUMMARY, concepts.SUMMARY, heads(content)),
        _section(concepts.FINDINGS, concepts.FINDING, found or ["The model reports nothing."], _images(content)),
    ]
    if about := [f"Read: {read(content)}.", *notes(findings), *run, *findings.model.card]:
        sections.append(_section(concepts.PROCEDURES, concepts.PROCEDURE_DESCRIPTION, about))
    yield document(content, form, root(concepts.IMAGING_REPORT, [*context(content), *sections], template="2000"))


def _section(heading: Code, name: Code, said: Sequence[str], images: Sequence[ContentItem] = ()) -> ContentItem:
    return container(heading, [*(text(name, one) for one in said), *images])


def _images(content: Content) -> list[ContentItem]:
    """The images to look at first."""
    return [_image(content.frame(one.frame)) for one in content.key_frames]


def _image(frame: Frame) -> ContentItem:
    instance = frame.instance
    return ImageContentItem(
        concept(concepts.BEST_ILLUSTRATION),
        instance.sop_class_uid,
        instance.sop_instance_uid,
        referenced_frame_numbers=[frame.number] if instance.multi_frame else None,
        relationship_type=CONTAINS,
    )
