"""One frame of a source as a viewer first shows it: 8 bits, the source's own window, black as black.

A frame is decoded without the others of its instance, and whatever its values are, they go through a table of at most
65,536 entries, so that a large radiograph costs little more than its pixels.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.pixels.utils import pixel_array
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dicom_node.attributes import codestreams, jpeg
from dicom_node.attributes.files import opened, read_with
from domain.errors import Retryable, UnusableInput
from sr_writer.source import Frame

Grey = NDArray[np.uint8]

# Besides group 0028, which comes with the pixels.
_READ = (
    "Modality", "BodyPartExamined", "PatientOrientation", "ImageOrientationPatient", "ImagerPixelSpacing",
    "NominalScannedPixelSpacing", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
_WINDOW = [
    "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
_TAGS = [int(Tag(keyword)) for keyword in _READ]
# The functional groups that say how a frame is shown (PS3.3 C.7.6.16.2).
_MACROS = (
    "PixelValueTransformationSequence", "FrameVOILUTSequence", "PixelMeasuresSequence", "PlaneOrientationSequence",
)  # fmt: skip

_DAMAGED = (
    AttributeError, EOFError, IndexError, KeyError, NotImplementedError, OverflowError, RuntimeError, TypeError,
    ValueError, struct.error, zlib.error, BytesLengthException, InvalidDicomError,
)  # fmt: skip

# HU: centre and width, where a CT states none. What has much of lung's density is looked at as a lung.
_SOFT_TISSUE, _LUNG = (40.0, 400.0), (-600.0, 1500.0)
_LUNG_HU, _LUNG_SHARE = (-950.0, -500.0), 0.1
_ENDS = (0.5, 99.5)  # percentiles that are black and white where nothing states a window
_SAMPLE = 1 << 16  # values that percentiles are taken from

jpeg.register()
codestreams.register()


@dataclass(frozen=True, eq=False)
class Display:
    """One frame as it is shown: `pixels` are (rows, columns), or (rows, columns, 3) in colour.

    `aspect` is the height of a pixel over its width, `step` how wide it is in mm, None where nothing says, and
    `on_detector` that it is so on the detector and not in the patient. `window` is centre and width of what is black to
    white, None where a table says; `window_said` is what is said in place of these. `burned_in` is what the image says
    of names in its pixels, "" where it says nothing. `edges` says which way of the patient the left, right, top and
    bottom edges lie ("R", "L", "A", "P"), "" each where the source does not state it.
    """

    pixels: Grey
    aspect: float
    edges: tuple[str, str, str, str]
    window: tuple[float, float] | None = None
    step: float | None = None
    on_detector: bool = False
    burned_in: str = ""
    window_said: str = ""


@dataclass(frozen=True)
class Shared:
    """A window (centre and width) of values times `factor`, instead of the frame's own; whether low is white."""

    window: tuple[float, float]
    factor: float = 1.0
    inverse: bool = False


@dataclass(frozen=True)
class _Window:
    """How wide and where a window is, and what it makes of values: black is 0, white 1."""

    centre: float
    width: float
    share: Callable[[NDArray[Any]], NDArray[Any]]


def display(frame: Frame, named: bool = False, shared: Shared | None = None) -> Display:
    """The frame, decoded; in the window that it shares with others of its series, where there is one.

    Raises UnusableInput where its pixels cannot be decoded or, unless they may be `named`, have the patient's identity
    in them; Retryable where its file cannot be opened.
    """
    try:
        stored, header = _decoded(frame)
        _flatten(header, frame.number)
        burned_in = str(header.get("BurnedInAnnotation") or "").upper()
        if burned_in == "YES" and not named:
            raise UnusableInput("its pixels say that they name the patient (Burned In Annotation)")
        pixels, window = _shown(stored, header, shared)
        return Display(pixels, _aspect(header), _edges(header), window, *_step(header), burned_in)
    except OSError as error:
        raise Retryable(f"a source file cannot be opened: {error.strerror}") from error
    except _DAMAGED as error:
        uid = frame.instance.sop_instance_uid
        raise UnusableInput(f"its pixels cannot be decoded (SOP Instance UID {uid})") from error


def _decoded(frame: Frame) -> tuple[NDArray[Any], Dataset]:
    """The frame's values (colour as RGB, but for a palette's), and the attributes that say how they are shown."""
    header, path, index = Dataset(), frame.instance.file, frame.number - 1
    meta = opened(path, "a file of the source", ["SOPInstanceUID"]).file_meta
    if meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:  # not readable in parts
        header = dcmread(path)
        return pixel_array(header, index=index), header
    stored = read_with(path, lambda file: pixel_array(file, index=index, ds_out=header, specific_tags=_TAGS))
    return stored, header


