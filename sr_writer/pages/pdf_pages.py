"""A run's findings as pages to print. Everything but pictures is set line by line (sr_writer/pages/pdf_setting.py)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from domain.profiles import ResultKind
from sr_writer.codes.sentences import Line, lines, notes, read
from sr_writer.content import Content
from sr_writer.pages.captions import MOST_LISTED, OTHERS
from sr_writer.pages.drawing import against
from sr_writer.pages.pdf_setting import (
    BOLD,
    GREY,
    LEFT,
    RIGHT,
    Block,
    Words,
    broken,
    document,
    heading,
    length,
    paragraph,
    put,
    shares,
    space,
)
from sr_writer.pages.pictures import View, caption, drawn, shown_letters, views, without_picture
from sr_writer.pages.summary import maker

_SAID = LEFT + 62 * mm  # where the second column of the table begins
_GAP = 4 * mm
_MOST_LINES = 200  # findings; nobody reads on
_STRIPE = (242, 243, 245)
_SHARP = 720  # width of a picture in pixels
_SMALL, _SMALL_LINE = 7.5, 10.0  # of what is said below a picture: size of letters and distance of lines


def pages(content: Content) -> bytes:
    """The PDF."""
    return document(content, ResultKind.PDF, lambda: _blocks(content))


def _blocks(content: Content) -> Iterator[Block]:
    findings = content.findings
    yield from paragraph(findings.model.title, BOLD, 17, 22)
    if content.edition_said:
        yield from paragraph(f"{content.edition_said}.", BOLD, 10, 14)
    yield from paragraph(maker(content), colour=GREY)
    yield from paragraph(f"Read: {read(content)}", colour=GREY)
    yield heading("Findings")
    yield from _table(content)
    yield heading("Key images")
    yield from _pictures(content)
    for title, sentences in (("Remarks", notes(findings)), ("The model", findings.model.card)):
        if sentences:
            yield heading(title)
        for one in sentences:
            yield from paragraph(one)
            yield space(1.5 * mm)


def _table(content: Content) -> Iterator[Block]:
    found = lines(content)
    for number, line in enumerate(found[:_MOST_LINES]):
        yield from _finding(line, striped=number % 2 == 0)
    if not found:
        yield from paragraph("The model reports nothing.")
    if len(found) > _MOST_LINES:
        yield from paragraph(f"and {len(found) - _MOST_LINES} more, which the report holds", colour=GREY)
    if said := without_picture(content):
        yield from paragraph(said, colour=GREY)


def _pictures(content: Content) -> Iterator[Block]:
    """Rows of two pictures, or one larger one; the picture is drawn when its page is, so that one is in memory."""
    shown = views(content)
    for start in range(0, len(shown), 2):
        row = shown[start : start + 2]
        width = (RIGHT - LEFT - _GAP) / 2 if len(shown) > 1 else 125 * mm
        gap = _GAP if start else 0.0
        said = [_below(content, view, LEFT + column * (width + _GAP), width) for column, view in enumerate(row)]
        lines = max(len(one) for one in said)
        yield Block(gap + width + lines * _SMALL_LINE + 3, _Pictures(content, row, said, width, gap))


def _below(content: Content, view: View, left: float, width: float) -> list[Words]:
    """The lines of a picture's caption, then what its letters stand for."""
    letters = shown_letters(content, view)
    listed = [f"{one.letter} {one.label}" for one in letters[:MOST_LISTED]]
    others = [OTHERS] if len(letters) > MOST_LISTED else []
    said = [*caption(content, view), ", ".join([*listed, *others])]
    return [line for one in said for line in broken(Words(left, one, size=_SMALL), width)]


@dataclass(frozen=True, eq=False)
class _Pictures:
    """Draws pictures beside each other, each `width` points wide, `gap` below what is above them, words below each."""

    content: Content
    row: Sequence[View]
    said: Sequence[Sequence[Words]]
    width: float
    gap: float

    def __call__(self, canvas: Canvas, top: float) -> None:
        for column, (view, said) in enumerate(zip(self.row, self.said, strict=True)):
            image = drawn(self.content, view, (_SHARP, _SHARP), named=True)
            width, height = (side * self.width / _SHARP for side in image.size)
            left = LEFT + column * (self.width + _GAP)
            below = top - self.gap - height
            canvas.drawImage(ImageReader(image), left + (self.width - width) / 2, below, width, height)
            for number, line in enumerate(said, 1):
                put(canvas, below - number * _SMALL_LINE, line)


def _finding(line: Line, striped: bool) -> Iterator[Block]:
    """A row of the table, a block for each of its lines, which no page parts: a number belongs to its name."""
    name = broken(Words(LEFT + 8 * mm, line.label), _SAID - LEFT - 11 * mm)
    said = broken(Words(_SAID, line.said), RIGHT - _SAID - 2 * mm)
    count = max(len(name), len(said), 1)
    for number in range(count):
        texts = (*name[number : number + 1], *said[number : number + 1])
        yield replace(_row(texts, striped, None if number else line), leads=number + 1 < count)


def _row(texts: Sequence[Words], striped: bool, line: Line | None) -> Block:
    def draw(canvas: Canvas, top: float) -> None:
        if striped:
            canvas.setFillColorRGB(*shares(_STRIPE))
            canvas.rect(LEFT, top - 15, RIGHT - LEFT, 15, stroke=0, fill=1)
        if line and line.colour:
            canvas.setFillColorRGB(*shares(line.colour))
            canvas.roundRect(LEFT + 1.5 * mm, top - 13, 13, 11, 1.5, stroke=0, fill=1)
            middle = LEFT + 1.5 * mm + 6.5 - length(line.letter, BOLD, 8) / 2
            put(canvas, top - 10.5, Words(middle, line.letter, BOLD, 8, against(line.colour)))
        for text in texts:
            put(canvas, top - 11, text)

    return Block(15, draw)
