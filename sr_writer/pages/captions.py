"""What is said below a picture: which image it is, why it is shown, what its letters and colours mean. Never cut."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from domain.image_names import ImageName
from domain.words import score
from sr_writer.codes.marks import Mark
from sr_writer.codes.wording import plain, warning
from sr_writer.content import Content
from sr_writer.image_names import ImageNames
from sr_writer.inputs import OtherInput
from sr_writer.pages.beside import nearest
from sr_writer.pages.drawing import AMBER, BACKGROUND, GREY, WHITE, Colour, font, lightened, wrapped
from sr_writer.pages.overlays import heat_colours

_PAD = 8  # edge, pixels
_SAID, _SMALL = (15, 20), (13, 17)  # size of letters and distance of lines
MOST_LISTED, OTHERS = 12, "the other letters: see the table of findings"
RELATIVE = "relative: the brightest place of each map is 1, whatever the score"


@dataclass(frozen=True)
class View:
    """One picture to draw: the index of an image among the findings' frames, why, and which map lies over it.

    A `bare` one has nothing over it. `on` names the input whose image is shown in place of the source's.
    """

    frame: int
    why: str
    map: int | None = None
    bare: bool = False
    on: str = ""


def elsewhere(content: Content, view: View) -> tuple[OtherInput, int] | None:
    """The other input whose image is shown, and which of its images; None where it is the source's own."""
    volume = content.source.volume
    for one in content.others:
        if one.name == view.on and volume is not None:
            found = nearest(volume, view.frame, one.source)
            return None if found is None else (one, found)
    return None


def name_of(content: Content, view: View) -> ImageName:
    """What people call the image that is shown."""
    other = elsewhere(content, view)
    return content.names(view.frame) if other is None else ImageNames(other[0].source, told=True)(other[1])


def caption(content: Content, view: View) -> tuple[str, ...]:
    """Sentences: which image it is and why; of a map, what the model makes of the finding and what the colours mean."""
    where = f"{name_of(content, view).capital}: " if len(content.source.frames) > 1 else ""
    if view.bare:
        return (f"{where or 'The image '}{view.why}",)
    if view.map is None:
        return (f"{where}{view.why}",)
    one = content.findings.maps[view.map]
    scores = [
        score(found)
        for found in content.findings.likelihoods
        if found.label == one.label and found.frame in (None, view.frame)
    ]
    return (": ".join([f"{where}{one.label}", *scores[:1]]), f"{one.method}, {RELATIVE}")


def block(content: Content, view: View, letters: Sequence[Mark], width: int) -> Image.Image:
    """The caption as a picture of this width, as high as it needs to be."""
    rows = list(_rows(content, view, letters, width - 2 * _PAD))
    whole = Image.new("RGB", (width, 8 + sum(row.height for row in rows) + 6), BACKGROUND)
    draw, top = ImageDraw.Draw(whole), 8
    for row in rows:
        if row.colours:
            _scale(whole, draw, top)
        left = _PAD
        for text, colour in row.parts:
            draw.text((left, top), text, colour, font(row.size))
            left += round(font(row.size).getlength(text))
        top += row.height
    return whole


@dataclass(frozen=True)
class _Row:
    """A line of parts in colours of their own; or the `colours` of a map."""

    parts: Sequence[tuple[str, Colour]]
    size: int
    height: int
    colours: bool = False


def _rows(content: Content, view: View, letters: Sequence[Mark], room: float) -> Iterator[_Row]:
    size, height = _SAID
    first, *others = caption(content, view)
    for line in wrapped(plain(first), font(size).getlength, room):
        yield _Row([(line, WHITE)], size, height)
    yield from _letters(letters, room)
    size, height = _SMALL
    for one in others:
        for line in wrapped(plain(one), font(size).getlength, room):
            yield _Row([(line, GREY)], size, height)
    if view.map is not None:
        yield _Row([], size, height, colours=True)
    for line in wrapped(warning(content.findings.model), font(size).getlength, room):
        yield _Row([(line, AMBER)], size, height)


def _letters(letters: Sequence[Mark], room: float) -> Iterator[_Row]:
    """`A Right lung   B Left lung`, each letter in its colour, as many beside each other as there is room for."""
    size, height = _SMALL
    row: list[tuple[str, Colour]] = []
    for one in letters[:MOST_LISTED]:
        letter, *lines = f"{one.letter} ", *wrapped(plain(one.label), font(size).getlength, room - 30)
        entry = [(letter, lightened(one.colour)), (f"{next(iter(lines), '')}   ", WHITE)]
        if row and font(size).getlength("".join(text for text, _ in (*row, *entry)).rstrip()) > room:
            yield _Row(row, size, height)
            row = []
        row += entry
        for line in lines[1:]:
            yield _Row(row, size, height)
            row = [("    ", WHITE), (f"{line}   ", WHITE)]
    if row:
        yield _Row(row, size, height)
    if len(letters) > MOST_LISTED:
        yield _Row([(OTHERS, GREY)], size, height)


def _scale(whole: Image.Image, draw: ImageDraw.ImageDraw, top: int) -> None:
    """The colours of a map from 0 to 1."""
    width = min(160, whole.width // 3)
    whole.paste(Image.fromarray(heat_colours()[None]).resize((width, 10)), (_PAD + 14, top))
    draw.text((_PAD, top + 5), "0", GREY, font(13), anchor="lm")
    draw.text((_PAD + width + 19, top + 5), "1", GREY, font(13), anchor="lm")
