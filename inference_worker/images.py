"""The model's input where each image stands by itself: the radiographs of one series, as a viewer shows them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import FileDataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from domain.errors import UnusableInput
from domain.findings import SourceFrame
from inference_worker.frames import DAMAGED, check_pixels, name_of, numbers, opened
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
    """The images of one series in the order of their instance numbers. `digest` is over values, display and frames."""

    pictures: tuple[Picture, ...]
    digest: str

    @property
    def frames(self) -> tuple[SourceFrame, ...]:
        """Where each picture was read."""
        return tuple(picture.source for picture in self.pictures)


def build(paths: Sequence[Path]) -> Images:
    """Every image of the files of one series.

    Raises UnusableInput for what is no single monochrome image, and names no person in it; Retryable where a file
    cannot be opened.
    """
    names = [f"file {number} of {len(paths)}" for number in range(1, len(paths) + 1)]
    datasets = [opened(path, name, _READ) for path, name in zip(paths, names, strict=True)]
    pictures = [_checked(dataset, name) for dataset, name in zip(datasets, names, strict=True)]
    order = sorted(range(len(pictures)), key=lambda k: (_number(datasets[k]), pictures[k].source.sop_instance_uid))
    sorted_pictures = tuple(pictures[k] for k in order)
    return Images(sorted_pictures, _digest(sorted_pictures))


def _number(dataset: FileDataset) -> int:
    return int(dataset.get("InstanceNumber") or 0)


def _checked(dataset: FileDataset, file: str) -> Picture:
    """The picture. pydicom converts a value when it is first asked for, so a malformed one shows here."""
    try:
        name = name_of(dataset)
        check_pixels(dataset, name)
        if int(dataset.get("NumberOfFrames") or 1) != 1:
            raise UnusableInput(f"{name} has several frames; a single picture is wanted")
        return _picture(dataset, name)
    except DAMAGED as error:
        raise UnusableInput(f"{file} has an attribute that cannot be read") from error


def _picture(dataset: FileDataset, name: str) -> Picture:
    stored = decoded(dataset, 0, (int(dataset.Rows), int(dataset.Columns)), name)
    values = apply_modality_lut(stored, dataset)
    spacing = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    rows, columns = numbers(spacing, 2, f"the pixel spacing of {name}") if spacing else (0.0, 0.0)
    return Picture(
        values=np.asarray(values, np.float32),
        shown=_shown(values, dataset),
        source=SourceFrame(str(dataset.SOPInstanceUID)),
        spacing=(rows, columns) if rows > 0 and columns > 0 else None,
    )


def _shown(values: NDArray[Any], dataset: FileDataset) -> Float:
    """What a viewer shows first: the first window or table (PS3.3 C.11.2), else the range that the bits can hold."""
    shown = np.asarray(apply_voi_lut(values, dataset), np.float32)
    low, high = _range(dataset)
    share = np.clip((shown - low) / (high - low), 0, 1)
    return np.asarray(1 - share if dataset.PhotometricInterpretation == "MONOCHROME1" else share)


def _range(dataset: FileDataset) -> tuple[float, float]:
    """Darkest and brightest value that the table or window gives, or that the bits can hold (PS3.3 C.11.2.1.2)."""
    for table in ("VOILUTSequence", "ModalityLUTSequence"):
        if dataset.get(table):
            return 0.0, 2.0 ** int(dataset[table][0].LUTDescriptor[2]) - 1
    bits = int(dataset.BitsStored)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dataset.PixelRepresentation else (0, 2**bits - 1)
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    return low * slope + intercept, high * slope + intercept


def _digest(pictures: Sequence[Picture]) -> str:
    """SHA-256 (hex) of each picture's shape, values, display and frame, little-endian and in C order everywhere."""
    hasher = hashlib.sha256()
    for one in pictures:
        hasher.update(f"{one.values.shape} {one.source.sop_instance_uid}\n".encode("ascii"))
        for array in (one.values, one.shown):
            hasher.update(np.ascontiguousarray(array, "<f4").data)
    return hasher.hexdigest()
