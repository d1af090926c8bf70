"""How a source has its pixels shown: what of it a presentation state has to repeat.

A state replaces the whole greyscale pipeline of the images that it refers to; what it leaves out is an identity, and
the image's own value does not count (PS3.4 section N.2.1). Only numbers are taken over, no text.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from dicom_node.attributes.files import opened
from dicom_node.attributes.reader import decimals_of, items_of, text_of
from sr_writer.source import Frame, Instance

_READ = [
    "SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation", "RescaleIntercept", "RescaleSlope",
    "RescaleType", "ModalityLUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence",
    "PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
# What pydicom raises on the first use of a value that is not what its VR says.
_WRONG = (AttributeError, IndexError, KeyError, NotImplementedError, OverflowError, TypeError, ValueError)
_RESCALE_TYPES = frozenset({"OD", "HU", "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"})
_FUNCTIONS = frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"})


@dataclass(frozen=True, eq=False)
class Rendering:
    """How one frame becomes grey, as attributes of a presentation state.

    `inverse` says that its low values are the bright ones. `modality` holds the Modality LUT (PS3.3 C.11.1), empty
    where the source has none; `voi` the first window or table of the source's (C.11.8), None where there is none;
    `shape` the physical size of its pixels or their aspect ratio (C.10.4).
    """

    inverse: bool
    modality: Dataset
    voi: Dataset | None
    shape: Dataset


def renderings(frames: Iterable[Frame]) -> dict[Frame, Rendering]:
    """The rendering of each frame that is greyscale; others are left out.

    A value that cannot be read counts as absent. Raises Retryable where a file cannot be opened.
    """
    headers: dict[Instance, Dataset] = {}
    for frame in frames:
        if frame.instance not in headers:
            headers[frame.instance] = _header(frame.instance)
    found = ((frame, headers[frame.instance]) for frame in frames)
    return {frame: _rendering(header, frame.number) for frame, header in found if _is_grey(header)}


def window_item(centre: float, width: float) -> Dataset:
    """A window (PS3.3 C.11.2.1.3.2), by values after the Modality LUT."""
    made = Dataset()
    made.WindowCenter, made.WindowWidth = map(format_number_as_ds, (float(centre), float(width)))
    made.VOILUTFunction = "LINEAR_EXACT"
    return made


def _header(instance: Instance) -> Dataset:
    return opened(instance.file, "a file of the source", _READ)


def _is_grey(header: Dataset) -> bool:
    return (text_of(header, "PhotometricInterpretation") or "MONOCHROME2").startswith("MONOCHROME")


def _rendering(header: Dataset, number: int) -> Rendering:
    # The photometric interpretation is overridden like the rest, so the state has to say it anew (PS3.3 C.11.6 note).
    inverse = text_of(header, "PhotometricInterpretation") == "MONOCHROME1"
    return Rendering(inverse, _modality(header, number), _voi(header, number), _shape(header, number))


def _modality(header: Dataset, number: int) -> Dataset:
    made = Dataset()
    slope = _first(header, number, "PixelValueTransformationSequence", "RescaleSlope")
    intercept = _first(header, number, "PixelValueTransformationSequence", "RescaleIntercept")
    if slope and intercept and slope[0]:
        made.RescaleSlope, made.RescaleIntercept = map(format_number_as_ds, (slope[0], intercept[0]))
        stated = _words(header, number, "PixelValueTransformationSequence", "RescaleType")
        made.RescaleType = stated if stated in _RESCALE_TYPES else "US"
    elif table := _table(header, "ModalityLUTSequence"):
        table.ModalityLUTType = "US"
        made.ModalityLUTSequence = [table]
    return made


def _voi(header: Dataset, number: int) -> Dataset | None:
    made = Dataset()
    centre = _first(header, number, "FrameVOILUTSequence", "WindowCenter")
    width = _first(header, number, "FrameVOILUTSequence", "WindowWidth")
    if centre and width and width[0] > 0:
        made.WindowCenter, made.WindowWidth = map(format_number_as_ds, (centre[0], width[0]))
        function = _words(header, number, "FrameVOILUTSequence", "VOILUTFunction")
        if function in _FUNCTIONS:
            made.VOILUTFunction = function
    elif table := _table(header, "VOILUTSequence"):
        made.VOILUTSequence = [table]
    return made if len(made) else None


def _shape(header: Dataset, number: int) -> Dataset:
    """The spacing in the patient; of one on a detector only the ratio, for it measures nothing in the patient."""
    made = Dataset()
    spacing = _pair(_first(header, number, "PixelMeasuresSequence", "PixelSpacing"))
    if spacing:
        made.PresentationPixelSpacing = [format_number_as_ds(one) for one in spacing]
        return made
    vertical, horizontal = (
        _pair(_numbers(header, "ImagerPixelSpacing")) or _pair(_numbers(header, "PixelAspectRatio")) or (1, 1)
    )
    parts = (1, 1) if vertical == horizontal else (round(1000 * vertical / horizontal), 1000)
    made.PresentationPixelAspectRatio = list(parts)
    return made


def _pair(values: list[float]) -> tuple[float, float] | None:
    return (values[0], values[1]) if len(values) == 2 and min(values) > 0 else None


def _table(header: Dataset, keyword: str) -> Dataset | None:
    """The first lookup table of a sequence (PS3.3 C.11.1.1, C.11.2.1), its data as little-endian words."""
    try:
        item = header[keyword].value[0]
        made = Dataset()
        made.add(item["LUTDescriptor"])
        words = item.LUTData
        if not isinstance(words, bytes):
            words = np.asarray(words, "<u2").tobytes()
        elif not header.original_encoding[1]:
            words = np.frombuffer(words, ">u2").astype("<u2").tobytes()
        made.add_new("LUTData", "OW", words)
    except _WRONG:
        return None
    return made if words else None


def _first(header: Dataset, number: int, macro: str, keyword: str) -> list[float]:
    """The numbers of an attribute: those of the frame's own functional group, of the shared ones, of the image."""
    return next(filter(None, (_numbers(one, keyword) for one in _holders(header, number, macro))), [])


def _words(header: Dataset, number: int, macro: str, keyword: str) -> str:
    return next(filter(None, (text_of(one, keyword) for one in _holders(header, number, macro))), "")


def _holders(header: Dataset, number: int, macro: str) -> Iterator[Dataset]:
    """Where an attribute of frame `number` may stand (PS3.3 C.7.6.16.1), the closest place first."""
    for groups in items_of(header, "PerFrameFunctionalGroupsSequence")[number - 1 : number]:
        yield from items_of(groups, macro)[:1]
    for groups in items_of(header, "SharedFunctionalGroupsSequence")[:1]:
        yield from items_of(groups, macro)[:1]
    yield header


def _numbers(dataset: Dataset, keyword: str) -> list[float]:
    """The finite numbers of an attribute, none where one of them is not."""
    return [float(one) for one in decimals_of(text_of(dataset, keyword)) or ()]
