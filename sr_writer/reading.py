"""Results read back as an archive holds them: the report in words, the segmentation as a label volume.

For people who look at results without a viewer. Nothing that names the patient is taken out of the objects.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from dicom_node.attributes.files import by_pydicom
from dicom_node.attributes.reader import Attributes, items_of, title
from domain.errors import UnusableInput
from domain.findings import Code, Measurement
from domain.words import named, stated

_SEGMENTATION, _REPORT = "a segmentation", "a report"

# Items that tell a reader nothing: the report's language, the list of its images, what repeats its maker.
_LEFT_OUT = frozenset({"121049", "111028", "121016", "111000", "111001", "111003", "122405"})
_WITHOUT_WORDS = frozenset({"UIDREF", "IMAGE", "SCOORD", "SCOORD3D"})
# The identifier of a tracked finding names its group, so it needs no line of its own.
_TRACKING, _GROUP = "112039", "125007"
# How a number came of others (TID 300), which is in its name as people say it.
_DERIVATION = "121401"


@dataclass(frozen=True)
class SeenSegment:
    """One segment as a viewer shows it; `colour` is sRGB."""

    number: int
    label: str
    colour: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class SeenSegmentation:
    """A binary segmentation; `warning` is what it says of itself to everybody who looks at it.

    `sources` are the SOP instances that it was made from. `planes` holds segment number, Image Position (Patient) in mm
    and mask, shape (rows, columns), of each frame.
    """

    warning: str
    segments: tuple[SeenSegment, ...]
    sources: frozenset[str]
    planes: tuple[tuple[int, tuple[float, ...], NDArray[np.uint8]], ...]

    def labels(self, affine: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Segment numbers on the source's grid, (slices, rows, columns).

        `affine` takes index (k, j, i, 1) of that grid to patient mm. Raises UnusableInput where a frame lies off it.
        """
        found = np.zeros(shape, np.uint8)
        to_index = np.linalg.inv(affine)
        for number, position, mask in self.planes:
            index = (to_index @ (*position, 1.0))[:3]
            k = round(float(index[0]))
            if np.abs(index - (k, 0, 0)).max() > 0.1 or not 0 <= k < shape[0] or mask.shape != shape[1:]:
                raise UnusableInput("the segmentation does not lie on the grid of these images")
            found[k][mask > 0] = number
        return found


def read_segmentation(part10: bytes) -> SeenSegmentation:
    """The SEG in a Part 10 file; raises UnusableInput where it is none or damaged."""
    dataset = _opened(part10, _SEGMENTATION)
    refusal = "it is a segmentation without pixels that can be read"
    pixels: NDArray[np.uint8] = by_pydicom(lambda: dataset.pixel_array, refusal)
    masks = pixels if pixels.ndim == 3 else pixels[np.newaxis]
    frames = _items(dataset, "PerFrameFunctionalGroupsSequence")
    if len(frames) != len(masks):
        raise UnusableInput(f"{_SEGMENTATION} has {len(masks)} frames and describes {len(frames)}")
    return SeenSegmentation(
        warning=_words(dataset, "ImageComments"),
        segments=tuple(map(_segment, _items(dataset, "SegmentSequence"))),
        sources=frozenset(
            Attributes(instance, _SEGMENTATION).uid("ReferencedSOPInstanceUID")
            for series in _items(dataset, "ReferencedSeriesSequence")
            for instance in _items(series, "ReferencedInstanceSequence")
        ),
        planes=tuple(
            (_segment_number(groups), _position(groups), mask) for groups, mask in zip(frames, masks, strict=True)
        ),
    )


def report_text(part10: bytes) -> str:
    """The SR in a Part 10 file as text: its state, then one line for each item that a reader wants, indented by depth.

    Raises UnusableInput where it is none or damaged.
    """
    dataset = _opened(part10, _REPORT)
    _items(dataset, "ContentSequence")
    return "\n".join((*_head(dataset), "", *_lines(dataset, 0)))


def _opened(part10: bytes, name: str) -> Dataset:
    """The data set with every element of it converted, so that what is damaged is met here and nowhere else."""
    return by_pydicom(lambda: _converted(dcmread(BytesIO(part10))), f"it is not {name} that can be read")


def _converted(dataset: Dataset) -> Dataset:
    for _ in dataset.iterall():
        pass
    return dataset


