"""What is laid over an image: the colours of a map, outlines, the patient's sides, and what viewers put in corners.

Places of findings are in the image's own pixels, drawing is in those of the picture.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from domain.findings import Region, Segment, Shape
from sr_writer.pages.drawing import BLACK, WHITE, Colour, enlarged, font, outline, write

# From nothing to much: violet, red, yellow, as the share of the value rises; half of what lies beneath stays visible.
_HEAT_AT = (0.0, 0.4, 0.7, 1.0)
_HEAT = ((40, 10, 120), (170, 40, 130), (245, 110, 50), (255, 235, 110))
_HEAT_COVERS = 0.55
_SHARP = 1.0 / 3.0  # value from which on the heat covers as much as it ever does

_BARS = (200, 100, 50, 20, 10, 5, 2, 1)  # mm: lengths that a scale bar may have
_CORNER, _CORNER_LINE = 15, 19
_RIM = 6  # px: a line and the dark on both its sides
# px from the edge of what a box holds to the middle of its line: neither lies on the other, and a little of what is
# around tells the edge.
_AROUND = _RIM / 2 + 3

Marked = NDArray[np.bool_]


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


def lay_segments(
    image: Image.Image, segments: Sequence[Segment], labels: NDArray[np.uint8]
) -> Iterator[tuple[Segment, Marked]]:
    """The outline of each segment on this slice; gives where each lies in the picture, the largest first.

    `labels` are (rows, columns) of segment numbers.
    """
    counts = np.bincount(labels.reshape(-1), minlength=256)
    there = sorted((one for one in segments if counts[one.number]), key=lambda one: -int(counts[one.number]))
    for one in there:
        wide = enlarged(labels == one.number, image.size)
        outline(image, wide, one.colour)
        yield one, np.asarray(wide) > 0


def lay_region(image: Image.Image, region: Region, scale: tuple[float, float]) -> Marked:
    """Its outline, with a dark rim so that it is seen on white as well; where it lies in the picture.

    `scale` takes (column, row) of the image to the picture.
    """
    draw, marked = ImageDraw.Draw(image), Image.new("1", image.size)
    points = [(column * scale[0], row * scale[1]) for column, row in region.points]
    for colour, width in ((BLACK, _RIM), (region.colour, 3)):
        if region.shape is Shape.POINT:
            _cross(draw, points[0], colour, width)
        else:
            draw.line(_outline(region, points, image.size), colour, width, joint="curve")
    _fill(ImageDraw.Draw(marked), region, points, image.size)
    return np.asarray(marked)


def _fill(
    draw: ImageDraw.ImageDraw, region: Region, points: Sequence[tuple[float, float]], size: tuple[int, int]
) -> None:
    if region.shape is Shape.POINT:
        (x, y) = points[0]
        draw.ellipse((x - 18, y - 18, x + 18, y + 18), fill=1)
    else:
        draw.polygon(_outline(region, points, size), fill=1, outline=1)


def _outline(region: Region, points: Sequence[tuple[float, float]], size: tuple[int, int]) -> list[tuple[float, float]]:
    """The corners of its line; that of a box lies around it, and inside the picture where it reaches the edge."""
    if region.shape is Shape.BOX:
        corners = np.array(points)
        first, last = corners.min(axis=0) - _AROUND, corners.max(axis=0) + _AROUND
        left, top = np.maximum(first, _RIM / 2).tolist()
        right, bottom = np.minimum(last, np.array(size) - 1 - _RIM / 2).tolist()
        return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top), (right, top)]
    return [*points, *points[:2]]


def _cross(draw: ImageDraw.ImageDraw, at: tuple[float, float], colour: Colour, width: int) -> None:
    """A ring, and a cross that leaves the very point free."""
    x, y = at
    draw.ellipse((x - 11, y - 11, x + 11, y + 11), outline=colour, width=width)
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        draw.line((x + 4 * dx, y + 4 * dy, x + 16 * dx, y + 16 * dy), colour, width)


def write_sides(draw: ImageDraw.ImageDraw, edges: Sequence[str], size: tuple[int, int], taken: Marked) -> None:
    """The letters of the left, right, top and bottom edge, each at its edge."""
    width, height = size
    places = ((8, height / 2, "lm"), (width - 8, height / 2, "rm"), (width / 2, 6, "ma"), (width / 2, height - 6, "md"))
    for letters, (x, y, anchor) in zip(edges, places, strict=True):
        write(draw, (x, y), letters, anchor, 16)
        _take(taken, draw.textbbox((x, y), letters, font(16), anchor=anchor, stroke_width=2))


def write_corners(draw: ImageDraw.ImageDraw, above: Sequence[str], below: Sequence[str], taken: Marked) -> None:
    """Lines in the corner above left, and in that below left."""
    height = taken.shape[0]
    first = height - 6 - _CORNER_LINE * len(below)
    rows = [*((6 + _CORNER_LINE * k, one) for k, one in enumerate(above))]
    rows += [(first + _CORNER_LINE * k, one) for k, one in enumerate(below)]
    for top, said in rows:
        write(draw, (8, top), said, "la", _CORNER)
        _take(taken, draw.textbbox((8, top), said, font(_CORNER), anchor="la", stroke_width=2))


def draw_scale_bar(draw: ImageDraw.ImageDraw, pixels_a_mm: float, said: str, taken: Marked) -> None:
    """A bar of a round length in the corner below right; `said` follows its length in words."""
    height, width = taken.shape
    length = next((one for one in _BARS if one * pixels_a_mm <= width / 4), None)
    if length is None:
        return
    right, base = width - 12, height - 14
    left = right - length * pixels_a_mm
    for colour, thick in ((BLACK, 5), (WHITE, 2)):
        draw.line((left, base, right, base), colour, thick)
        for x in (left, right):
            draw.line((x, base - 5, x, base + 5), colour, thick)
    words = f"{length // 10} cm{said}" if length >= 10 else f"{length} mm{said}"
    write(draw, (right, base - 9), words, "rd", _CORNER)
    _take(taken, draw.textbbox((right, base - 9), words, font(_CORNER), anchor="rd", stroke_width=2))
    _take(taken, (left, base - 6, right, base + 6))


def _take(taken: Marked, box: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = (max(0, round(one)) for one in box)
    taken[top : bottom + 1, left : right + 1] = True
