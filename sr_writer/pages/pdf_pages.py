"""A run's findings as pages to print: A4, with the words of every result above and below each of them.

Everything but pictures is set line by line, so that no text is too long for a page. The same content gives the same
bytes. Each page says whose it is, of which study, and how many there are: printed or filed, it may lie by itself.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path

import reportlab
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from domain.profiles import ResultKind
from sr_writer.codes.sentences import Line, lines, notes, read
from sr_writer.codes.wording import plain, series_description, warning
from sr_writer.content import Content
from sr_writer.pages.captions import MOST_LISTED, OTHERS
from sr_writer.pages.drawing import AMBER, Colour, against, wrapped
from sr_writer.pages.patient import head
from sr_writer.pages.pictures import View, caption, drawn, shown_letters, views, without_picture
from sr_writer.pages.summary import maker

_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT, _TOP, _BOTTOM = 18 * mm, _WIDTH - 18 * mm, _HEIGHT - 13 * mm, 17 * mm
_SAID = _LEFT + 62 * mm  # where the second column of the table begins
_GAP = 4 * mm
_MOST_LINES = 200  # findings; nobody reads on
_INK, _GREY, _STRIPE = (28, 30, 34), (104, 108, 116), (242, 243, 245)
_SHARP = 720  # width of a picture in pixels
_SMALL, _SMALL_LINE = 7.5, 10.0  # of what is said below a picture: size of letters and distance of lines

_TEXT, _BOLD = "Vera", "VeraBd"  # files that come with the library, embedded as far as they are used


@dataclass(frozen=True)
class _Block:
    """What is set as a whole: its height, and how it is drawn with its top at y; `leads` stays with what follows."""

    height: float
    draw: Callable[[Canvas, float], None]
    leads: bool = False


@dataclass(frozen=True)
class _Text:
    """One line: where it begins, font, size and colour."""

    x: float
    text: str
    font: str = _TEXT
    size: float = 9.0
    colour: Colour = _INK


def pages(content: Content) -> bytes:
    """The PDF."""
    _fonts()
    model = content.findings.model
    out = BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1, pageCompression=1, lang="en")
    canvas.setTitle(_printable(series_description(model, ResultKind.PDF, number=content.edition.number)))
    canvas.setAuthor(_printable(model.manufacturer))
    canvas.setSubject(warning(model))
    canvas.setCreator(_printable(f"{model.name} {model.version}"))
    above = list(_head(content))
    first = _TOP - 6 * mm - sum(one.height for one in above)
    whole = list(_paged(_blocks(content), first - _BOTTOM))
    for number, blocks in enumerate(whole, 1):
        _frame(canvas, warning(model), above, f"Page {number} of {len(whole)}")
        top = first
        for block in blocks:
            block.draw(canvas, top)
            top -= block.height
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _fonts() -> None:
    """Make the fonts known, which the library keeps for the whole process; once is enough, twice does no harm."""
    folder = Path(reportlab.__file__).parent / "fonts"
    for name in {_TEXT, _BOLD} - set(pdfmetrics.getRegisteredFontNames()):
        pdfmetrics.registerFont(TTFont(name, folder / f"{name}.ttf"))


def _paged(blocks: Iterator[_Block], room: float) -> Iterator[list[_Block]]:
    """The blocks of each page; what leads to something is on the page of that, unless a page has no room for both."""
    page: list[_Block] = []
    for block in blocks:
        if sum(one.height for one in (*page, block)) > room:
            end = max((k for k, one in enumerate(page, 1) if not one.leads), default=len(page))
            yield page[:end]
            page = page[end:]
        page.append(block)
    yield page


def _head(content: Content) -> Iterator[_Block]:
    """Who the patient is and which study it is, above every page."""
    known = pdfmetrics.getFont(_TEXT).face.charToGlyph
    found = head(content.source, lambda text: all(ord(letter) in known for letter in text))
    who, which = found.lines
    yield _space(2 * mm)
    yield from _paragraph(who, _BOLD, 9.5, 12.5)
    yield from _paragraph(which, size=8.5, line=11.5)


def _frame(canvas: Canvas, said: str, above: Sequence[_Block], number: str) -> None:
    """What stands on each page: the words of every result above and below, whose study it is, which page."""
    canvas.setFillColorRGB(*_shares(AMBER))
    canvas.rect(0, _HEIGHT - 13 * mm, _WIDTH, 13 * mm, stroke=0, fill=1)
    _set(canvas, _HEIGHT - 8.5 * mm, _Text(_LEFT, said, _BOLD, 11))
    _set(canvas, 13 * mm, _Text(_LEFT, said, size=8, colour=_GREY))
    _set(canvas, 13 * mm, _Text(_RIGHT - _length(number, _TEXT, 8), number, size=8, colour=_GREY))
    top = _TOP
    for block in above:
        block.draw(canvas, top)
        top -= block.height
    canvas.setStrokeColorRGB(*_shares(_GREY))
    canvas.setLineWidth(0.5)
    canvas.line(_LEFT, top - 1.5 * mm, _RIGHT, top - 1.5 * mm)


def _blocks(content: Content) -> Iterator[_Block]:
    findings = content.findings
    yield from _paragraph(findings.model.title, _BOLD, 17, 22)
    if content.edition_said:
        yield from _paragraph(f"{content.edition_said}.", _BOLD, 10, 14)
    yield from _paragraph(maker(content), colour=_GREY)
    yield from _paragraph(f"Read: {read(content)}", colour=_GREY)
    yield _heading("Findings")
    yield from _table(content)
    yield _heading("Key images")
    yield from _pictures(content)
    for title, sentences in (("Remarks", notes(findings)), ("The model", findings.model.card)):
        if sentences:
            yield _heading(title)
        for one in sentences:
            yield from _paragraph(one)
            yield _space(1.5 * mm)


def _table(content: Content) -> Iterator[_Block]:
    found = lines(content)
    for number, line in enumerate(found[:_MOST_LINES]):
        yield from _finding(line, striped=number % 2 == 0)
    if not found:
        yield from _paragraph("The model reports nothing.")
    if len(found) > _MOST_LINES:
        yield from _paragraph(f"and {len(found) - _MOST_LINES} more, which the report holds", colour=_GREY)
    if said := without_picture(content):
        yield from _paragraph(said, colour=_GREY)


def _pictures(content: Content) -> Iterator[_Block]:
    """Rows of two pictures, or one larger one; the picture is drawn when its page is, so that one is in memory."""
    shown = views(content)
    for start in range(0, len(shown), 2):
        row = shown[start : start + 2]
        width = (_RIGHT - _LEFT - _GAP) / 2 if len(shown) > 1 else 125 * mm
        gap = _GAP if start else 0.0
        said = [_below(content, view, _LEFT + column * (width + _GAP), width) for column, view in enumerate(row)]
        lines = max(len(one) for one in said)
        yield _Block(gap + width + lines * _SMALL_LINE + 3, _Pictures(content, row, said, width, gap))


def _below(content: Content, view: View, left: float, width: float) -> list[_Text]:
    """The lines of a picture's caption, then what its letters stand for."""
    letters = shown_letters(content, view)
    listed = [f"{one.letter} {one.label}" for one in letters[:MOST_LISTED]]
    others = [OTHERS] if len(letters) > MOST_LISTED else []
    said = [*caption(content, view), ", ".join([*listed, *others])]
    return [line for one in said for line in _broken(_Text(left, one, size=_SMALL), width)]


