"""The images that a reader should see first, as a department hangs them, with everything on them that was found there.

A picture shows an image in its own window with outlines around what was found, a letter beside each, and in its corners
which image it is, its window and a scale. Where a map lies on it, its colours say how strongly the model looked where;
of a radiograph the film itself comes first, without anything on it. Nothing of the patient's identity is drawn, and an
image that has it in its own pixels is shown only on pages that name the patient anyway.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from domain.errors import UnusableInput
from domain.findings import Map
from sr_writer.codes.marks import Mark, marks
from sr_writer.codes.wording import plain
from sr_writer.content import Content
from sr_writer.inputs import OtherInput
from sr_writer.pages.beside import nearest, on_grid
from sr_writer.pages.captions import View, block, caption, elsewhere, name_of
from sr_writer.pages.drawing import BACKGROUND, BLACK, WHITE, font, wrapped
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
from sr_writer.pages.pixels import Display, display

__all__ = ["MOST", "View", "caption", "drawn", "picture", "shown_letters", "views", "without_picture"]

MOST = 6  # pictures of one run; a reader does not look at more, and the report names the others
BARE = "as it was read"

_OF_SEGMENTS = "probability"  # the method of a map that a segmenting network gives (models/manifest.py)


def views(content: Content) -> tuple[View, ...]:
    """What to show: the key frames with what is marked on each, then once for each map; else one image all the same.

    Of a radiograph with something over it, the film itself comes first. Where there are more than six, the films, those
    that the model named, then those that it is surest of; so they are ordered, what is of one image together.
    """
    found = [view for one in content.key_frames for view in _of_frame(content, one.frame, one.why)]
    found = found or [view for frame in _peaks(content) for view in _of_frame(content, frame, "")]
    found = found or [View(len(content.source.frames) // 2, "nothing is marked in any image")]
    surest = sorted(range(len(found)), key=lambda k: (-_weight(content, found[k]), k))[:MOST]
    firsts: dict[int, int] = {}
    for k in sorted(surest, key=lambda k: found[k].bare):
        firsts.setdefault(found[k].frame, len(firsts))
    return tuple(found[k] for k in sorted(surest, key=lambda k: (firsts[found[k].frame], k)))


def without_picture(content: Content) -> str:
    """How many of the findings that are pointed at no picture shows; "" where all are shown."""
    shown, pointed = {one.frame for one in views(content)}, content.findings.pointed
    missing = sum(one.frame not in shown for one in pointed)
    return f"{missing} of {len(pointed)} places have no picture here; the table names their images." if missing else ""


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
    there = [one for one in content.findings.segments if numbers[one.number]]
    largest = sorted(there, key=lambda one: -int(numbers[one.number]))[:MOST_LETTERS]
    pointed = [one for one in content.findings.pointed if one.frame == view.frame]
    return [mark for one, mark in known.items() if one in largest or one in pointed]


def _of_frame(content: Content, frame: int, why: str) -> Iterator[View]:
    maps = [(k, one) for k, one in _explanations(content) if frame in one.frames]
    marked = any(one.frame == frame for one in content.regions) or not maps
    pointed = any(one.frame == frame for one in content.findings.pointed)
    if content.source.volume is None and (maps or pointed):
        yield View(frame, BARE, bare=True)
        marked = pointed
    if marked:
        yield from _on_inputs(content, frame, why)
    for k, one in maps:
        yield View(frame, one.label, k)


def _on_inputs(content: Content, frame: int, why: str) -> Iterator[View]:
    """A view for each input on which something on this frame is looked for; the source, where that is no other."""
    names = {one.name for one in content.others if _lies(content, frame, one)}
    segments = {one.label: one.shown_on for one in content.findings.segments if one.number in content.present}
    wanted: dict[str, list[str]] = {}
    for one in content.regions:
        if one.frame == frame and not one.of:
            on = segments.get(one.label, "")
            wanted.setdefault(on if on in names else "", []).append(one.label)
    if len(wanted) < 2:
        yield View(frame, why, on=next(iter(wanted), ""))
    else:
        yield from (View(frame, ", ".join(dict.fromkeys(labels)), on=on) for on, labels in wanted.items())


def _lies(content: Content, frame: int, other: OtherInput) -> bool:
    return content.source.volume is not None and nearest(content.source.volume, frame, other.source) is not None


def _peaks(content: Content) -> Iterator[int]:
    """Of each map, the image in which it is strongest; each image once."""
    found = {}
    for k, one in _explanations(content):
        values = content.maps[k]
        found[one.frames[int(values.reshape(len(values), -1).max(axis=1).argmax())]] = k
    yield from sorted(found)


def _explanations(content: Content) -> Iterator[tuple[int, Map]]:
    """The maps that say where a model looked; the probabilities of a segment would hide what its outline shows."""
    for k, one in enumerate(content.findings.maps[: len(content.maps)]):
        if one.frames and one.method != _OF_SEGMENTS:
            yield k, one


def _weight(content: Content, view: View) -> float:
    """How much a view belongs among the first."""
    findings = content.findings
    label = None if view.map is None else findings.maps[view.map].label
    likely = [one for one in findings.likelihoods if one.frame in (None, view.frame) and label in (None, one.label)]
    sure = [one.probability for one in likely]
    sure += [one.probability or 0.0 for one in content.regions if one.frame == view.frame]
    return max(sure, default=0.0) + (2.0 if view.frame in findings.key_frames else 0.0) + (4.0 if view.bare else 0.0)


def _display(content: Content, view: View, named: bool) -> Display:
    """The image of a view, of another input on the grid of the source."""
    other, own = elsewhere(content, view), display(content.frame(view.frame), named)
    if other is None:
        return own
    (shown, k), volume = other, content.source.volume
    theirs = display(shown.source.frames[k], named)
    assert volume is not None and shown.source.volume is not None  # else there is nothing nearest
    pixels = on_grid(theirs.pixels, (shown.source.volume, k), (volume, view.frame))
    return replace(own, pixels=pixels, window=theirs.window, burned_in=theirs.burned_in)


def _overlaid(content: Content, view: View, shown: Display, room: tuple[int, int]) -> Image.Image:
    size = _fitted(shown, room)
    image = Image.fromarray(shown.pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0).convert("RGB")
    taken = np.zeros((size[1], size[0]), np.bool_)
    if view.map is not None:
        one = content.findings.maps[view.map]
        lay_heat(image, content.maps[view.map][one.frames.index(view.frame)])
    scale = size[0] / shown.pixels.shape[1], size[1] / shown.pixels.shape[0]
    found = [] if view.bare or view.map is not None else _marked(content, view.frame, image, scale)
    _hang(image, content, view, shown, scale[0], taken)
    write_letters(image, found, taken)
    return image


def _marked(
    content: Content, frame: int, image: Image.Image, scale: tuple[float, float]
) -> Sequence[tuple[Mark, Marked]]:
    """What is outlined, with its letter and where it lies in the picture."""
    known, segments = marks(content), content.findings.segments
    outlined = [] if content.mask is None else list(lay_segments(image, segments, content.mask[frame]))
    found = [(known[one], where) for one, where in outlined[:MOST_LETTERS]]
    pointed = [one for one in content.findings.pointed if one.frame == frame]
    return [*found, *((known[one], lay_region(image, one, scale)) for one in pointed)]


def _hang(image: Image.Image, content: Content, view: View, shown: Display, scale: float, taken: Marked) -> None:
    """What a viewer shows around an image: its sides, which it is, its window, a scale."""
    draw, name = ImageDraw.Draw(image), name_of(content, view)
    series = [_capital(name.series)] if name.series else []
    which = [*series, _capital(name.short)] if len(content.source.frames) > 1 else []
    window = [f"W {shown.window[1]:.0f} C {shown.window[0]:.0f}"] if shown.window else []
    write_sides(draw, shown.edges, image.size, taken)
    write_corners(draw, [*which, *name.where], window, taken)
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
