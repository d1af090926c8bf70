"""What a page as a picture is made of: blocks of one width below each other.

No word on it names the patient: the page says where to look.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from sr_writer.codes.wording import plain, warning
from sr_writer.content import Content
from sr_writer.pages.drawing import AMBER, BACKGROUND, BLACK, GREY, WHITE, Colour, font, wrapped

WIDTH = 1440
IDENTITY_ELSEWHERE = "Patient and study: see the header of this object."

EDGE = 32
INNER = WIDTH - 2 * EDGE
_TEXT, LINE = 19, 25  # size of letters and distance of lines


def stacked(blocks: Sequence[Image.Image]) -> Image.Image:
    """The page in RGB, 1440 pixels wide and as high as it needs to be."""
    whole = Image.new("RGB", (WIDTH, sum(block.height for block in blocks)), BACKGROUND)
    top = 0
    for block in blocks:
        whole.paste(block, (0, top))
        top += block.height
    return whole


@dataclass(frozen=True)
class Row:
    """One line of text: where, how large and in which colour."""

    x: float
    y: float
    text: str
    size: int
    colour: Colour


def strip(height: int, rows: Sequence[Row] = (), field: Colour = BACKGROUND, indent: int = 0) -> Image.Image:
    """Lines on a field of one colour that leaves `indent` free at both sides."""
    block = Image.new("RGB", (WIDTH, height), BACKGROUND)
    draw = ImageDraw.Draw(block)
    draw.rectangle((indent, 0, WIDTH - indent - 1, height - 1), field)
    for row in rows:
        draw.text((row.x, row.y), plain(row.text), row.colour, font(row.size))
    return block


def band(content: Content) -> Image.Image:
    """What is most important about the page."""
    return strip(48, [Row(EDGE, 11, warning(content.findings.model), 22, BLACK)], AMBER)


def title(said: str, amber: Sequence[str], grey: Sequence[str]) -> Image.Image:
    """What a page is, then sentences that nobody may miss, then how it came about."""
    titles = _wrapped(said, 34)
    rows = [Row(EDGE, 22 + 42 * k, line, 34, WHITE) for k, line in enumerate(titles)]
    below = 28 + 42 * len(titles)
    for one in amber:
        rows.append(Row(EDGE, below, one, 22, AMBER))
        below += 34
    small = [line for one in grey for line in _wrapped(one, 17)]
    rows += [Row(EDGE, below + 24 * k, line, 17, GREY) for k, line in enumerate(small)]
    return strip(below + 16 + 24 * len(small), rows)


def _wrapped(said: str, size: int) -> list[str]:
    return list(wrapped(plain(said), font(size).getlength, INNER))


def foot(content: Content) -> Image.Image:
    """Where the patient is named, and the warning once more."""
    said = f"{IDENTITY_ELSEWHERE} {warning(content.findings.model)}."
    return strip(72, [Row(EDGE, 28, said, 17, GREY)])


def heading(text: str) -> Image.Image:
    """A heading."""
    return strip(54, [Row(EDGE, 18, text, 24, AMBER)])


def paragraph(text: str, colour: Colour, indent: int = 12) -> Image.Image:
    """A paragraph, `indent` pixels from the edge."""
    rows = broken(text, EDGE + indent, INNER - 2 * indent, colour)
    return strip(12 + LINE * len(rows), rows)


def broken(text: str, x: float, width: float, colour: Colour = WHITE) -> list[Row]:
    """`text` from `x` on, broken where it comes to `width`."""
    found = wrapped(plain(text), font(_TEXT).getlength, width)
    return [Row(x, 6 + LINE * number, line, _TEXT, colour) for number, line in enumerate(found)]
