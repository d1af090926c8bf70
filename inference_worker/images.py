"""The model's input where each image stands by itself: the radiographs of a study, as a viewer shows them."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi

from dicom_node.attributes.files import Source, by_pydicom
from dicom_node.attributes.reader import Attributes, class_name, decimals_of, opened_image, text_of, title
from domain.errors import UnusableInput
from domain.findings import SourceFrame
from domain.image_names import series_names
from domain.image_order import ImagePlace, image_place, series_place
from domain.leaving import WayOut, names_leaving
from inference_worker.frames import check_pixels, told_apart
from inference_worker.pixels import decoded

Float = NDArray[np.float32]
T = TypeVar("T")
R = TypeVar("R")

_READ = names_leaving(WayOut.MODEL, [
    "SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "SeriesNumber", "InstanceNumber",
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence",
    "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", "PixelSpacing", "ImagerPixelSpacing",
    "PixelData", "BurnedInAnnotation",
])  # fmt: skip


@dataclass(frozen=True, eq=False)
class Picture:
    """One image, shape (rows, columns): `values` rescaled as stored, `shown` from 0 (black) to 1 (white) as displayed.

    `spacing` is the distance in mm between rows, then between columns, None where the image does not state it. `name`
    is what remarks call it. `burned_in` says that the image's header tells of text in its pixels (PS3.3 C.7.6.1.1).
    """

    values: Float
    shown: Float
    source: SourceFrame
    spacing: tuple[float, float] | None
    name: str = "an image"
    burned_in: bool = False


@dataclass(frozen=True, eq=False)
class Images:
    """The images in the order of domain/image_order.py. `digest` is over values, display and frames.

    `remarks` are sentences that a reader of the results must know of how they were read. `suitable` says that a
    package's guards have passed all of them.
    """

    pictures: tuple[Picture, ...]
    digest: str
    remarks: tuple[str, ...] = ()
    suitable: bool = False

    @property
    def frames(self) -> tuple[SourceFrame, ...]:
        """Where each picture was read."""
        return tuple(picture.source for picture in self.pictures)

    def suited(self, refuse: Callable[[Picture], None]) -> "Images":
        """Those of which `refuse` raises no UnusableInput; of the others the remarks say why they were left out.

        Raises what it raised of the first where none is left.
        """

        def passed_by(one: Picture) -> Picture:
            refuse(one)
            return one

        passed, refused = each_by_itself(self.pictures, passed_by)
        remarks = [f"{one.name} was left out: {error}" for one, error in refused]
        digest = _digest(passed) if refused else self.digest
        return Images(tuple(passed), digest, (*self.remarks, *remarks), suitable=True)


def each_by_itself(items: Iterable[T], read: Callable[[T], R]) -> tuple[list[R], list[tuple[T, UnusableInput]]]:
    """What `read` gives of each item, and those of which it raises UnusableInput with the error.

    Raises the first error where nothing is left.
    """
    found: list[R] = []
    failed: list[tuple[T, UnusableInput]] = []
    for one in items:
        try:
            found.append(read(one))
        except UnusableInput as error:
            failed.append((one, error))
    if failed and not found:
        raise failed[0][1]
    return found, failed


def build(paths: Sequence[Source]) -> Images:
    """Every image of the files, also of several series; what is none, or cannot be read, is named in the remarks.

    Where there are several series, a remark names that of an image. Raises UnusableInput where none is a single
    monochrome image, and names no person in it; Retryable where a file cannot be opened.
    """
    files = [(path, f"file {k} of {len(paths)}") for k, path in enumerate(paths, 1)]
    opened, damaged = each_by_itself(files, lambda one: opened_image(one[0], one[1], _READ, pixels=True))
    named = _with_series(opened)
    images, strangers = told_apart(named, [_no_image(one) for one in named])
    read, broken = each_by_itself(images, _seen)
    seen = sorted(read, key=lambda one: one.place)
    pictures = tuple(one.picture for one in seen)
    errors = [*(error for _, error in damaged), *(error for _, error in broken)]
    left_out = [f"{error}; the image was left out" for error in errors]
    return Images(pictures, _digest(pictures), (*strangers, *left_out, *(said for one in seen for said in one.remarks)))


@dataclass(frozen=True, eq=False)
class _Seen:
    """A picture, with its place among the others and what is to be said of how it was read."""

    place: ImagePlace
    picture: Picture
    remarks: tuple[str, ...]


def _with_series(images: Sequence[Attributes]) -> list[Attributes]:
    """The images, called by their series too where they lie in several."""
    series = {image.text("SeriesInstanceUID"): _number(image, "SeriesNumber") for image in images}
    if len(series) < 2:
        return list(images)
    names = series_names(series)
    return [replace(one, name=f"{names[one.text('SeriesInstanceUID')]}, {one.name}") for one in images]


def _number(image: Attributes, keyword: str) -> int | None:
    number = image.decimals_if_sound(keyword, 1)
    return int(number[0]) if number else None


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
    source = SourceFrame(image.text("SOPInstanceUID"))
    burned_in = image.text("BurnedInAnnotation").upper() == "YES"
    picture = Picture(np.asarray(values, np.float32), shown, source, _spacing(image), image.name, burned_in)
    series = series_place(_number(image, "SeriesNumber"), image.text("SeriesInstanceUID"))
    place = image_place(series, _number(image, "InstanceNumber"), source.sop_instance_uid)
    return _Seen(place, picture, remarks)


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