def _flatten(header: Dataset, number: int) -> None:
    """Put what the functional groups say of frame `number` where a single-frame image has it."""
    frames, shared = header.get("PerFrameFunctionalGroupsSequence"), header.get("SharedFunctionalGroupsSequence")
    for group in (*(shared or ())[:1], *(frames or ())[number - 1 : number]):
        for macro in _MACROS:
            if group.get(macro):
                header.update(group[macro].value[0])


def frame_window(frame: Frame) -> tuple[float, float] | None:
    """The window that the frame states, None where it states none that can be used, or a table."""
    try:
        header = opened(frame.instance.file, "a file of the source", _WINDOW)
        _flatten(header, frame.number)
        found = None if header.get("VOILUTSequence") else _stated_window(header)
    except _DAMAGED:
        return None
    return (found.centre, found.width) if found else None


def pooled_window(frames: Sequence[Frame]) -> tuple[float, float] | None:
    """A window by what all of the frames show; None where that cannot be: colour, a table, pixels that are damaged."""
    seen = []
    try:
        for frame in frames:
            stored, header = _decoded(frame)
            _flatten(header, frame.number)
            if stored.ndim == 3 or header.PhotometricInterpretation == "PALETTE COLOR" or header.get("VOILUTSequence"):
                return None
            seen.append(_modality_values(_sampled(stored, header), header))
        found = _window_of(np.concatenate(seen), header)
    except OSError as error:
        raise Retryable(f"a source file cannot be opened: {error.strerror}") from error
    except _DAMAGED:
        return None
    return found.centre, found.width


def _shown(stored: NDArray[Any], header: Dataset, shared: Shared | None) -> tuple[Grey, tuple[float, float] | None]:
    """The frame in 8 bits, and the window that made them."""
    if stored.ndim == 3:
        return _eight_bits(stored, int(header.BitsStored)), None
    if header.PhotometricInterpretation == "PALETTE COLOR":
        bits = int(header.RedPaletteColorLookupTableDescriptor[2])
        return _eight_bits(apply_color_lut(stored, header), bits), None
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    inside = _inside(header)
    window = _linear(*shared.window) if shared else _window(header, _modality_values(_sampled(stored, header), header))
    look = _look(header, window, shared)
    said = (window.centre, window.width) if window else None
    return _by_table(stored, lambda values: np.where(inside(values), look(values), np.uint8(0))), said


def _sampled(stored: NDArray[Any], header: Dataset) -> NDArray[Any]:
    """Some of the values that are of the patient, of all where none is."""
    sample = stored.reshape(-1)[:: max(1, stored.size // _SAMPLE)]
    seen = sample[_inside(header)(sample)]
    return seen if seen.size else sample


def _by_table(stored: NDArray[Any], look: Callable[[NDArray[Any]], Grey]) -> Grey:
    """`look` of each value; of small integers, of every value that there can be, then looked up."""
    if stored.dtype.kind not in "iu" or stored.dtype.itemsize > 2:
        return look(stored)
    unsigned = np.dtype(f"u{stored.dtype.itemsize}")
    every = np.arange(1 << 8 * unsigned.itemsize).astype(unsigned).view(stored.dtype)
    return np.take(look(every), stored.view(unsigned))


def _inside(header: Dataset) -> Callable[[NDArray[Any]], NDArray[np.bool_]]:
    """Which stored values are of the patient: not Pixel Padding Value, nor in its range (PS3.3 C.7.5.1.1.2)."""
    padding, limit = header.get("PixelPaddingValue"), header.get("PixelPaddingRangeLimit")
    if padding is None:
        return lambda values: np.ones(values.shape, np.bool_)
    low, high = sorted((int(padding), int(padding if limit is None else limit)))
    return lambda values: (values < low) | (values > high)


def _window(header: Dataset, seen: NDArray[Any]) -> _Window | None:
    """The window, None where a table stands for one; `seen` are values after the modality's table or rescale."""
    return None if header.get("VOILUTSequence") else _stated_window(header) or _window_of(seen, header)


def _look(header: Dataset, window: _Window | None, shared: Shared | None) -> Callable[[NDArray[Any]], Grey]:
    """What makes a grey of stored values: table or window (PS3.3 C.11.2), MONOCHROME1 turned around."""
    inverse = shared.inverse if shared else header.PhotometricInterpretation == "MONOCHROME1"
    factor = shared.factor if shared else 1.0

    def look(values: NDArray[Any]) -> Grey:
        meant = _modality_values(values, header) * factor
        share = window.share(meant) if window else _through_table(meant, header)
        share = np.clip(share, 0, 1)
        return np.asarray(np.round((1 - share if inverse else share) * 255), np.uint8)

    return look


def _modality_values(values: NDArray[Any], header: Dataset) -> NDArray[Any]:
    """Stored values after the modality's table or rescale (PS3.3 C.11.1)."""
    wide = values.astype(np.int64) if values.dtype.kind in "iu" else values
    return apply_modality_lut(wide, header)


def _through_table(values: NDArray[Any], header: Dataset) -> NDArray[Any]:
    """The first VOI table's output, 0 to 1."""
    bits = int(header.VOILUTSequence[0].LUTDescriptor[2])
    return apply_voi(np.round(values).astype(np.int64), header) / float((1 << bits) - 1)


def _stated_window(header: Dataset) -> _Window | None:
    """The source's first window, where it has one that can be used."""
    centres, widths = _numbers(header.get("WindowCenter")), _numbers(header.get("WindowWidth"))
    if not centres or not widths or not widths[0] > 0:
        return None
    centre, width = centres[0], widths[0]
    function = str(header.get("VOILUTFunction") or "LINEAR")
    if function == "SIGMOID":
        return _Window(
            centre, width, lambda values: 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -500, 500)))
        )
    # PS3.3 C.11.2.1.2.1; a window of width 1 is a threshold.
    exact = _linear(centre, width) if function == "LINEAR_EXACT" else _linear(centre - 0.5, max(width - 1, 1e-6))
    return _Window(centre, width, exact.share)


