"""Reads DICOM files into frames: what is needed to place, decode and scale each slice, and nothing else.

The attributes that are read are named in `_READ`; identity is not among them, so it never becomes part of a frame.
Classic images state their geometry at the top level (PS3.3 C.7.6.2), enhanced ones in functional groups, shared or
per frame (PS3.3 C.7.6.16).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom import Dataset, uid

from dicom_node.attributes.files import Source
from dicom_node.attributes.reader import Attributes, class_name, numbers_of, opened_image, shown, text_of, title
from domain.errors import UnusableInput
from domain.findings import SourceFrame
from domain.image_names import ImageName
from domain.leaving import WayOut, names_leaving
from inference_worker.geometry import Plane

_READ = names_leaving(WayOut.MODEL, [
    "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "FrameOfReferenceUID",
    "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelData",
])  # fmt: skip

# Images whose planes lie in the patient's space and whose values a model may compare.
_SLICES = frozenset({
    uid.CTImageStorage, uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage,
    uid.MRImageStorage, uid.EnhancedMRImageStorage, uid.LegacyConvertedEnhancedMRImageStorage,
    uid.PositronEmissionTomographyImageStorage, uid.EnhancedPETImageStorage, uid.LegacyConvertedEnhancedPETImageStorage,
})  # fmt: skip

_POSITION, _VALUES = "PlanePositionSequence", "PixelValueTransformationSequence"
# Strangers that a remark names one by one.
_MOST_NAMED = 3


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
    dataset: Dataset
    index: int


@dataclass(frozen=True, eq=False)
class Slices:
    """The frames of one series, and in `remarks` what a reader of the results has to know of what was read."""

    frames: tuple[Frame, ...]
    remarks: tuple[str, ...] = ()


def read(paths: Sequence[Source], own_frames_of_reference: bool = False) -> Slices:
    """Every frame of the files, in the order of `paths`; each file is read once.

    What is no slice by its nature (a scout, a structure set, an image without a place) is left aside and named. With
    `own_frames_of_reference` images are read together each of which names a frame of reference of its own. Raises
    UnusableInput for what cannot be a slice of one volume, Retryable where a file cannot be opened.
    """
    images = [opened_image(path, f"file {k} of {len(paths)}", _READ, pixels=True) for k, path in enumerate(paths, 1)]
    slices, strangers = told_apart(images, [_no_slice(one) for one in images])
    _refuse_several_series(slices)
    remarks = _frames_of_reference(slices, own_frames_of_reference)
    return Slices(tuple(frame for one in slices for frame in _frames(one)), (*strangers, *remarks))


def called(frame: Frame) -> str:
    """`image 30`, `image 1 frame 12`: a slice as its viewer names it."""
    number = numbers_of(text_of(frame.dataset, "InstanceNumber"))
    several = frame.dataset.get("NumberOfFrames") is not None
    return ImageName(int(number[0]) if number else None, frame.source.frame_number if several else None).short


def told_apart(images: Sequence[Attributes], strange: Sequence[str]) -> tuple[tuple[Attributes, ...], tuple[str, ...]]:
    """The images that belong to a series, for which `strange` is empty; and who the others are, what each is given.

    Raises UnusableInput, which says it of the first, where all are strangers.
    """
    by_what: dict[str, list[str]] = {}
    for one, what in zip(images, strange, strict=True):
        by_what.setdefault(what, []).append(one.name)
    belonging = tuple(one for one, what in zip(images, strange, strict=True) if not what)
    if images and not belonging:
        raise UnusableInput(f"{images[0].name} {strange[0]}")
    return belonging, tuple(_left_aside(names, what) for what, names in by_what.items() if what)


def _left_aside(names: Sequence[str], what: str) -> str:
    if len(names) == 1:
        return f"{names[0]} was left aside: it {what}"
    more = len(names) - _MOST_NAMED
    return f"{', '.join(names[:_MOST_NAMED])}{f' and {more} more' if more > 0 else ''} were left aside: each {what}"


def _no_slice(image: Attributes) -> str:
    """Why an image is no slice of a volume by its nature; empty where it is one, sound or not."""
    kind = image.text("SOPClassUID")
    if kind not in _SLICES:
        return f"is not a CT, MR or PET slice but {class_name(kind)}"
    for word, what in (("LOCALIZER", "a localizer (scout)"), ("MOSAIC", "a mosaic of many slices in one image")):
        if word in image.words("ImageType"):
            return f"is {what}, which is no slice of a volume"
    placed = any(image.frame(number).text("ImagePositionPatient", _POSITION) for number in (1, image.count_of_frames()))
    return "" if placed else f"states no {title('ImagePositionPatient')}"


# PS3.3 C.7.6.3.1.2; what stands there else may be anything, and is not repeated.
_COLOURS = frozenset(
    {"PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"}
)


def check_pixels(image: Attributes) -> None:
    """Refuse what the pixel decoders cannot be asked for, and take away what they need not and would stumble over."""
    dataset = image.dataset
    if "PixelData" not in dataset or not dataset.file_meta.get("TransferSyntaxUID"):
        raise UnusableInput(f"{image.name} has no pixel data, or does not state their encoding")
    photometric = image.text("PhotometricInterpretation")
    if image.text("SamplesPerPixel") not in ("", "1") or not photometric.startswith("MONO"):
        raise UnusableInput(
            f"{image.name} is a colour image" + (f" ({photometric})" if photometric in _COLOURS else "")
        )
    # PS3.5 8.1.1. Older objects could place the value elsewhere in its cell; none of the decoders looks there.
    if image.whole("HighBit", 0) != image.whole("BitsStored", 1) - 1:
        raise UnusableInput(f"{image.name} stores its values in an unusual place of the cell (High Bit)")
    if image.count_of_frames() == 1 and "NumberOfFrames" in dataset:
        del dataset["NumberOfFrames"]


def _refuse_several_series(images: Sequence[Attributes]) -> None:
    """An absent value counts as a value: de-identified series have lost it in all of their images alike."""
    series = {image.text("SeriesInstanceUID") for image in images}
    if len(series) > 1:
        raise UnusableInput(f"the images belong to {len(series)} series; one is wanted")


def _frames_of_reference(images: Sequence[Attributes], own: bool) -> tuple[str, ...]:
    """What is to be said of the images' frames of reference; raises UnusableInput where their positions do not compare.

    A trace of anonymisers that give each image one of its own: the positions then compare all the same, which nothing
    in the images says, so that a site has to.
    """
    frames = {image.text("FrameOfReferenceUID") for image in images}
    if len(frames) <= 1:
        return ()
    if len(frames) < len(images):
        raise UnusableInput(f"the images lie in {len(frames)} frames of reference; their positions do not compare")
    if not own:
        raise UnusableInput(
            f"each of the {len(images)} images has a {title('FrameOfReferenceUID')} of its own, so that nothing says "
            "that their positions compare; a site that knows they do allows it (models.own_frames_of_reference)"
        )
    return (f"each image names a {title('FrameOfReferenceUID')} of its own; they were read as one, as the site allows",)


def _frames(image: Attributes) -> Iterator[Frame]:
    """The instance's frames. A classic image is its own only functional group."""
    count, groups = image.count_of_frames(), len(image.items("PerFrameFunctionalGroupsSequence"))
    if count > 1 and not groups:
        raise UnusableInput(f"{image.name} has several frames but no functional groups that say where they lie")
    if groups and groups != count:
        raise UnusableInput(f"{image.name} describes {groups} frames and has {count}")
    check_pixels(image)
    for index in range(count):
        yield _frame(image, image.frame(index + 1), index)


