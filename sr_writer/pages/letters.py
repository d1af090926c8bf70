"""Letters beside what is marked in a picture, each with a line to it: words would lie over what must be judged."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sr_writer.codes.marks import Mark
from sr_writer.pages.drawing import BLACK, font, lightened

MOST = 12  # segments with a letter in one picture, the largest; the others have their outline

_SIZE, _PAD = 17, 3  # of a letter, and the room around it, pixels
_AWAY = (16, 26, 40, 58, 80, 110, 150)  # how far from what it names a letter may stand
# Ways around, those to the upper left first; y leads down.
_WAYS = [(math.cos(turn), math.sin(turn)) for turn in (math.pi * (5 / 4 + k / 8) for k in range(16))]

Busy = NDArray[np.bool_]
_Box = tuple[int, int, int, int]


def write_letters(image: Image.Image, named: Sequence[tuple[Mark, Busy]], taken: Busy) -> None:
    """Each letter beside what it names, with a line to it; never over anything that is marked or `taken`.

    Arrays are (rows, columns) of the picture; `taken` gets what the letters take besides.
    """
    draw = ImageDraw.Draw(image)
    for _, where in named:
        taken |= where
    for mark, where in named:
        rows, columns = np.nonzero(where)
        if len(rows):
            _write(draw, mark, np.stack([columns, rows], axis=1), taken)


def _write(draw: ImageDraw.ImageDraw, mark: Mark, points: NDArray[np.intp], taken: Busy) -> None:
    half = _half(draw, mark.letter)
    edge, middle = _place(points, half, taken)
    box = _box(middle, half)
    taken[box[1] : box[3], box[0] : box[2]] = True
    end = _towards(middle, edge, max(half))
    for colour, width in ((BLACK, 4), (mark.colour, 2)):
        draw.line([end, edge], colour, width)
    draw.text(middle, mark.letter, lightened(mark.colour), font(_SIZE), anchor="mm", stroke_width=2, stroke_fill=BLACK)


def _place(points: NDArray[np.intp], half: tuple[int, int], taken: Busy) -> tuple[tuple[float, float], ...]:
    """Where the line ends at what is marked, and where the letter's middle is: the nearest place that is free."""
    sums = np.pad(taken.astype(np.int32).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    ends = [points[(points @ np.array(way)).argmax()] for way in _WAYS]
    tried = []
    for away in _AWAY:
        for way, end in zip(_WAYS, ends, strict=True):
            middle = (float(end[0] + way[0] * (away + half[0])), float(end[1] + way[1] * (away + half[1])))
            left, top, right, bottom = _box(middle, half)
            if left < 0 or top < 0 or right > taken.shape[1] or bottom > taken.shape[0]:
                continue
            over = int(sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left])
            tried.append((over, (float(end[0]), float(end[1])), middle))
            if not over:
                return tried[-1][1:]
    corner = (half[0] + 1.0, half[1] + 1.0)
    return min(tried)[1:] if tried else ((float(points[0][0]), float(points[0][1])), corner)


def _half(draw: ImageDraw.ImageDraw, letter: str) -> tuple[int, int]:
    left, top, right, bottom = draw.textbbox((0, 0), letter, font(_SIZE), anchor="mm", stroke_width=2)
    return math.ceil((right - left) / 2) + _PAD, math.ceil((bottom - top) / 2) + _PAD


def _box(middle: tuple[float, float], half: tuple[int, int]) -> _Box:
    x, y = round(middle[0]), round(middle[1])
    return x - half[0], y - half[1], x + half[0], y + half[1]


def _towards(start: tuple[float, float], end: tuple[float, float], length: float) -> tuple[float, float]:
    whole = math.hypot(end[0] - start[0], end[1] - start[1])
    share = min(1.0, length / whole) if whole else 0.0
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
