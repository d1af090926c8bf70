"""An impression as a document of its own for readers who see no report: pages to print, or a picture of a page."""

from collections.abc import Iterator
from dataclasses import replace

from PIL import Image

from domain.profiles import ResultFormat, ResultKind
from sr_writer.codes import concepts
from sr_writer.codes.wording import concept
from sr_writer.content import Draft
from sr_writer.impressions.content import ImpressionContent
from sr_writer.impressions.words import READ_ON, about, heads, references, sentences
from sr_writer.pages.drawing import GREY, WHITE
from sr_writer.pages.page_blocks import band, foot, heading, paragraph, stacked, title
from sr_writer.pages.pdf_report import encapsulated
from sr_writer.pages.pdf_setting import BOLD, Block, document, space
from sr_writer.pages.pdf_setting import GREY as GREY_INK
from sr_writer.pages.pdf_setting import heading as pdf_heading
from sr_writer.pages.pdf_setting import paragraph as pdf_paragraph
from sr_writer.pages.secondary_capture import captured


def pdf_drafts(content: ImpressionContent, form: ResultFormat) -> Iterator[Draft]:
    """The pages."""
    pages = document(content.content, ResultKind.IMPRESSION, lambda: _blocks(content))
    dataset = encapsulated(content.content, form, pages)
    dataset.ConceptNameCodeSequence = [concept(concepts.IMAGING_REPORT)]
    yield Draft(form, dataset)


def picture_drafts(content: ImpressionContent, form: ResultFormat) -> Iterator[Draft]:
    """The picture, on which no image is shown."""
    dataset = captured(content.content, form, _page(content), "An impression in sentences, and what each rests on")
    dataset.BurnedInAnnotation = "NO"
    yield Draft(form, dataset)


def _blocks(content: ImpressionContent) -> Iterator[Block]:
    _, *said = heads(content)
    yield from pdf_paragraph(content.content.findings.model.title, BOLD, 17, 22)
    for one in (*said, _made(content)):
        yield from pdf_paragraph(one, colour=GREY_INK)
    yield pdf_heading("Impression")
    for text, sources in sentences(content):
        for line in pdf_paragraph(text, size=10.5, line=15):
            yield replace(line, leads=bool(sources))
        for one in sources:
            yield from pdf_paragraph(one, size=8, line=11, colour=GREY_INK, indent=12)
        yield space(6)
    if found := references(content):
        yield pdf_heading("References")
        for one in (READ_ON, *found):
            yield from pdf_paragraph(one, size=8, line=11, colour=GREY_INK)
        yield space(6)
    yield pdf_heading("How it came about")
    for one in about(content):
        yield from pdf_paragraph(one)


def _page(content: ImpressionContent) -> Image.Image:
    _, author, *superseded = heads(content)
    blocks = [band(content.content), title(content.content.findings.model.title, superseded, [author, _made(content)])]
    blocks.append(heading("Impression"))
    for text, sources in sentences(content):
        blocks += [paragraph(text, WHITE), *(paragraph(one, GREY, indent=40) for one in sources)]
    if found := references(content):
        blocks += [heading("References"), *(paragraph(one, GREY) for one in (READ_ON, *found))]
    blocks += [heading("How it came about"), *(paragraph(one, GREY) for one in about(content)), foot(content.content)]
    return stacked(blocks)


def _made(content: ImpressionContent) -> str:
    stamp = content.content.stamp
    return f"Made {stamp.moment:%Y-%m-%d %H:%M} (UTC{stamp.time_zone})"
