"""What pictures are drawn with: colours, text that can be read on anything, and the outline of a mask."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from sr_writer.codes.wording import plain

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

BACKGROUND, BLACK = (16, 18, 22), (0, 0, 0)
WHITE, GREY, AMBER = (236, 238, 240), (150, 156, 164), (255, 190, 70)


def font(size: int) -> Font:
    """The font that comes with the library, so that a machine without fonts draws the same picture."""
    return ImageFont.load_default(size)


def write(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, anchor: str, size: int) -> None:
    """White text with a dark rim, which can be read on any image; `anchor` as Pillow names it."""
    draw.text(at, plain(text), WHITE, font(size), anchor=anchor, stroke_width=2, stroke_fill=BLACK)


def against(colour: Colour) -> Colour:
    """Black or white: what can be read on this colour."""
    red, green, blue = colour
    return BLACK if 0.3 * red + 0.59 * green + 0.11 * blue > 110 else WHITE


def lightened(colour: Colour) -> Colour:
    """The colour as letters on dark have it: a dark one cannot be read there."""
    red, green, blue = ((part + 255) // 2 for part in colour)
    return red, green, blue


def enlarged(mask: NDArray[np.bool_], size: tuple[int, int]) -> Image.Image:
    """The mask on a grid of `size` (width, height), its border smooth."""
    wide = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
    return wide.point([0] * 128 + [255] * 128)


def outline(image: Image.Image, mask: Image.Image, colour: Colour) -> None:
    """Draw the mask's outline, two pixels wide, around it: what lies under the mask is left to be judged."""
    around = mask.filter(ImageFilter.MaxFilter(5))
    ring = np.where(np.asarray(mask) > 0, 0, np.asarray(around))
    image.paste(colour, (0, 0), Image.fromarray(ring.astype(np.uint8)))


def wrapped(text: str, length: Callable[[str], float], width: float) -> Iterator[str]:
    """`text` in lines that `length` finds no longer than `width`; a word that is longer is broken."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if length(longer) <= width:
            line = longer
            continue
        if line:
            yield line
        *whole, line = _broken(word, length, width)
        yield from whole
    if line:
        yield line


def _broken(word: str, length: Callable[[str], float], width: float) -> list[str]:
    parts = [""]
    for letter in word:
        if parts[-1] and length(parts[-1] + letter) > width:
            parts.append("")
        parts[-1] += letter
    return parts