def _items(item: Dataset, keyword: str) -> Sequence[Dataset]:
    """The items of a sequence that has some in every such object; raises UnusableInput where this one has none."""
    found = items_of(item, keyword)
    if not found:
        raise UnusableInput(f"it states no {title(keyword)}")
    return found


def _words(item: Dataset, keyword: str) -> str:
    value = item.get(keyword)
    return "" if value is None else str(value)


def _segment(item: Dataset) -> SeenSegment:
    stated = Attributes(item, _SEGMENTATION)
    colour = stated.decimals_if_sound("RecommendedDisplayCIELabValue", 3) or (49512, 32896, 32896)
    lightness, a, b = map(int, colour)
    red, green, blue = CIELabColor.from_dicom_value((lightness, a, b)).to_rgb()
    return SeenSegment(
        stated.whole("SegmentNumber", 1), _words(item, "SegmentLabel"), (int(red), int(green), int(blue))
    )


def _segment_number(groups: Dataset) -> int:
    (first, *_) = _items(groups, "SegmentIdentificationSequence")
    return Attributes(first, _SEGMENTATION).whole("ReferencedSegmentNumber", 1)


def _position(groups: Dataset) -> tuple[float, ...]:
    (first, *_) = _items(groups, "PlanePositionSequence")
    return Attributes(first, _SEGMENTATION).numbers("ImagePositionPatient", 3)


def _head(dataset: Dataset) -> Iterator[str]:
    yield _words(dataset, "SeriesDescription")
    flags = ("CompletionFlag", "PreliminaryFlag", "VerificationFlag")
    yield ", ".join(filter(None, (_words(dataset, flag) for flag in flags)))


def _lines(item: Dataset, depth: int) -> Iterator[str]:
    if _words(item, "ValueType") in _WITHOUT_WORDS or _code(item) in _LEFT_OUT:
        return
    yield "  " * depth + _line(item)
    for child in items_of(item, "ContentSequence"):
        if not _is_said_by(item, child):
            yield from _lines(child, depth + 1)


def _is_said_by(item: Dataset, child: Dataset) -> bool:
    """Whether the line of `item` says already what `child` would."""
    tracked = _code(item) == _GROUP and _code(child) == _TRACKING
    return tracked or (_words(item, "ValueType") == "NUM" and _code(child) == _DERIVATION)


def _line(item: Dataset) -> str:
    name = _meaning(item)
    if _words(item, "ValueType") == "CONTAINER":
        return _finding(item) if _code(item) == _GROUP else name
    if _words(item, "ValueType") == "NUM":
        return _number_line(item)
    return f"{name}: {_value(item)}"


def _finding(group: Dataset) -> str:
    """The identifier of a tracked finding. What is tracked as a region and as a point has two groups (TID 1410)."""
    children = items_of(group, "ContentSequence")
    tracked = [_words(one, "TextValue") for one in children if _code(one) == _TRACKING]
    is_point = any(_words(one, "GraphicType") == "POINT" for one in children)
    return (tracked[0] if tracked else _meaning(group)) + (", as a point" if is_point else "")


def _value(item: Dataset) -> str:
    kind = _words(item, "ValueType")
    if kind == "CODE":
        return _words(_items(item, "ConceptCodeSequence")[0], "CodeMeaning")
    return _words(item, "TextValue") or kind


def _number_line(item: Dataset) -> str:
    """A number in the words that readers are told it in, and in the report's own figures."""
    measured = items_of(item, "MeasuredValueSequence")
    if not measured:
        return f"{_meaning(item)}: no value"
    number = Attributes(measured[0], _REPORT).number("NumericValue")
    unit = _coded(measured[0], "MeasurementUnitsCodeSequence")
    derived = [child for child in items_of(item, "ContentSequence") if _code(child) == _DERIVATION]
    derivation = _coded(derived[0], "ConceptCodeSequence") if derived else None
    one = Measurement(_coded(item, "ConceptNameCodeSequence"), number, unit, derivation)
    return f"{named(one)}: {stated(one)}"


def _coded(item: Dataset, keyword: str) -> Code:
    code = _items(item, keyword)[0]
    return Code(_words(code, "CodeValue"), _words(code, "CodingSchemeDesignator"), _words(code, "CodeMeaning"))


def _meaning(item: Dataset) -> str:
    names = items_of(item, "ConceptNameCodeSequence")
    return _words(names[0], "CodeMeaning") if names else _words(item, "ValueType")


def _code(item: Dataset) -> str:
    names = items_of(item, "ConceptNameCodeSequence")
    return _words(names[0], "CodeValue") if names else ""