@dataclass(frozen=True, eq=False)
class _Pictures:
    """Draws pictures beside each other, each `width` points wide, `gap` below what is above them, words below each."""

    content: Content
    row: Sequence[View]
    said: Sequence[Sequence[_Text]]
    width: float
    gap: float

    def __call__(self, canvas: Canvas, top: float) -> None:
        for column, (view, said) in enumerate(zip(self.row, self.said, strict=True)):
            image = drawn(self.content, view, (_SHARP, _SHARP), named=True)
            width, height = (side * self.width / _SHARP for side in image.size)
            left = _LEFT + column * (self.width + _GAP)
            below = top - self.gap - height
            canvas.drawImage(ImageReader(image), left + (self.width - width) / 2, below, width, height)
            for number, line in enumerate(said, 1):
                _set(canvas, below - number * _SMALL_LINE, line)


def _finding(line: Line, striped: bool) -> Iterator[_Block]:
    """A row of the table, a block for each of its lines, which no page parts: a number belongs to its name."""
    name = _broken(_Text(_LEFT + 8 * mm, line.label), _SAID - _LEFT - 11 * mm)
    said = _broken(_Text(_SAID, line.said), _RIGHT - _SAID - 2 * mm)
    count = max(len(name), len(said), 1)
    for number in range(count):
        texts = (*name[number : number + 1], *said[number : number + 1])
        yield replace(_row(texts, striped, None if number else line), leads=number + 1 < count)


