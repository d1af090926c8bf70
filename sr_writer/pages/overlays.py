"""What is laid over an image: the colours of a map, segments, regions, names, and the sides of the patient.

Places of findings are in the image's own pixels, drawing is in those of the picture.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from domain.findings import Region, Segment, Shape
from sr_writer.codes.wording import plain
from sr_writer.pages.drawing import BLACK, WHITE, Colour, cover, enlarged, font, wrapped, write

_NAMED, _NAMES = 0.002, 8  # share of an image from which on a segment has its name in it; as many as have room
# From nothing to much: violet, red, yellow, as the share of the value rises; half of what lies beneath stays visible.
_HEAT_AT = (0.0, 0.4, 0.7, 1.0)
_HEAT = ((40, 10, 120), (170, 40, 130), (245, 110, 50), (255, 235, 110))
_HEAT_COVERS = 0.55
_SHARP = 1.0 / 3.0  # value from which on the heat covers as much as it ever does


def lay_heat(image: Image.Image, values: NDArray[np.float32]) -> None:
    """Colour by value, (rows, columns) of 0 to 1 over the whole image; what is 0 stays as it is."""
    clean = np.clip(np.nan_to_num(values), 0, 1)
    wide = np.asarray(Image.fromarray(clean).resize(image.size, Image.Resampling.BILINEAR))
    colour = Image.fromarray(heat_colours()[(wide * 255).astype(np.uint8)])
    image.paste(colour, (0, 0), Image.fromarray((np.clip(wide / _SHARP, 0, 1) * _HEAT_COVERS * 255).astype(np.uint8)))


def heat_colours() -> NDArray[np.uint8]:
    """The colours of 0 to 255."""
    every = np.linspace(0, 1, 256)
    return np.stack([np.interp(every, _HEAT_AT, part) for part in np.transpose(_HEAT)], -1).astype(np.uint8)


@dataclass(frozen=True)
class Label:
    """Words that belong to a place of the picture: centred in it, or above it."""

    at: tuple[float, float]
    text: str
    colour: Colour
    centred: bool


def lay_segments(image: Image.Image, segments: Sequence[Segment], labels: NDArray[np.uint8]) -> Iterator[Label]:
    """Tint and contour of each segment on this slice; the names of the largest are to be written.

    `labels` are (rows, columns) of segment numbers.
    """
    counts = np.bincount(labels.reshape(-1), minlength=256)
    there = [one for one in segments if counts[one.number]]
    large = sorted((counts[one.number] for one in there if counts[one.number] >= _NAMED * labels.size), reverse=True)
    for one in there:
        marked = labels == one.number
        cover(image, enlarged(marked, image.size), one.colour)
        if counts[one.number] in large[:_NAMES]:
            yield Label(_middle(marked, image.size), one.label, WHITE, centred=True)


def _middle(marked: NDArray[np.bool_], size: tuple[int, int]) -> tuple[float, float]:
    """Where on the picture the marked pixels have as many others to each side."""
    rows, columns = np.nonzero(marked)
    height, width = marked.shape
    return (float(np.median(columns)) + 0.5) / width * size[0], (float(np.median(rows)) + 0.5) / height * size[1]


def lay_region(draw: ImageDraw.ImageDraw, region: Region, scale: tuple[float, float]) -> Label:
    """Its outline, with a dark rim so that it is seen on white as well; the name is to stand above it.

    `scale` takes (column, row) of the image to the picture.
    """
    points = [(column * scale[0], row * scale[1]) for column, row in region.points]
    for colour, width in ((BLACK, 6), (region.colour, 3)):
        if region.shape is Shape.POINT:
            _cross(draw, points[0], colour, width)
        else:
            draw.line(_outline(region, points), colour, width, joint="curve")
    left, top = min(x for x, _ in points), min(y for _, y in points)
    gap = 16 if region.shape is Shape.POINT else 4
    certain = f" {100 * region.probability:.0f} %" if region.probability is not None else ""
    return Label((left, top - gap), region.label + certain, _lightened(region.colour), centred=False)


def _lightened(colour: Colour) -> Colour:
    """The colour as letters have it: a dark one cannot be read within its rim."""
    red, green, blue = ((part + 255) // 2 for part in colour)
    return red, green, blue


def _outline(region: Region, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    if region.shape is Shape.BOX:
        (left, top), (right, bottom) = points
        return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top), (right, top)]
    return [*points, *points[:2]]


def _cross(draw: ImageDraw.ImageDraw, at: tuple[float, float], colour: Colour, width: int) -> None:
    """A ring, and a cross that leaves the very point free."""
    x, y = at
    draw.ellipse((x - 11, y - 11, x + 11, y + 11), outline=colour, width=width)
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        draw.line((x + 4 * dx, y + 4 * dy, x + 16 * dx, y + 16 * dy), colour, width)


def write_sides(draw: ImageDraw.ImageDraw, edges: Sequence[str], size: tuple[int, int]) -> None:
    """The letters of the left, right, top and bottom edge, each at its edge."""
    width, height = size
    places = ((8, height / 2, "lm"), (width - 8, height / 2, "rm"), (width / 2, 6, "ma"), (width / 2, height - 6, "md"))
    for letters, (x, y, anchor) in zip(edges, places, strict=True):
        write(draw, (x, y), letters, anchor, 16)


def write_names(draw: ImageDraw.ImageDraw, labels: Sequence[Label], size: tuple[int, int]) -> None:
    """Write the labels inside the picture, one that would cover another below it, as far as there is room."""
    taken: list[tuple[float, float, float, float]] = []
    letters = font(16)
    for one in labels:
        text = next(wrapped(plain(one.text), letters.getlength, size[0] * 0.6), "")
        left, top, right, bottom = draw.textbbox((0, 0), text, letters, stroke_width=2)
        width, height = right - left, bottom - top
        x = one.at[0] - (width / 2 if one.centred else 0)
        y = one.at[1] - (height / 2 if one.centred else height)
        x, y = min(max(x, 2), max(2, size[0] - width - 2)), min(max(y, 2), max(2, size[1] - height - 2))
        while any(_overlap((x, y, x + width, y + height), other) for other in taken):
            y += height
        if y + height <= size[1]:
            taken.append((x, y, x + width, y + height))
            draw.text((x - left, y - top), text, one.colour, letters, stroke_width=2, stroke_fill=BLACK)


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