def _linear(centre: float, width: float) -> _Window:
    return _Window(centre, width, lambda values: (values - centre) / width + 0.5)


def _window_of(seen: NDArray[Any], header: Dataset) -> _Window:
    """A window by what is seen: of a CT by tissue, of everything else from its darkest to its brightest part."""
    if header.get("Modality") == "CT" and header.get("RescaleType", "HU") in ("HU", "US"):
        low, high = _LUNG_HU
        body = seen[seen > low]
        lung = body.size > 0 and np.count_nonzero(body < high) > _LUNG_SHARE * body.size
        return _linear(*(_LUNG if lung else _SOFT_TISSUE))
    low, high = (float(value) for value in np.percentile(seen, _ENDS))
    if not high > low:  # hardly anything but background
        low, high = float(seen.min()), float(seen.max())
    return _linear((low + high) / 2, max(high - low, 1e-6))


def _eight_bits(colour: NDArray[Any], bits: int) -> Grey:
    return colour if bits == 8 and colour.dtype == np.uint8 else np.asarray(colour >> max(0, bits - 8), np.uint8)


def _aspect(header: Dataset) -> float:
    """Height of a pixel over its width (PS3.3 10.7.1.3, C.7.6.3.1.7)."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"):
        stated = _numbers(header.get(keyword))
        if len(stated) == 2 and min(stated) > 0:
            return stated[0] / stated[1]
    return 1.0


def _step(header: Dataset) -> tuple[float | None, bool]:
    """How wide a pixel is (mm), and whether that is on the detector alone (PS3.3 10.7.1.3, C.8.7.10)."""
    for keyword, on_detector in (("PixelSpacing", False), ("ImagerPixelSpacing", True)):
        stated = _numbers(header.get(keyword))
        if len(stated) == 2 and min(stated) > 0:
            return stated[1], on_detector
    return None, False


def _edges(header: Dataset) -> tuple[str, str, str, str]:
    """By the direction cosines (PS3.3 C.7.6.2.1.1), else by Patient Orientation, which names right and bottom."""
    cosines = _numbers(header.get("ImageOrientationPatient"))
    stated = header.get("PatientOrientation") or ""
    if len(cosines) == 6:
        right, bottom = _letters(cosines[:3]), _letters(cosines[3:])
    else:
        right, bottom = map(str, stated) if not isinstance(stated, str) and len(stated) == 2 else ("", "")
    return _opposite(right), right, _opposite(bottom), bottom


def _letters(direction: Sequence[float]) -> str:
    """The ways of the patient that a direction goes, the one that it goes most first."""
    parts = sorted(zip(direction, ("LR", "PA", "HF"), strict=True), key=lambda one: -abs(one[0]))
    return "".join(letters[value < 0] for value, letters in parts if abs(value) > 0.35)


def _opposite(letters: str) -> str:
    return letters.translate(str.maketrans("LRAPHF", "RLPAFH"))


def _numbers(value: Any) -> list[float]:
    """The numbers of a value of any multiplicity."""
    several = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    return [float(one) for one in several if one not in (None, "")]