def _frame(image: Attributes, frame: Attributes, index: int) -> Frame:
    return Frame(
        source=SourceFrame(image.text("SOPInstanceUID"), index + 1),
        plane=Plane(
            name=frame.name,
            position=frame.numbers("ImagePositionPatient", 3, _POSITION),
            orientation=frame.numbers("ImageOrientationPatient", 6, "PlaneOrientationSequence"),
            spacing=frame.numbers("PixelSpacing", 2, "PixelMeasuresSequence"),
            size=(image.whole("Rows", 1), image.whole("Columns", 1)),
        ),
        scale=_scale(frame),
        dataset=image.dataset,
        index=index,
    )


def _scale(frame: Attributes) -> Scale:
    """The frame's rescale; a CT or PET without one is refused: its values mean nothing (PS3.3 C.8.2.1, C.8.9.4)."""
    if "ModalityLUTSequence" in frame.dataset:
        raise UnusableInput(f"{frame.name} maps its values through a table (Modality LUT), which is not read")
    modality = frame.text("Modality")
    stated = any(frame.text(keyword, _VALUES) for keyword in ("RescaleSlope", "RescaleIntercept"))
    if not stated and modality not in ("CT", "PT"):
        return Scale()
    slope, intercept = frame.number("RescaleSlope", _VALUES), frame.number("RescaleIntercept", _VALUES)
    # US is "unspecified"; writers of CT put it where they mean HU. Anything else is an energy or material map.
    unit = frame.text("RescaleType", _VALUES) or "HU"
    if modality == "CT" and unit not in ("HU", "US"):
        raise UnusableInput(f"the values of {frame.name} are not HU but {shown(unit)}")
    if slope == 0:
        raise UnusableInput(f"{frame.name} states a rescale slope of 0, which leaves no picture")
    return Scale(slope, intercept)
