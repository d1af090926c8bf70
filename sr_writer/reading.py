"""Results read back as an archive holds them: the report in words, the segmentation as a label volume.

For people who look at results without a viewer. Nothing that names the patient is taken out of the objects.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from domain.errors import UnusableInput
from domain.findings import Code, Measurement
from domain.words import amount, named

# What pydicom raises, on reading or on the first use of an element, for bytes that are not what they claim to be.
_DAMAGED = (AttributeError, EOFError, IndexError, KeyError, RuntimeError, TypeError, ValueError, InvalidDicomError)

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
    try:
        dataset = dcmread(BytesIO(part10))
        masks = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
        frames = zip(dataset.PerFrameFunctionalGroupsSequence, masks, strict=True)
        return SeenSegmentation(
            warning=str(dataset.get("ImageComments", "")),
            segments=tuple(_segment(item) for item in dataset.SegmentSequence),
            sources=frozenset(
                str(instance.ReferencedSOPInstanceUID)
                for series in dataset.ReferencedSeriesSequence
                for instance in series.ReferencedInstanceSequence
            ),
            planes=tuple((_number(groups), _position(groups), mask) for groups, mask in frames),
        )
    except _DAMAGED as error:
        raise UnusableInput(f"it is not a segmentation that can be read: {type(error).__name__}") from error


def report_text(part10: bytes) -> str:
    """The SR in a Part 10 file as text: its state, then one line for each item that a reader wants, indented by depth.

    Raises UnusableInput where it is none or damaged.
    """
    try:
        dataset = dcmread(BytesIO(part10))
        return "\n".join((*_head(dataset), "", *_lines(dataset, 0)))
    except _DAMAGED as error:
        raise UnusableInput(f"it is not a report that can be read: {type(error).__name__}") from error


def _segment(item: Dataset) -> SeenSegment:
    lightness, a, b = item.get("RecommendedDisplayCIELabValue", [49512, 32896, 32896])
    red, green, blue = CIELabColor.from_dicom_value((lightness, a, b)).to_rgb()
    return SeenSegment(int(item.SegmentNumber), str(item.SegmentLabel), (int(red), int(green), int(blue)))


def _number(groups: Dataset) -> int:
    return int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)


def _position(groups: Dataset) -> tuple[float, ...]:
    return tuple(float(value) for value in groups.PlanePositionSequence[0].ImagePositionPatient)


def _head(dataset: Dataset) -> Iterator[str]:
    yield str(dataset.SeriesDescription)
    flags = (dataset.CompletionFlag, dataset.get("PreliminaryFlag", ""), dataset.VerificationFlag)
    yield ", ".join(str(flag) for flag in flags if flag)


def _lines(item: Dataset, depth: int) -> Iterator[str]:
    if item.ValueType in _WITHOUT_WORDS or _code(item) in _LEFT_OUT:
        return
    yield "  " * depth + _line(item)
    for child in item.get("ContentSequence", ()):
        if not _is_said_by(item, child):
            yield from _lines(child, depth + 1)


def _is_said_by(item: Dataset, child: Dataset) -> bool:
    """Whether the line of `item` says already what `child` would."""
    return (_code(item) == _GROUP and _code(child) == _TRACKING) or (
        item.ValueType == "NUM" and _code(child) == _DERIVATION
    )


def _line(item: Dataset) -> str:
    name = _meaning(item)
    if item.ValueType == "CONTAINER":
        tracked = [str(child.TextValue) for child in item.get("ContentSequence", ()) if _code(child) == _TRACKING]
        return tracked[0] if _code(item) == _GROUP and tracked else name
    if item.ValueType == "NUM" and (one := _measurement(item)):
        return f"{named(one)}: {amount(one)}"
    return f"{name}: {_value(item)}"


def _measurement(item: Dataset) -> Measurement | None:
    """A number that a reader is told in words; None for a share, which keeps its decimals, and where there is none."""
    if not item.MeasuredValueSequence:
        return None
    measured = item.MeasuredValueSequence[0]
    unit = _coded(measured.MeasurementUnitsCodeSequence[0])
    derived = [child for child in item.get("ContentSequence", ()) if _code(child) == _DERIVATION]
    derivation = _coded(derived[0].ConceptCodeSequence[0]) if derived else None
    if unit.value == "%":
        return None
    return Measurement(_coded(item.ConceptNameCodeSequence[0]), float(measured.NumericValue), unit, derivation)


def _coded(item: Dataset) -> Code:
    return Code(str(item.CodeValue), str(item.CodingSchemeDesignator), str(item.CodeMeaning))


def _value(item: Dataset) -> str:
    if item.ValueType == "NUM":
        measured = item.MeasuredValueSequence[0] if item.MeasuredValueSequence else None
        return f"{float(measured.NumericValue):.6g} %" if measured else "no value"
    if item.ValueType == "CODE":
        return str(item.ConceptCodeSequence[0].CodeMeaning)
    return str(item.get("TextValue", item.ValueType))


def _meaning(item: Dataset) -> str:
    names: Any = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeMeaning) if names else str(item.ValueType)


def _code(item: Dataset) -> str:
    names: Any = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeValue) if names else ""
