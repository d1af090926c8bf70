"""Lines and words on one image of a presentation state (PS3.3 C.10.5).

Graphics are in pixels, (0, 0) the top left corner of the image, as regions are. Words about the whole image are in
fractions of what is shown, so that they keep their place when a viewer enlarges the image.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from domain.findings import Region, Shape
from domain.words import percentage
from sr_writer.codes.wording import plain
from sr_writer.contours import MOST_POINTS, thinned
from sr_writer.encoding.colours import cielab
from sr_writer.source import Instance

# Of what is shown, from its top left corner: the height of a line, where the last one ends, and the margin beside it.
_LINE, _BOTTOM, _SIDE = 0.04, 0.98, 0.02
# Of the image's rows, the height of a label; of that height, the width of a letter.
_LABEL, _LETTER = 1 / 32, 0.6

Points = NDArray[np.float64]
# Left, top, right and bottom.
_Place = tuple[float, float, float, float]


def annotation(instance: Instance, regions: Sequence[Region], lines: Sequence[str], said: str) -> Dataset:
    """An item of Graphic Annotation Sequence but for the image and the layer: words and lines on the image.

    What is `said` of it stands at its bottom, `lines` above that, the label of each region at the region; the first two
    have to be ASCII. What of a region lies beside the image is moved to its edge.
    """
    item = Dataset()
    top = _BOTTOM - _LINE
    texts = [_text(said, "DISPLAY", (_SIDE, top, 1 - _SIDE, _BOTTOM), "CENTER")]
    if lines:
        block = (_SIDE, top - _LINE * len(lines), 1 - _SIDE, top)
        texts.insert(0, _text("\r\n".join(lines), "DISPLAY", block, "LEFT"))
    if regions:
        size = (float(instance.columns), float(instance.rows))
        outlines = [np.clip(_corners(one), 0, size) for one in regions]
        item.GraphicObjectSequence = [_graphic(*one) for one in zip(regions, outlines, strict=True)]
        texts += _labels(regions, outlines, size)
    item.TextObjectSequence = texts
    return item


def _corners(region: Region) -> Points:
    """The points to draw, (n, 2) columns and rows; a closed outline ends where it begins."""
    points = np.array(region.points, float).reshape(-1, 2)
    if region.shape is Shape.POINT:
        return points
    if region.shape is Shape.BOX:
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        points = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    elif len(points) > MOST_POINTS:
        points = thinned(points)
    return np.vstack([points, points[:1]])


def _graphic(region: Region, points: Points) -> Dataset:
    item = Dataset()
    item.GraphicAnnotationUnits = "PIXEL"
    item.GraphicDimensions = 2
    item.NumberOfGraphicPoints = len(points)
    item.GraphicData = points.reshape(-1).tolist()
    item.GraphicType = "POINT" if region.shape is Shape.POINT else "POLYLINE"
    if region.shape is not Shape.POINT:
        item.GraphicFilled = "N"
    item.LineStyleSequence = [_line_style(region.colour)]
    return item


def _line_style(colour: tuple[int, int, int]) -> Dataset:
    """A solid line in the finding's own colour (PS3.3 table C.10-5), for viewers that show colours."""
    style = Dataset()
    style.PatternOnColorCIELabValue = cielab(colour)
    style.PatternOnOpacity = 1.0
    style.LineThickness = 1.0
    style.LineDashingStyle = "SOLID"
    style.ShadowStyle = "OFF"
    style.ShadowOffsetX = style.ShadowOffsetY = style.ShadowOpacity = 0.0
    style.ShadowColorCIELabValue = cielab((0, 0, 0))
    return style


def _labels(regions: Sequence[Region], outlines: Sequence[Points], size: tuple[float, float]) -> Iterator[Dataset]:
    """The name of each region above it, or further down where that place is taken."""
    taken: list[_Place] = []
    for region, points in zip(regions, outlines, strict=True):
        if not region.label:  # another part of what is named already
            continue
        said = region.label if region.probability is None else f"{region.label}, score {percentage(region.probability)}"
        place = _free_place(points, len(said), size, taken)
        taken.append(place)
        yield _text(plain(said), "PIXEL", place, "LEFT")


def _free_place(points: Points, letters: int, size: tuple[float, float], taken: Sequence[_Place]) -> _Place:
    """Where a label of so many letters goes, inside the image."""
    columns, rows = size
    height = rows * _LABEL
    width = min(columns, letters * height * _LETTER)
    left = min(float(points[:, 0].min()), columns - width)
    first = max(0.0, float(points[:, 1].min()) - height)
    places = [(left, top, left + width, top + height) for top in np.arange(first, rows - height, height).tolist()]
    free = (place for place in places if not any(_overlap(place, other) for other in taken))
    lowest = (left, rows - height, left + width, rows)
    return next(free, places[0] if places else lowest)


def _overlap(one: _Place, other: _Place) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _text(said: str, units: str, place: _Place, justified: str) -> Dataset:
    """Words in a box."""
    item = Dataset()
    item.BoundingBoxAnnotationUnits = units
    item.UnformattedTextValue = said
    item.BoundingBoxTopLeftHandCorner = list(place[:2])
    item.BoundingBoxBottomRightHandCorner = list(place[2:])
    item.BoundingBoxTextHorizontalJustification = justified
    return item
