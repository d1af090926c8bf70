"""A run's findings as one picture of a page: the words of every result, key pictures, a table, remarks.

No word on it names the patient (sr_writer/pages/page_blocks.py).
"""

from collections.abc import Iterator
from itertools import chain

from PIL import Image, ImageDraw

from sr_writer.codes.sentences import Line, limits, lines, notes, read
from sr_writer.content import Content
from sr_writer.pages.drawing import BACKGROUND, GREY, WHITE, Colour, against, font
from sr_writer.pages.page_blocks import (
    EDGE,
    INNER,
    LINE,
    WIDTH,
    band,
    broken,
    foot,
    heading,
    paragraph,
    stacked,
    strip,
    title,
)
from sr_writer.pages.pictures import picture, views, without_picture

_GAP = 16
_STRIPE = (26, 29, 35)
_SAID = 460  # where the second column of the table begins
_MOST_LINES = 40  # findings; a longer table is read in the report
# How wide a picture is by how many there are; a single one leaves the page no higher than a screen.
_COLUMNS = {1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3}
_LARGEST = 860


def maker(content: Content) -> str:
    """Which model has spoken, on what it ran, and when."""
    model, engine = content.findings.model, content.findings.engine
    parts = [f"{model.name} {model.version}", model.manufacturer, *([engine] if engine else [])]
    return f"{', '.join(parts)}; made {content.stamp.moment:%Y-%m-%d %H:%M} (UTC{content.stamp.time_zone})"


def page(content: Content) -> Image.Image:
    """The page in RGB."""
    parts = (_pictures(content), _table(content), _remarks(content), _limits(content))
    blocks = [band(content), _title(content), *chain.from_iterable(parts), foot(content)]
    return stacked(blocks)


def _title(content: Content) -> Image.Image:
    superseded = [f"{content.edition_said}."] if content.edition_said else []
    return title(content.findings.model.title, superseded, [maker(content), f"Read: {read(content)}"])


def _pictures(content: Content) -> Iterator[Image.Image]:
    """A block for each row of the grid; only its pictures are in memory."""
    shown = views(content)
    columns = _COLUMNS[len(shown)]
    width = min(_LARGEST, (INNER - _GAP * (columns - 1)) // columns)
    for start in range(0, len(shown), columns):
        row = [picture(content, view, width, width) for view in shown[start : start + columns]]
        block = strip(max(one.height for one in row) + _GAP)
        left = (WIDTH - width * len(row) - _GAP * (len(row) - 1)) // 2
        for one in row:
            block.paste(one, (left, 0))
            left += width + _GAP
        yield block


def _table(content: Content) -> Iterator[Image.Image]:
    """A line for each finding, its colour before it."""
    found = lines(content)
    yield heading("Findings")
    for number, line in enumerate(found[:_MOST_LINES]):
        yield _finding(line, BACKGROUND if number % 2 else _STRIPE)
    if not found:
        yield paragraph("The model reports nothing.", WHITE)
    if len(found) > _MOST_LINES:
        yield paragraph(f"and {len(found) - _MOST_LINES} more, which the report holds", GREY)
    if said := without_picture(content):
        yield paragraph(said, GREY)


def _finding(line: Line, field: Colour) -> Image.Image:
    name = broken(line.label, EDGE + 40, _SAID - EDGE - 60)
    said = broken(line.said, _SAID, WIDTH - EDGE - _SAID - 16)
    block = strip(16 + LINE * max(len(name), len(said), 1), [*name, *said], field, EDGE)
    if line.colour:
        draw, (left, top) = ImageDraw.Draw(block), (EDGE + 6, 8)
        draw.rounded_rectangle((left, top, left + 24, top + 20), 3, line.colour)
        draw.text((left + 12, top + 10), line.letter, against(line.colour), font(15), anchor="mm")
    return block


def _remarks(content: Content) -> Iterator[Image.Image]:
    if said := notes(content.findings):
        yield heading("Remarks")
        yield from (paragraph(one, WHITE) for one in said)


def _limits(content: Content) -> Iterator[Image.Image]:
    """What the model cannot do, which a page that leaves its card behind must not leave out."""
    said = limits(content.findings.model)
    if said:
        yield heading("Limits of the model")
        yield from (paragraph(one, WHITE) for one in said)
