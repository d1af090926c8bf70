"""The pictures of what `sr_writer.pages.choice` shows, as a department hangs them, with all that was found there.

A picture shows an image in its own window with outlines around what was found, a letter beside each, and in its corners
which image it is, its window and a scale. Where a map lies on it, its colours say how strongly the model looked where.
Nothing of the patient's identity is drawn, and an
image that has it in its own pixels is shown only on pages that name the patient anyway.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from domain.errors import UnusableInput
from domain.findings import Segment
from sr_writer.codes.marks import Mark, marks
from sr_writer.codes.wording import plain
from sr_writer.content import Content
from sr_writer.pages.beside import on_grid
from sr_writer.pages.captions import View, block, caption, elsewhere, name_of
from sr_writer.pages.choice import BARE, MOST, views, without_picture
from sr_writer.pages.drawing import BACKGROUND, BLACK, WHITE, font, wrapped
from sr_writer.pages.hanging import turned, turned_edges, turned_image
from sr_writer.pages.letters import MOST as MOST_LETTERS
from sr_writer.pages.letters import write_letters
from sr_writer.pages.overlays import (
    Marked,
    draw_scale_bar,
    lay_heat,
    lay_region,
    lay_segments,
    write_corners,
    write_sides,
)
from sr_writer.pages.pixels import Display, Shared, display
from sr_writer.source import Frame, Source

__all__ = ["BARE", "MOST", "View", "caption", "drawn", "picture", "shown_letters", "views", "without_picture"]


def picture(content: Content, view: View, width: int, height: int) -> Image.Image:
    """The view in RGB with its caption below: as wide as `width`, the image no higher than `height`."""
    image = drawn(content, view, (width, height))
    said = block(content, view, shown_letters(content, view), width)
    whole = Image.new("RGB", (width, image.height + said.height), BACKGROUND)
    whole.paste(BLACK, (0, 0, width, image.height))
    whole.paste(image, ((width - image.width) // 2, 0))
    whole.paste(said, (0, image.height))
    return whole


def drawn(content: Content, view: View, room: tuple[int, int], named: bool = False) -> Image.Image:
    """The image of a view with what lies over it, no larger than `room` (width, height).

    An image that cannot be shown leaves a grey field that says so: the findings must reach their reader without it.
    `named` says that the page names the patient, and so the image may.
    """
    try:
        return _overlaid(content, view, _display(content, view, named), room)
    except UnusableInput as error:
        return _unshown(room, str(error))


def shown_letters(content: Content, view: View) -> list[Mark]:
    """What the letters in a view's picture stand for, in their order."""
    if view.bare or view.map is not None:
        return []
    known = marks(content)
    labels = np.zeros(1, np.uint8) if content.mask is None else content.mask[view.frame].reshape(-1)
    numbers = np.bincount(labels, minlength=256)
    there = [one for one in known if isinstance(one, Segment) and numbers[one.number]]
    largest = sorted(there, key=lambda one: -int(numbers[one.number]))[:MOST_LETTERS]
    pointed = [one for one in content.findings.pointed if one.frame == view.frame]
    return [mark for one, mark in known.items() if one in largest or one in pointed]


def _display(content: Content, view: View, named: bool) -> Display:
    """The image of a view, of another input on the grid of the source."""
    other, own = elsewhere(content, view), _in_window(content, content.source, content.frame(view.frame), named)
    if other is None:
        return own
    (shown, k), volume = other, content.source.volume
    theirs = _in_window(content, shown.source, shown.source.frames[k], named)
    assert volume is not None and shown.source.volume is not None  # else there is nothing nearest
    pixels = on_grid(theirs.pixels, (shown.source.volume, k), (volume, view.frame))
    return replace(own, pixels=pixels, window=theirs.window, window_said=theirs.window_said, burned_in=theirs.burned_in)


def _in_window(content: Content, source: Source, frame: Frame, named: bool) -> Display:
    """The frame in the window of its series."""
    found = content.window_of(source)
    if found is None:
        return display(frame, named)
    shown = display(frame, named, Shared(found.window, found.factor(frame), found.inverse))
    return replace(shown, window_said=found.said)


def _overlaid(content: Content, view: View, shown: Display, room: tuple[int, int]) -> Image.Image:
    size = _fitted(shown, room)
    image = Image.fromarray(shown.pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0).convert("RGB")
    taken = np.zeros((size[1], size[0]), np.bool_)
    if view.map is not None:
        one = content.findings.maps[view.map]
        lay_heat(image, content.maps[view.map][one.frames.index(view.frame)])
    scale = size[0] / shown.pixels.shape[1], size[1] / shown.pixels.shape[0]
    found = [] if view.bare or view.map is not None else _marked(content, view.frame, image, scale)
    image = turned_image(image, shown.edges)
    found = [(mark, turned(where, shown.edges)) for mark, where in found]
    _hang(image, content, view, shown, scale[0], taken)
    write_letters(image, found, taken)
    return image


def _marked(
    content: Content, frame: int, image: Image.Image, scale: tuple[float, float]
) -> Sequence[tuple[Mark, Marked]]:
    """What is outlined, with its letter and where it lies in the picture."""
    known, segments = marks(content), content.findings.segments
    outlined = [] if content.mask is None else list(lay_segments(image, segments, content.mask[frame]))
    found = [(known[one], where) for one, where in outlined if one in known][:MOST_LETTERS]
    pointed = [one for one in content.findings.pointed if one.frame == frame]
    return [*found, *((known[one], lay_region(image, one, scale)) for one in pointed)]


def _hang(image: Image.Image, content: Content, view: View, shown: Display, scale: float, taken: Marked) -> None:
    """What a viewer shows around an image: its sides, which it is, its window, a scale."""
    draw, name = ImageDraw.Draw(image), name_of(content, view)
    series = [_capital(name.series)] if name.series else []
    which = [*series, _capital(name.short)] if len(content.source.frames) > 1 else []
    window = [shown.window_said or f"W {shown.window[1]:.0f} C {shown.window[0]:.0f}"] if shown.window else []
    write_sides(draw, turned_edges(shown.edges), image.size, taken)
    write_corners(draw, [*which, *map(_capital, name.where), *name.beside], window, taken)
    if shown.step:
        draw_scale_bar(draw, scale / shown.step, " at the detector" if shown.on_detector else "", taken)


def _capital(said: str) -> str:
    return said[0].upper() + said[1:]


def _fitted(shown: Display, room: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the image with square pixels, as large as there is room."""
    rows, columns = shown.pixels.shape[:2]
    scale = min(room[0] / columns, room[1] / (rows * shown.aspect))
    return max(1, round(columns * scale)), max(1, round(rows * shown.aspect * scale))


def _unshown(room: tuple[int, int], reason: str) -> Image.Image:
    image = Image.new("RGB", (room[0], min(room[1], room[0] // 2)), (44, 48, 54))
    draw, letters = ImageDraw.Draw(image), font(15)
    said = plain(f"The image could not be shown: {reason}")
    for row, line in enumerate(wrapped(said, letters.getlength, room[0] - 48)):
        draw.text((24, 24 + 22 * row), line, WHITE, letters)
    return image
