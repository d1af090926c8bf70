"""A picture of a segmentation for people without a viewer: an axial, a coronal and a sagittal slice side by side.

Conventions are a radiologist's: the patient's right on the left of the picture, the head on top, one scale for all
panels. The words that every result carries stand on the picture as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sr_writer.codes.marks import Mark, letters
from sr_writer.codes.wording import plain
from sr_writer.pages.drawing import AMBER, BACKGROUND, BLACK, GREY, WHITE, against, enlarged, font, outline, write
from sr_writer.pages.letters import write_letters
from sr_writer.reading import SeenSegment

LUNG_WINDOW = (-600.0, 1500.0)  # HU: centre and width

_SCALE = 1.3  # pixels a millimetre
_MARGIN_MM = 40.0  # shown around the segments
_GAP, _HEAD, _FOOT = 12, 62, 16


@dataclass(frozen=True, eq=False)
class _Panel:
    """One slice as it is shown: rows downwards, columns to the right; `edges` are left, right, top and bottom."""

    name: str
    values: NDArray[np.generic]
    labels: NDArray[np.uint8]
    spacing: tuple[float, float]
    edges: str


def picture(
    voxels: NDArray[np.generic],
    labels: NDArray[np.uint8],
    spacing: tuple[float, float, float],
    segments: Sequence[SeenSegment],
    title: str,
    subtitle: str,
    legend: Sequence[str],
    window: tuple[float, float] = LUNG_WINDOW,
) -> bytes:
    """A PNG of `labels` over `voxels`, with one line of `legend` for each segment.

    Both have shape (z, y, x) with axes towards head, back and left, `spacing` in mm in that order; `voxels` are in the
    units of `window` (centre and width). At least one voxel has a label.
    """
    panels = [_drawn(panel, segments, window) for panel in _panels(voxels, labels, spacing)]
    lines = 24 * len(segments)
    width = sum(panel.width for panel in panels) + _GAP * (len(panels) + 1)
    height = max(panel.height for panel in panels)
    canvas = Image.new("RGB", (width, _HEAD + height + _FOOT + lines + _FOOT), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    draw.text((_GAP, 10), plain(title), AMBER, font(22))
    draw.text((_GAP, 38), plain(subtitle), GREY, font(14))
    left = _GAP
    for panel in panels:
        draw.rectangle((left, _HEAD, left + panel.width - 1, _HEAD + height - 1), BLACK)
        canvas.paste(panel, (left, _HEAD + (height - panel.height) // 2))
        left += panel.width + _GAP
    _write_legend(draw, segments, legend, _HEAD + height + _FOOT)
    _scale_bar(draw, width - _GAP, _HEAD + height + _FOOT + 6)
    # A palette halves the file and cannot be told from full colour here.
    out = BytesIO()
    canvas.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _panels(
    voxels: NDArray[np.generic], labels: NDArray[np.uint8], spacing: tuple[float, float, float]
) -> Iterator[_Panel]:
    """The slices through the middle of what is marked; the sagittal one through the middle of the largest segment."""
    box = _box(labels, spacing)
    voxels, labels = voxels[box], labels[box]
    z, y, _ = (_middle(labels > 0, axis) for axis in range(3))
    largest = int(np.bincount(labels.reshape(-1))[1:].argmax()) + 1
    x = _middle(labels == largest, 2)
    dz, dy, dx = spacing
    yield _Panel("axial", voxels[z], labels[z], (dy, dx), "RLAP")
    yield _Panel("coronal", voxels[::-1, y], labels[::-1, y], (dz, dx), "RLHF")
    yield _Panel("sagittal", voxels[::-1, :, x], labels[::-1, :, x], (dz, dy), "APHF")


def _box(labels: NDArray[np.uint8], spacing: tuple[float, float, float]) -> tuple[slice, ...]:
    """What is marked, with a margin."""
    found = []
    for axis, step in enumerate(spacing):
        marked = np.flatnonzero((labels > 0).any(axis=tuple({0, 1, 2} - {axis})))
        margin = round(_MARGIN_MM / step)
        found.append(slice(max(0, int(marked[0]) - margin), int(marked[-1]) + margin + 1))
    return tuple(found)


def _middle(mask: NDArray[np.bool_], axis: int) -> int:
    """The index along `axis` with half of the marked voxels on either side."""
    counts = mask.sum(axis=tuple({0, 1, 2} - {axis})).cumsum()
    return int(np.searchsorted(counts, counts[-1] / 2))


def _drawn(panel: _Panel, segments: Sequence[SeenSegment], window: tuple[float, float]) -> Image.Image:
    rows, columns = panel.values.shape
    size = (round(columns * panel.spacing[1] * _SCALE), round(rows * panel.spacing[0] * _SCALE))
    centre, width = window
    grey = np.clip((panel.values.astype(np.float32) - centre) / width + 0.5, 0, 1) * 255
    image = Image.fromarray(grey.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    for segment in segments:
        outline(image, enlarged(panel.labels == segment.number, size), segment.colour)
    _orient(ImageDraw.Draw(image), panel, size)
    named = [
        (Mark(letter, segment.label, segment.colour), np.asarray(enlarged(panel.labels == segment.number, size)) > 0)
        for segment, letter in zip(segments, letters(), strict=False)
    ]
    write_letters(image, named, np.zeros((size[1], size[0]), np.bool_))
    return image


def _orient(draw: ImageDraw.ImageDraw, panel: _Panel, size: tuple[int, int]) -> None:
    width, height = size
    places = ((8, height / 2, "lm"), (width - 8, height / 2, "rm"), (width / 2, 6, "ma"), (width / 2, height - 6, "md"))
    for letter, (x, y, anchor) in zip(panel.edges, places, strict=True):
        write(draw, (x, y), letter, anchor, 14)
    write(draw, (8, 6), panel.name, "la", 14)


def _write_legend(draw: ImageDraw.ImageDraw, segments: Sequence[SeenSegment], legend: Sequence[str], top: int) -> None:
    for segment, letter, text in zip(segments, letters(), legend, strict=False):
        draw.rectangle((_GAP, top + 1, _GAP + 22, top + 19), segment.colour)
        draw.text((_GAP + 11, top + 10), letter, against(segment.colour), font(14), anchor="mm")
        draw.text((_GAP + 32, top + 1), plain(text), WHITE, font(15))
        top += 24


def _scale_bar(draw: ImageDraw.ImageDraw, right: int, top: int) -> None:
    length = round(100 * _SCALE)
    draw.line((right - length, top, right, top), GREY, 3)
    draw.text((right, top + 6), "10 cm", GREY, font(13), anchor="ra")
