"""The model's input where each image stands by itself: the radiographs of one series, as a viewer shows them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi

from dicom_node.attributes.files import Source, by_pydicom
from dicom_node.attributes.reader import Attributes, class_name, decimals_of, opened_image, text_of, title
from domain.errors import UnusableInput
from domain.findings import SourceFrame
from inference_worker.frames import check_pixels, told_apart
from inference_worker.pixels import decoded

Float = NDArray[np.float32]

_READ = [
    "SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "InstanceNumber", "SamplesPerPixel",
    "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence", "WindowCenter",
    "WindowWidth", "VOILUTFunction", "VOILUTSequence", "PixelSpacing", "ImagerPixelSpacing", "PixelData",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Picture:
    """One image, shape (rows, columns): `values` rescaled as stored, `shown` from 0 (black) to 1 (white) as displayed.

    `spacing` is the distance in mm between rows, then between columns, None where the image does not state it.
    """

    values: Float
    shown: Float
    source: SourceFrame
    spacing: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class Images:
    """The images of one series in the order of their instance numbers. `digest` is over values, display and frames.

    `remarks` are sentences that a reader of the results must know of how they were read.
    """

    pictures: tuple[Picture, ...]
    digest: str
    remarks: tuple[str, ...] = ()

    @property
    def frames(self) -> tuple[SourceFrame, ...]:
        """Where each picture was read."""
        return tuple(picture.source for picture in self.pictures)


def build(paths: Sequence[Source]) -> Images:
    """Every image of the files of one series; what is no image is left aside and named in the remarks.

    Raises UnusableInput for what is no single monochrome image, and names no person in it; Retryable where a file
    cannot be opened.
    """
    read = [opened_image(path, f"file {k} of {len(paths)}", _READ, pixels=True) for k, path in enumerate(paths, 1)]
    images, strangers = told_apart(read, [_no_image(one) for one in read])
    seen = sorted((_seen(one) for one in images), key=lambda one: one.place)
    pictures = tuple(one.picture for one in seen)
    return Images(pictures, _digest(pictures), (*strangers, *(said for one in seen for said in one.remarks)))


@dataclass(frozen=True, eq=False)
class _Seen:
    """A picture, by what its place in the series is told, and what is to be said of how it was read."""

    place: tuple[int, str]
    picture: Picture
    remarks: tuple[str, ...]


def _no_image(image: Attributes) -> str:
    """Why something is no image by its nature; empty where it is one, sound or not."""
    kind = class_name(image.text("SOPClassUID"))
    return "" if "Image Storage" in kind or "PixelData" in image.dataset else f"is no image but {kind}"


def _seen(image: Attributes) -> _Seen:
    check_pixels(image)
    if image.count_of_frames() != 1:
        raise UnusableInput(f"{image.name} has several frames; a single picture is wanted")
    size = image.whole("Rows", 1), image.whole("Columns", 1)
    values, ends = _values(decoded(image.dataset, 0, size, image.name), image)
    shown, remarks = _shown(values, ends, image)
    number = image.decimals_if_sound("InstanceNumber", 1)
    source = SourceFrame(image.text("SOPInstanceUID"))
    picture = Picture(np.asarray(values, np.float32), shown, source, _spacing(image))
    return _Seen((int(number[0]) if number else 0, source.sop_instance_uid), picture, remarks)


def _spacing(image: Attributes) -> tuple[float, float] | None:
    """mm between rows, between columns, in the patient or else on the detector."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        found = image.decimals_if_sound(keyword, 2)
        if found and min(found) > 0:
            return float(found[0]), float(found[1])
    return None


