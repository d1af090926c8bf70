"""Maps of numbers over the source's slices as Parametric Maps (PS3.3 A.75), one object and one series each.

Values are 32-bit floats: dcmqi reads no others, Weasis reads both, and OHIF 3.13 multiplies them by a hundred in their
own type, in which 16 bits overflow. (OHIF then counts bytes as values and shows all slices but the first where they are
not; no way to write a map helps it.) dcmqi takes the frames for a stack without gaps, so that slices between the first
and the last that a map speaks of are written too, as 0. OHIF shows one object of a series, so that each map has its
own. A palette is left out: viewers have one for integers only, and those that lay a map over an image bring colours.

Radiographs have no place in the patient, which a map has to state; theirs go into a picture instead.
"""

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.valuerep import format_number_as_ds

from domain.errors import IntegrityError
from domain.findings import Code, Findings, Map
from domain.profiles import ResultFormat
from sr_writer.codes import concepts
from sr_writer.codes.sentences import comments, description
from sr_writer.codes.wording import (
    concept,
    plain,
    short,
)
from sr_writer.common_modules import heading
from sr_writer.content import Content, Draft
from sr_writer.encoding.part10 import Buffer
from sr_writer.segments.frames import references
from sr_writer.segments.segmentation import reference
from sr_writer.source import BODY_PART, LATERALITY, Frame, Source, Volume

_FLOAT_PIXEL_DATA = (0x7FE0, 0x0008)
_IMAGE_POSITION, _PLANE_POSITION = 0x00200032, 0x00209113

# What a map is a map of (PS3.16 CID 7180), by the words for its method; every other one shows what mattered.
_QUANTITIES = {
    "class activation map": concepts.CLASS_ACTIVATION,
    "Grad-CAM": concepts.GRADIENT_CLASS_ACTIVATION,
    "probability": concepts.PROBABILITY,
}
# Parts of the body (PS3.16 annex L) by Body Part Examined; any other is a structure of the body.
_REGIONS = {
    "ABDOMEN": concepts.ABDOMEN,
    "BRAIN": concepts.BRAIN,
    "CHEST": concepts.CHEST,
    "HEAD": concepts.HEAD,
    "NECK": concepts.NECK,
    "PELVIS": concepts.PELVIS,
}


def drafts(content: Content, form: ResultFormat) -> Iterator[Draft]:
    """A map of each of the findings', where the source lies in the patient.

    Raises IntegrityError where an array is not one of numbers from 0 to 1 on the frames of its map.
    """
    source, maps = content.source, content.findings.maps
    if source.volume is None:
        return
    if len(maps) != len(content.maps):
        raise IntegrityError(f"there are {len(content.maps)} of the findings' {len(maps)} maps")
    elements = {int(Tag(keyword)): data for keyword, data in references(content.sources).items()}
    for number, (one, values) in enumerate(zip(maps, content.maps, strict=True), 1):
        _check(one, values, source, source.volume)
        dataset = heading(content, form, "OT", number, own_series=True, about=one.label)
        _describe(dataset, one, content, source.volume)
        yield Draft(form, dataset, elements, _pixels(one, values))


def _check(one: Map, values: NDArray[np.float32], source: Source, volume: Volume) -> None:
    expected = (len(one.frames), volume.rows, volume.columns)
    if not one.frames or values.shape != expected or one.shape != expected:
        raise IntegrityError(f"the map of {one.label} is {values.shape}, its frames are {expected}")
    if not all(0 <= index < len(source.frames) for index in one.frames) or len(set(one.frames)) != len(one.frames):
        raise IntegrityError(f"the map of {one.label} lies on frames that the findings do not have")
    # Written so that a NaN is refused as well.
    if not (values.min() >= 0 and values.max() <= 1):
        raise IntegrityError(f"the map of {one.label} holds a value that is not from 0 to 1")


def _slices(one: Map) -> range:
    """The source's frames from the first to the last that the map speaks of."""
    return range(min(one.frames), max(one.frames) + 1)


def _pixels(one: Map, values: NDArray[np.float32]) -> list[Buffer]:
    """Float Pixel Data, 0 in slices that the map does not speak of."""
    frames = np.ascontiguousarray(values, "<f4")
    known = {index: frame.data.cast("B") for index, frame in zip(one.frames, frames, strict=True)}
    empty, slices = bytes(frames[0].nbytes), _slices(one)
    head = struct.pack("<HH2sHL", *_FLOAT_PIXEL_DATA, b"OF", 0, len(slices) * len(empty))
    return [head, *(known.get(index, empty) for index in slices)]


def _describe(dataset: Dataset, one: Map, content: Content, volume: Volume) -> None:
    dataset.ContentLabel, dataset.ContentDescription = "AI_MAP", description(content)
    dataset.ContentCreatorName = ""  # type 2 (PS3.3 table 10-12), and no person made it
    dataset.ImageComments = comments(content)
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = volume.frame_of_reference_uid, ""
    dataset.AcquisitionContextSequence = []
    _describe_pixels(dataset, one, content.source)
    _index(dataset, content.stamp.uid(f"PM-dimensions-{dataset.InstanceNumber}"))
    dataset.SharedFunctionalGroupsSequence = [_shared(dataset, one, content, volume)]
    dataset.PerFrameFunctionalGroupsSequence = list(_frames(one, content.source, volume))


