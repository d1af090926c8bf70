"""How pages to print are set: A4, line by line, with the words of every result above and below each of them.

No text is too long for a page. The same blocks give the same bytes. Each page says whose it is, of which study, and how
many there are: printed or filed, it may lie by itself.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import reportlab
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from domain.profiles import ResultKind
from sr_writer.codes.wording import plain, series_description, warning
from sr_writer.content import Content
from sr_writer.pages.drawing import AMBER, Colour, wrapped
from sr_writer.pages.patient import head

_WIDTH, _HEIGHT = A4
LEFT, RIGHT, _TOP, _BOTTOM = 18 * mm, _WIDTH - 18 * mm, _HEIGHT - 13 * mm, 17 * mm
INK, GREY = (28, 30, 34), (104, 108, 116)

TEXT, BOLD = "Vera", "VeraBd"  # files that come with the library, embedded as far as they are used


@dataclass(frozen=True)
class Block:
    """What is set as a whole: its height, and how it is drawn with its top at y; `leads` stays with what follows."""

    height: float
    draw: Callable[[Canvas, float], None]
    leads: bool = False


@dataclass(frozen=True)
class Words:
    """One line: where it begins, font, size and colour."""

    x: float
    text: str
    font: str = TEXT
    size: float = 9.0
    colour: Colour = INK


def document(content: Content, kind: ResultKind, blocks: Callable[[], Iterator[Block]]) -> bytes:
    """The PDF of these blocks, which is a result of this kind."""
    _fonts()
    model = content.findings.model
    out = BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1, pageCompression=1, lang="en")
    canvas.setTitle(_printable(series_description(model, kind, number=content.edition.number)))
    canvas.setAuthor(_printable(model.manufacturer))
    canvas.setSubject(warning(model))
    canvas.setCreator(_printable(f"{model.name} {model.version}"))
    above = list(_head(content))
    first = _TOP - 6 * mm - sum(one.height for one in above)
    whole = list(_paged(blocks(), first - _BOTTOM))
    for number, page in enumerate(whole, 1):
        _frame(canvas, warning(model), above, f"Page {number} of {len(whole)}")
        top = first
        for block in page:
            block.draw(canvas, top)
            top -= block.height
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _fonts() -> None:
    """Make the fonts known, which the library keeps for the whole process; once is enough, twice does no harm."""
    folder = Path(reportlab.__file__).parent / "fonts"
    for name in {TEXT, BOLD} - set(pdfmetrics.getRegisteredFontNames()):
        pdfmetrics.registerFont(TTFont(name, folder / f"{name}.ttf"))


def _paged(blocks: Iterator[Block], room: float) -> Iterator[list[Block]]:
    """The blocks of each page; what leads to something is on the page of that, unless a page has no room for both."""
    page: list[Block] = []
    for block in blocks:
        if sum(one.height for one in (*page, block)) > room:
            end = max((k for k, one in enumerate(page, 1) if not one.leads), default=len(page))
            yield page[:end]
            page = page[end:]
        page.append(block)
    yield page


def _head(content: Content) -> Iterator[Block]:
    """Who the patient is and which study it is, above every page."""
    known = pdfmetrics.getFont(TEXT).face.charToGlyph
    found = head(content.source, lambda text: all(ord(letter) in known for letter in text))
    who, which = found.lines
    yield space(2 * mm)
    yield from paragraph(who, BOLD, 9.5, 12.5)
    yield from paragraph(which, size=8.5, line=11.5)


def _frame(canvas: Canvas, said: str, above: Sequence[Block], number: str) -> None:
    """What stands on each page: the words of every result above and below, whose study it is, which page."""
    canvas.setFillColorRGB(*shares(AMBER))
    canvas.rect(0, _HEIGHT - 13 * mm, _WIDTH, 13 * mm, stroke=0, fill=1)
    put(canvas, _HEIGHT - 8.5 * mm, Words(LEFT, said, BOLD, 11))
    put(canvas, 13 * mm, Words(LEFT, said, size=8, colour=GREY))
    put(canvas, 13 * mm, Words(RIGHT - length(number, TEXT, 8), number, size=8, colour=GREY))
    top = _TOP
    for block in above:
        block.draw(canvas, top)
        top -= block.height
    canvas.setStrokeColorRGB(*shares(GREY))
    canvas.setLineWidth(0.5)
    canvas.line(LEFT, top - 1.5 * mm, RIGHT, top - 1.5 * mm)


def heading(said: str) -> Block:
    """A heading, which stays with what follows."""
    return Block(30, lambda canvas, top: put(canvas, top - 21, Words(LEFT, said, BOLD, 12)), leads=True)


def paragraph(
    said: str, font: str = TEXT, size: float = 9.0, line: float = 13.0, colour: Colour = INK, indent: float = 0.0
) -> Iterator[Block]:
    """A paragraph, a block for each of its lines, `line` points high."""
    for text in broken(Words(LEFT + indent, said, font, size, colour), RIGHT - LEFT - indent):
        yield Block(line, partial(_set_below, line, text))


def space(height: float) -> Block:
    """Nothing, so many points high."""
    return Block(height, lambda canvas, top: None)


def broken(text: Words, width: float) -> list[Words]:
    """The text in lines of at most `width` points."""
    said = wrapped(_printable(text.text), lambda part: length(part, text.font, text.size), width)
    return [Words(text.x, line, text.font, text.size, text.colour) for line in said]


def _set_below(line: float, text: Words, canvas: Canvas, top: float) -> None:
    put(canvas, top - 0.8 * line, text)


def put(canvas: Canvas, baseline: float, text: Words) -> None:
    """Draw one line."""
    canvas.setFont(text.font, text.size)
    canvas.setFillColorRGB(*shares(text.colour))
    canvas.drawString(text.x, baseline, text.text)


def length(text: str, font: str, size: float) -> float:
    """The width of a line in points."""
    return float(pdfmetrics.stringWidth(text, font, size))


def _printable(text: str) -> str:
    """`text` in letters that the font has; what it lacks as results have it elsewhere."""
    known = pdfmetrics.getFont(TEXT).face.charToGlyph
    return "".join(letter if letter.isspace() or ord(letter) in known else plain(letter) for letter in text)


def shares(colour: Colour) -> tuple[float, ...]:
    """The colour from 0 to 1."""
    return tuple(part / 255 for part in colour)