def _row(texts: Sequence[_Text], striped: bool, line: Line | None) -> _Block:
    def draw(canvas: Canvas, top: float) -> None:
        if striped:
            canvas.setFillColorRGB(*_shares(_STRIPE))
            canvas.rect(_LEFT, top - 15, _RIGHT - _LEFT, 15, stroke=0, fill=1)
        if line and line.colour:
            canvas.setFillColorRGB(*_shares(line.colour))
            canvas.roundRect(_LEFT + 1.5 * mm, top - 13, 13, 11, 1.5, stroke=0, fill=1)
            middle = _LEFT + 1.5 * mm + 6.5 - _length(line.letter, _BOLD, 8) / 2
            _set(canvas, top - 10.5, _Text(middle, line.letter, _BOLD, 8, against(line.colour)))
        for text in texts:
            _set(canvas, top - 11, text)

    return _Block(15, draw)


def _heading(said: str) -> _Block:
    return _Block(30, lambda canvas, top: _set(canvas, top - 21, _Text(_LEFT, said, _BOLD, 12)), leads=True)


def _paragraph(
    said: str, font: str = _TEXT, size: float = 9.0, line: float = 13.0, colour: Colour = _INK
) -> Iterator[_Block]:
    for text in _broken(_Text(_LEFT, said, font, size, colour), _RIGHT - _LEFT):
        yield _Block(line, partial(_set_below, line, text))


def _space(height: float) -> _Block:
    return _Block(height, lambda canvas, top: None)


def _broken(text: _Text, width: float) -> list[_Text]:
    """The text in lines of at most `width` points."""
    said = wrapped(_printable(text.text), lambda part: _length(part, text.font, text.size), width)
    return [_Text(text.x, line, text.font, text.size, text.colour) for line in said]


def _set_below(line: float, text: _Text, canvas: Canvas, top: float) -> None:
    _set(canvas, top - 0.8 * line, text)


def _set(canvas: Canvas, baseline: float, text: _Text) -> None:
    canvas.setFont(text.font, text.size)
    canvas.setFillColorRGB(*_shares(text.colour))
    canvas.drawString(text.x, baseline, text.text)


def _length(text: str, font: str, size: float) -> float:
    return float(pdfmetrics.stringWidth(text, font, size))


def _printable(text: str) -> str:
    """`text` in letters that the font has; what it lacks as results have it elsewhere."""
    known = pdfmetrics.getFont(_TEXT).face.charToGlyph
    return "".join(letter if letter.isspace() or ord(letter) in known else plain(letter) for letter in text)


def _shares(colour: Colour) -> tuple[float, ...]:
    return tuple(part / 255 for part in colour)
