"""The images that a reader should see first, as pictures with everything on them that was found there.

A picture shows an image in its own window with the mask, regions and, where a map lies on it, how strongly the model
looked where; below stand which image it is, why it is shown, and that no person has looked. Nothing of the patient's
identity is drawn, and an image that has it in its own pixels is not shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageDraw

from domain.errors import UnusableInput
from domain.findings import Map
from sr_writer.codes.wording import plain, warning
from sr_writer.content import Content
from sr_writer.pages.drawing import AMBER, BACKGROUND, BLACK, GREY, WHITE, font, wrapped
from sr_writer.pages.overlays import heat_colours, lay_heat, lay_region, lay_segments, write_names, write_sides
from sr_writer.pages.pixels import Display, display

MOST = 6  # pictures of one run; a reader does not look at more, and the report names the others

WORDS, _PAD = 62, 8  # height of what is said below an image, and its edge, pixels
_OF_SEGMENTS = "probability"  # the method of a map that a segmenting network gives (models/manifest.py)


@dataclass(frozen=True)
class View:
    """One picture to draw: the index of an image among the findings' frames, why, and which map lies over it."""

    frame: int
    why: str
    map: int | None = None


def views(content: Content) -> tuple[View, ...]:
    """What to show: the key frames, each once for each map on it; where there are none, one image all the same.

    Where there are more than six, those that the model named, then those that it is surest of; in the images' order.
    """
    found = [view for one in content.key_frames for view in _of_frame(content, one.frame, one.why)]
    found = found or [View(frame, content.findings.maps[k].label, k) for k, frame in _peaks(content)]
    found = found or [View(len(content.source.frames) // 2, "nothing is marked in any image")]
    surest = sorted(range(len(found)), key=lambda k: (-_weight(content, found[k]), k))[:MOST]
    return tuple(found[k] for k in sorted(surest))


def picture(content: Content, view: View, size: tuple[int, int]) -> Image.Image:
    """The view in RGB, as wide as `size` (width, height) and no higher, its words included.

    An image that cannot be shown leaves a grey field that says so: the findings must reach their reader without it.
    """
    room = (size[0], size[1] - WORDS)
    try:
        image = _overlaid(content, view, display(content.frame(view.frame)), room)
    except UnusableInput as error:
        image = _unshown(room, str(error))
    whole = Image.new("RGB", (size[0], image.height + WORDS), BACKGROUND)
    whole.paste(BLACK, (0, 0, size[0], image.height))
    whole.paste(image, ((size[0] - image.width) // 2, 0))
    _say(whole, content, view, image.height)
    return whole


def caption(content: Content, view: View) -> tuple[str, ...]:
    """What is said below a picture: which image it is and why it is shown."""
    where = f"{content.names(view.frame).capital}: " if len(content.source.frames) > 1 else ""
    method = f" ({content.findings.maps[view.map].method})" if view.map is not None else ""
    return (f"{where}{view.why}{method}",)


def _of_frame(content: Content, frame: int, why: str) -> list[View]:
    maps = [(k, one) for k, one in _explanations(content) if frame in one.frames]
    return [View(frame, one.label, k) for k, one in maps] or [View(frame, why)]


def _peaks(content: Content) -> Iterator[tuple[int, int]]:
    """Of each map, the image in which it is strongest."""
    for k, one in _explanations(content):
        values = content.maps[k]
        yield k, one.frames[int(values.reshape(len(values), -1).max(axis=1).argmax())]


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
    return max(sure, default=0.0) + (2.0 if view.frame in findings.key_frames else 0.0)


def _overlaid(content: Content, view: View, shown: Display, room: tuple[int, int]) -> Image.Image:
    size = _fitted(shown, room)
    image = Image.fromarray(shown.pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0).convert("RGB")
    if view.map is not None:
        one = content.findings.maps[view.map]
        lay_heat(image, content.maps[view.map][one.frames.index(view.frame)])
    mask, segments = content.mask, content.findings.segments
    named = [] if mask is None else list(lay_segments(image, segments, mask[view.frame]))
    draw = ImageDraw.Draw(image)
    scale = size[0] / shown.pixels.shape[1], size[1] / shown.pixels.shape[0]
    pointed = [lay_region(draw, one, scale) for one in content.findings.regions if one.frame == view.frame]
    write_names(draw, [*pointed, *named], size)
    write_sides(draw, shown.edges, size)
    return image


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


def _say(whole: Image.Image, content: Content, view: View, top: int) -> None:
    """Below the image: which it is and why, the scale of a map's colours, and the words of every result."""
    draw = ImageDraw.Draw(whole)
    room = whole.width - 2 * _PAD
    if view.map is not None:
        room -= _scale(whole, draw, top)
    letters = font(15)
    first, *rest = [*wrapped(plain(caption(content, view)[0]), letters.getlength, room - 16), ""]
    draw.text((_PAD, top + 6), first + (" ..." if rest and rest[0] else ""), WHITE, letters)
    small = font(13)
    said = wrapped(warning(content.findings.model), small.getlength, whole.width - 2 * _PAD)
    for row, line in enumerate(said):
        draw.text((_PAD, top + 27 + 16 * row), line, AMBER, small)


def _scale(whole: Image.Image, draw: ImageDraw.ImageDraw, top: int) -> int:
    """The colours of a map from 0 to 1 at the right; returns the width that they take."""
    width = min(120, whole.width // 6)
    bar = Image.fromarray(heat_colours()[None]).resize((width, 10))
    right = whole.width - _PAD - 12
    whole.paste(bar, (right - width, top + 10))
    draw.text((right - width - 4, top + 15), "0", GREY, font(13), anchor="rm")
    draw.text((right + 4, top + 15), "1", GREY, font(13), anchor="lm")
    return width + 36
