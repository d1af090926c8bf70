"""Reads DICOM files into frames: what is needed to place, decode and scale each slice, and nothing else.

The attributes that are read are named in `_READ`; identity is not among them, so it never becomes part of a frame.
Classic images state their geometry at the top level (PS3.3 C.7.6.2), enhanced ones in functional groups, shared or
per frame (PS3.3 C.7.6.16).
"""

import math
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset, FileDataset, dcmread, uid
from pydicom.errors import BytesLengthException, InvalidDicomError

from domain.errors import Retryable, UnusableInput
from domain.findings import SourceFrame
from inference_worker.geometry import Plane

Lookup = Callable[[str, str], Any]

_READ = [
    "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "FrameOfReferenceUID",
    "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelData",
]  # fmt: skip

# Images whose planes lie in the patient's space and whose values a model may compare.
_SLICES = frozenset({
    uid.CTImageStorage, uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage,
    uid.MRImageStorage, uid.EnhancedMRImageStorage, uid.LegacyConvertedEnhancedMRImageStorage,
    uid.PositronEmissionTomographyImageStorage, uid.EnhancedPETImageStorage, uid.LegacyConvertedEnhancedPETImageStorage,
})  # fmt: skip

# What pydicom raises, on reading or on the first use of an element, for bytes that are not what they claim to be.
DAMAGED = (
    ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError, NotImplementedError, RuntimeError,
    EOFError, struct.error, zlib.error, BytesLengthException, InvalidDicomError,
)  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """Stored value to output unit: stored x slope + intercept (PS3.3 C.11.1)."""

    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice, not decoded yet. `dataset` holds the pixel data of its instance, of which this is frame `index`."""

    source: SourceFrame
    plane: Plane
    scale: Scale
    dataset: FileDataset
    index: int


def read(paths: Sequence[Path]) -> list[Frame]:
    """Every frame of the files, in the order of `paths`; each file is read once.

    Raises UnusableInput for what cannot be a slice of one volume, Retryable where a file cannot be opened.
    """
    names = [f"file {number} of {len(paths)}" for number in range(1, len(paths) + 1)]
    datasets = [opened(path, name, _READ) for path, name in zip(paths, names, strict=True)]
    frames = [frame for dataset, name in zip(datasets, names, strict=True) for frame in _checked(dataset, name)]
    _same(datasets, "SeriesInstanceUID", "the images belong to {} series; one is wanted")
    _same(datasets, "FrameOfReferenceUID", "the images lie in {} frames of reference; their positions do not compare")
    return frames


def opened(path: Path, name: str, tags: Sequence[str]) -> FileDataset:
    """The elements `tags` of the file at `path`, which is called `name` in errors; raises as `read` does."""
    try:
        dataset = dcmread(path, specific_tags=list(tags))
    except InvalidDicomError as error:
        raise UnusableInput(f"{name} is not a DICOM file") from error
    except OSError as error:
        raise Retryable(f"{name} cannot be opened: {error.strerror}") from error
    except DAMAGED as error:
        raise UnusableInput(f"{name} is truncated or damaged") from error
    # Of a file that ends within encapsulated pixel data, pydicom returns no element at all.
    if not dataset.get("SOPInstanceUID"):
        raise UnusableInput(f"{name} is truncated or damaged: it names no instance")
    return dataset


def _checked(dataset: FileDataset, file: str) -> list[Frame]:
    """The instance's frames. pydicom converts a value when it is first asked for, so a malformed one shows here."""
    try:
        _check(dataset)
        return list(_frames(dataset))
    except DAMAGED as error:
        raise UnusableInput(f"{file} has an attribute that cannot be read") from error


def _check(dataset: FileDataset) -> None:
    """Refuse what is not a slice image that the pixel decoders can be asked for."""
    name = name_of(dataset)
    kind = uid.UID(str(dataset.get("SOPClassUID", "")))
    if kind not in _SLICES:
        raise UnusableInput(f"{name} is not a CT, MR or PET slice but {kind.name or 'of no stated class'}")
    for word, what in (("LOCALIZER", "a localizer (scout)"), ("MOSAIC", "a mosaic of many slices in one image")):
        if word in _words(dataset):
            raise UnusableInput(f"{name} is {what}, which is no slice of a volume")
    check_pixels(dataset, name)


# PS3.3 C.7.6.3.1.2; what stands there else may be anything, and is not repeated.
_COLOURS = frozenset(
    {"PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"}
)