def _values(stored: NDArray[Any], image: Attributes) -> tuple[NDArray[Any], tuple[float, float]]:
    """What the stored values mean (PS3.3 C.11.1), and the least and the most that they could."""
    if "ModalityLUTSequence" in image.dataset:
        table, ends = _table(image, "ModalityLUTSequence")
        return by_pydicom(lambda: apply_modality_lut(stored, table), _unread(image, "ModalityLUTSequence")), ends
    # An empty one is as good as none, which is an identity; one that is broken leaves no meaning to the values.
    slope = image.number("RescaleSlope") if image.text("RescaleSlope") else 1.0
    intercept = image.number("RescaleIntercept") if image.text("RescaleIntercept") else 0.0
    if slope == 0:
        raise UnusableInput(f"{image.name} states a rescale slope of 0, which leaves no picture")
    bits, signed = image.whole("BitsStored", 1, 32), image.text("PixelRepresentation") == "1"
    least = -(2 ** (bits - 1)) if signed else 0
    # A negative slope turns the range around: the higher value of the two is the bright one all the same.
    low, high = sorted(end * slope + intercept for end in (least, least + 2**bits - 1))
    return stored * slope + intercept, (low, high)


def _shown(values: NDArray[Any], ends: tuple[float, float], image: Attributes) -> tuple[Float, tuple[str, ...]]:
    """What a viewer shows first: the first table or window (PS3.3 C.11.2), else the range that the bits can hold."""
    share, remarks = _display(values, ends, image)
    clipped = np.clip(share, 0, 1)
    turned = 1 - clipped if image.text("PhotometricInterpretation") == "MONOCHROME1" else clipped
    return np.asarray(turned, np.float32), remarks


def _display(
    values: NDArray[Any], ends: tuple[float, float], image: Attributes
) -> tuple[NDArray[Any], tuple[str, ...]]:
    remarks = []
    if "VOILUTSequence" in image.dataset:
        try:
            table, (low, high) = _table(image, "VOILUTSequence")
            seen = by_pydicom(lambda: apply_voi(_whole(values), table), _unread(image, "VOILUTSequence"))
            return (seen - low) / (high - low), ()
        except UnusableInput as error:
            remarks.append(f"{error}, and was not followed")
    centre, width = image.words("WindowCenter"), image.words("WindowWidth")
    if centre and width:
        window = [decimals_of(one) for one in (centre[0], width[0])]
        if window[0] and window[1] and window[1][0] >= 1:
            return windowed(values, window[0][0], window[1][0], image.text("VOILUTFunction")), tuple(remarks)
        remarks.append(f"{title('WindowWidth')} or Center of {image.name} is none that can be, and was not followed")
    return (values - ends[0]) / (ends[1] - ends[0]), tuple(remarks)


def _table(image: Attributes, keyword: str) -> tuple[Dataset, tuple[float, float]]:
    """The image as far as its table goes, and the least and the most that the table gives (PS3.3 C.11.1.1.1)."""
    (item, *_) = image.items(keyword) or (None,)
    descriptor = decimals_of(text_of(item, "LUTDescriptor")) if item is not None else None
    if item is None or descriptor is None or len(descriptor) != 3:
        raise UnusableInput(_unread(image, keyword))
    return image.dataset, (0.0, 2.0 ** int(descriptor[2]) - 1)


def _unread(image: Attributes, keyword: str) -> str:
    return f"{title(keyword)} of {image.name} cannot be read"


def _whole(values: NDArray[Any]) -> NDArray[Any]:
    return values if values.dtype.kind in "iu" else np.rint(values).astype(np.int32)


def windowed(values: NDArray[Any], centre: float, width: float, function: str) -> NDArray[Any]:
    """The share of white, 0 to 1, that a window gives (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(-4 * (values - centre) / width)))
    if function == "LINEAR_EXACT":
        return np.asarray((values - centre) / width + 0.5)
    # LINEAR counts the values that it spans: a width of one is a threshold.
    if width == 1:
        return np.asarray(values > centre - 0.5, np.float64)
    return np.asarray((values - (centre - 0.5)) / (width - 1) + 0.5)


def _digest(pictures: Sequence[Picture]) -> str:
    """SHA-256 (hex) of each picture's shape, values, display and frame, little-endian and in C order everywhere."""
    hasher = hashlib.sha256()
    for one in pictures:
        hasher.update(f"{one.values.shape} {one.source.sop_instance_uid}\n".encode("ascii"))
        for array in (one.values, one.shown):
            hasher.update(np.ascontiguousarray(array, "<f4").data)
    return hasher.hexdigest()
