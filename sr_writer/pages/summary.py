"""A run's findings as one picture of a page: the words of every result, key pictures, a table, remarks.

It is made of blocks of one width below each other. No word on it names the patient: the page says where to look.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from PIL import Image, ImageDraw

from sr_writer.codes.sentences import Line, limits, lines, notes, read
from sr_writer.codes.wording import plain, warning
from sr_writer.content import Content
from sr_writer.pages.drawing import AMBER, BACKGROUND, BLACK, GREY, WHITE, Colour, against, font, wrapped
from sr_writer.pages.pictures import picture, views, without_picture

WIDTH = 1440
IDENTITY_ELSEWHERE = "Patient and study: see the header of this object."

_EDGE, _GAP = 32, 16
_INNER = WIDTH - 2 * _EDGE
_STRIPE = (26, 29, 35)
_SAID = 460  # where the second column of the table begins
_TEXT, _LINE = 19, 25  # size of letters and distance of lines
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
    """The page in RGB, 1440 pixels wide and as high as it needs to be."""
    parts = (_pictures(content), _table(content), _remarks(content), _limits(content))
    blocks = [_band(content), _title(content), *chain.from_iterable(parts), _foot(content)]
    whole = Image.new("RGB", (WIDTH, sum(block.height for block in blocks)), BACKGROUND)
    top = 0
    for block in blocks:
        whole.paste(block, (0, top))
        top += block.height
    return whole


@dataclass(frozen=True)
class _Row:
    """One line of text: where, how large and in which colour."""

    x: float
    y: float
    text: str
    size: int
    colour: Colour


def _block(height: int, rows: Sequence[_Row] = (), field: Colour = BACKGROUND, indent: int = 0) -> Image.Image:
    """Lines on a field of one colour that leaves `indent` free at both sides."""
    block = Image.new("RGB", (WIDTH, height), BACKGROUND)
    draw = ImageDraw.Draw(block)
    draw.rectangle((indent, 0, WIDTH - indent - 1, height - 1), field)
    for row in rows:
        draw.text((row.x, row.y), plain(row.text), row.colour, font(row.size))
    return block


def _band(content: Content) -> Image.Image:
    """What is most important about the page."""
    return _block(48, [_Row(_EDGE, 11, warning(content.findings.model), 22, BLACK)], AMBER)


def _title(content: Content) -> Image.Image:
    said = [line for one in (maker(content), f"Read: {read(content)}") for line in _wrapped(one, 17)]
    titles = _wrapped(content.findings.model.title, 34)
    title = [_Row(_EDGE, 22 + 42 * k, line, 34, WHITE) for k, line in enumerate(titles)]
    below = 28 + 42 * len(titles)
    if content.edition_said:
        title.append(_Row(_EDGE, below, f"{content.edition_said}.", 22, AMBER))
        below += 34
    made = [_Row(_EDGE, below + 24 * k, line, 17, GREY) for k, line in enumerate(said)]
    return _block(below + 16 + 24 * len(made), [*title, *made])


def _wrapped(said: str, size: int) -> list[str]:
    return list(wrapped(plain(said), font(size).getlength, _INNER))


def _pictures(content: Content) -> Iterator[Image.Image]:
    """A block for each row of the grid; only its pictures are in memory."""
    shown = views(content)
    columns = _COLUMNS[len(shown)]
    width = min(_LARGEST, (_INNER - _GAP * (columns - 1)) // columns)
    for start in range(0, len(shown), columns):
        row = [picture(content, view, width, width) for view in shown[start : start + columns]]
        block = _block(max(one.height for one in row) + _GAP)
        left = (WIDTH - width * len(row) - _GAP * (len(row) - 1)) // 2
        for one in row:
            block.paste(one, (left, 0))
            left += width + _GAP
        yield block


def _table(content: Content) -> Iterator[Image.Image]:
    """A line for each finding, its colour before it."""
    found = lines(content)
    yield _heading("Findings")
    for number, line in enumerate(found[:_MOST_LINES]):
        yield _finding(line, BACKGROUND if number % 2 else _STRIPE)
    if not found:
        yield _paragraph("The model reports nothing.", WHITE)
    if len(found) > _MOST_LINES:
        yield _paragraph(f"and {len(found) - _MOST_LINES} more, which the report holds", GREY)
    if said := without_picture(content):
        yield _paragraph(said, GREY)


def _finding(line: Line, field: Colour) -> Image.Image:
    name = _lines(line.label, _EDGE + 40, _SAID - _EDGE - 60)
    said = _lines(line.said, _SAID, WIDTH - _EDGE - _SAID - 16)
    block = _block(16 + _LINE * max(len(name), len(said), 1), [*name, *said], field, _EDGE)
    if line.colour:
        draw, (left, top) = ImageDraw.Draw(block), (_EDGE + 6, 8)
        draw.rounded_rectangle((left, top, left + 24, top + 20), 3, line.colour)
        draw.text((left + 12, top + 10), line.letter, against(line.colour), font(15), anchor="mm")
    return block


def _remarks(content: Content) -> Iterator[Image.Image]:
    if said := notes(content.findings):
        yield _heading("Remarks")
        yield from (_paragraph(one, WHITE) for one in said)


def _limits(content: Content) -> Iterator[Image.Image]:
    """What the model cannot do, which a page that leaves its card behind must not leave out."""
    said = limits(content.findings.model)
    if said:
        yield _heading("Limits of the model")
        yield from (_paragraph(one, WHITE) for one in said)


def _foot(content: Content) -> Image.Image:
    said = f"{IDENTITY_ELSEWHERE} {warning(content.findings.model)}."
    return _block(72, [_Row(_EDGE, 28, said, 17, GREY)])


def _heading(text: str) -> Image.Image:
    return _block(54, [_Row(_EDGE, 18, text, 24, AMBER)])


def _paragraph(text: str, colour: Colour) -> Image.Image:
    rows = _lines(text, _EDGE + 12, _INNER - 24, colour)
    return _block(12 + _LINE * len(rows), rows)


def _lines(text: str, x: float, width: float, colour: Colour = WHITE) -> list[_Row]:
    """`text` from `x` on, broken where it comes to `width`."""
    broken = wrapped(plain(text), font(_TEXT).getlength, width)
    return [_Row(x, 6 + _LINE * number, line, _TEXT, colour) for number, line in enumerate(broken)]