def check_pixels(dataset: FileDataset, name: str) -> None:
    """Refuse what the pixel decoders cannot be asked for."""
    if "PixelData" not in dataset or not dataset.file_meta.get("TransferSyntaxUID"):
        raise UnusableInput(f"{name} has no pixel data, or does not state their encoding")
    photometric = str(dataset.get("PhotometricInterpretation"))
    if dataset.get("SamplesPerPixel", 1) != 1 or not photometric.startswith("MONO"):
        raise UnusableInput(f"{name} is a colour image" + (f" ({photometric})" if photometric in _COLOURS else ""))
    # PS3.5 8.1.1. Older objects could place the value elsewhere in its cell; none of the decoders looks there.
    if dataset.get("HighBit") != dataset.get("BitsStored", 0) - 1:
        raise UnusableInput(f"{name} stores its values in an unusual place of the cell (High Bit)")


def _words(dataset: Dataset) -> list[str]:
    value = dataset.get("ImageType") or []
    return [value] if isinstance(value, str) else [str(word) for word in value]


def _same(datasets: Sequence[Dataset], keyword: str, sentence: str) -> None:
    """An absent value counts as a value: de-identified series have lost it in all of their images alike."""
    values = {str(dataset.get(keyword, "")) for dataset in datasets}
    if len(values) > 1:
        raise UnusableInput(sentence.format(len(values)))


def name_of(dataset: Dataset) -> str:
    """What errors call an instance."""
    number = dataset.get("InstanceNumber")
    return f"image {number}" if number is not None else f"instance {dataset.SOPInstanceUID}"


def _frames(dataset: FileDataset) -> Iterator[Frame]:
    """The instance's frames. A classic image is its own only functional group."""
    name = name_of(dataset)
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        if int(dataset.get("NumberOfFrames") or 1) != 1:
            raise UnusableInput(f"{name} has several frames but no functional groups that say where they lie")
        yield _frame(dataset, 0, name, lambda macro, keyword: dataset.get(keyword))
        return
    groups = dataset.PerFrameFunctionalGroupsSequence
    if len(groups) != int(dataset.get("NumberOfFrames") or 1):
        raise UnusableInput(f"{name} describes {len(groups)} frames and has {dataset.get('NumberOfFrames') or 1}")
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
    for index, group in enumerate(groups):
        yield _frame(dataset, index, f"frame {index + 1} of {name}", _lookup([group, *shared[:1]]))


def _lookup(groups: Sequence[Dataset]) -> Lookup:
    """Attribute `keyword` of macro `macro`, from the first of the groups that has the macro (PS3.3 C.7.6.16.1)."""

    def find(macro: str, keyword: str) -> Any:
        for group in groups:
            if group.get(macro):
                return group[macro][0].get(keyword)
        return None

    return find


def _frame(dataset: FileDataset, index: int, name: str, find: Lookup) -> Frame:
    rows, columns = numbers((dataset.get("Rows"), dataset.get("Columns")), 2, f"the size of {name}")
    return Frame(
        source=SourceFrame(str(dataset.SOPInstanceUID), index + 1),
        plane=Plane(
            name=name,
            position=numbers(find("PlanePositionSequence", "ImagePositionPatient"), 3, f"the position of {name}"),
            orientation=numbers(
                find("PlaneOrientationSequence", "ImageOrientationPatient"), 6, f"the orientation of {name}"
            ),
            spacing=numbers(find("PixelMeasuresSequence", "PixelSpacing"), 2, f"the pixel spacing of {name}"),
            size=(int(rows), int(columns)),
        ),
        scale=_scale(dataset, name, find),
        dataset=dataset,
        index=index,
    )


def _scale(dataset: Dataset, name: str, find: Lookup) -> Scale:
    """The frame's rescale; a CT without one is refused, since its values would be taken for HU (PS3.3 C.8.2.1)."""
    if "ModalityLUTSequence" in dataset:
        raise UnusableInput(f"{name} maps its values through a table (Modality LUT), which is not read")
    macro = "PixelValueTransformationSequence"
    stated = (find(macro, "RescaleSlope"), find(macro, "RescaleIntercept"))
    if stated == (None, None) and dataset.get("Modality") != "CT":
        return Scale()
    slope, intercept = numbers(stated, 2, f"the rescale of {name}")
    # US is "unspecified"; writers of CT put it where they mean HU. Anything else is an energy or material map.
    unit = find(macro, "RescaleType") or "HU"
    if dataset.get("Modality") == "CT" and unit not in ("HU", "US"):
        raise UnusableInput(f"the values of {name} are not HU but {unit}")
    if slope == 0:
        raise UnusableInput(f"{name} states a rescale slope of 0, which leaves no picture")
    return Scale(slope, intercept)


def numbers(value: Any, count: int, what: str) -> tuple[float, ...]:
    """`value` as `count` finite numbers; raises UnusableInput where it is absent or not that."""
    try:
        numbers = tuple(float(number) for number in value)
    except TypeError as error:
        raise UnusableInput(f"{what} is not stated") from error
    except ValueError as error:
        raise UnusableInput(f"{what} is not {count} numbers") from error
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise UnusableInput(f"{what} is not {count} numbers")
    return numbers