def _describe_pixels(dataset: Dataset, one: Map, source: Source) -> None:
    """Parametric Map Image and Floating Point Image Pixel (PS3.3 C.8.32.2, C.7.6.24)."""
    dataset.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"]
    dataset.PixelPresentation, dataset.PresentationLUTShape = "MONOCHROME", "IDENTITY"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.BitsAllocated = 1, "MONOCHROME2", 32
    dataset.NumberOfFrames, (_, dataset.Rows, dataset.Columns) = len(_slices(one)), one.shape
    dataset.BurnedInAnnotation = dataset.RecognizableVisualFeatures = "NO"
    dataset.LossyImageCompression = "00"
    for keyword, value in source.lossy.items():
        setattr(dataset, keyword, value)


def _index(dataset: Dataset, organization_uid: str) -> None:
    """Frames are told apart by their position (PS3.3 C.7.6.17)."""
    organization, index = Dataset(), Dataset()
    organization.DimensionOrganizationUID = index.DimensionOrganizationUID = organization_uid
    index.DimensionIndexPointer, index.FunctionalGroupPointer = _IMAGE_POSITION, _PLANE_POSITION
    index.DimensionDescriptionLabel = "Image Position (Patient)"
    dataset.DimensionOrganizationSequence, dataset.DimensionIndexSequence = [organization], [index]


def _shared(dataset: Dataset, one: Map, content: Content, volume: Volume) -> Dataset:
    groups, orientation, measures, window, stored, kind = (Dataset() for _ in range(6))
    orientation.ImageOrientationPatient = list(volume.orientation)
    measures.PixelSpacing = list(volume.pixel_spacing)
    lengths = (volume.slice_thickness, volume.slice_spacing)
    measures.SliceThickness, measures.SpacingBetweenSlices = map(format_number_as_ds, lengths)
    # From 0, black, to 1, white; the default function cannot have a window that narrow (PS3.3 C.11.2.1.2.1).
    window.WindowCenter, window.WindowWidth, window.VOILUTFunction = 0.5, 1, "LINEAR_EXACT"
    stored.RescaleIntercept, stored.RescaleSlope, stored.RescaleType = 0, 1, "US"
    kind.FrameType = dataset.ImageType
    groups.PlaneOrientationSequence, groups.PixelMeasuresSequence = [orientation], [measures]
    groups.FrameVOILUTSequence, groups.PixelValueTransformationSequence = [window], [stored]
    groups.ParametricMapFrameTypeSequence = [kind]
    groups.FrameAnatomySequence = [_anatomy(content.source)]
    groups.RealWorldValueMappingSequence = [_mapping(one, content.findings)]
    return groups


def _anatomy(source: Source) -> Dataset:
    """The part of the body (PS3.3 C.7.6.16.2.8), for readers that want one."""
    part, side = (_value(source.region.get(tag, b"")) for tag in (BODY_PART, LATERALITY))
    item = Dataset()
    item.AnatomicRegionSequence = [concept(_REGIONS.get(part, concepts.ANATOMICAL_STRUCTURE))]
    item.FrameLaterality = side if side in ("R", "L") else "U"
    return item


def _value(element: bytes) -> str:
    """The value of a short element in Explicit VR Little Endian."""
    return element[8:].decode("ascii", "replace").strip()


def _mapping(one: Map, findings: Findings) -> Dataset:
    """What the numbers mean (PS3.3 C.7.6.16.2.11): themselves, from 0 to 1, of the finding that the map is for."""
    item = Dataset()
    item.LUTLabel, item.LUTExplanation = short(one.label)[:16].strip(), short(f"{one.label}: {one.method}")
    item.DoubleFloatRealWorldValueFirstValueMapped, item.DoubleFloatRealWorldValueLastValueMapped = 0.0, 1.0
    item.RealWorldValueIntercept, item.RealWorldValueSlope = 0.0, 1.0
    item.MeasurementUnitsCodeSequence = [concept(concepts.NO_UNITS)]
    finding = next((known.finding for known in findings.likelihoods if known.label == one.label), None)
    item.QuantityDefinitionSequence = [
        _says(concepts.QUANTITY, _QUANTITIES.get(one.method, concepts.SALIENCY)),
        *([_says(concepts.FINDING, finding)] if finding else []),
    ]
    return item


def _says(name: Code, value: Code) -> Dataset:
    item = Dataset()
    item.ValueType = "CODE"
    item.ConceptNameCodeSequence, item.ConceptCodeSequence = [concept(name)], [concept(value)]
    return item


def _frames(one: Map, source: Source, volume: Volume) -> Iterator[Dataset]:
    """The functional groups of each frame; index values are the order along the stack's normal."""
    direction = np.asarray(volume.orientation, float)
    places = np.asarray([volume.positions[index] for index in _slices(one)], float)
    depth = places @ np.cross(direction[:3], direction[3:])
    ranks = depth.argsort(kind="stable").argsort(kind="stable") + 1
    for index, rank in zip(_slices(one), ranks.tolist(), strict=True):
        groups, content, position = Dataset(), Dataset(), Dataset()
        content.DimensionIndexValues = rank
        position.ImagePositionPatient = list(volume.positions[index])
        groups.FrameContentSequence, groups.PlanePositionSequence = [content], [position]
        groups.DerivationImageSequence = [_derivation(one, source.frames[index])]
        yield groups


def _derivation(one: Map, frame: Frame) -> Dataset:
    image = reference(frame.instance)
    if frame.instance.multi_frame:
        image.ReferencedFrameNumber = frame.number
    image.PurposeOfReferenceCodeSequence = [concept(concepts.SOURCE_IMAGE)]
    image.SpatialLocationsPreserved = "YES"
    item = Dataset()
    item.DerivationDescription = plain(one.method)
    item.DerivationCodeSequence = [concept(concepts.UNSPECIFIED_CALCULATION)]
    item.SourceImageSequence = [image]
    return item
