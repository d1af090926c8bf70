"""Findings and their mask as one Segmentation (PS3.3 A.51) on the source's own grid: binary, or a label map.

A binary one has a frame of bits for each segment in each slice that it is in, a label map one of bytes for each slice
that has a segment. What there is once is a data set here; frames are bytes of `segment_frames` and `segment_pixels`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.valuerep import DSfloat

from domain.errors import IntegrityError
from domain.findings import Findings
from domain.profiles import LABEL_MAP_SEGMENTATION, RLE, ResultFormat, every_form
from sr_writer.codes.sentences import comments, description
from sr_writer.common_modules import heading
from sr_writer.content import Content, Draft
from sr_writer.encoding.part10 import Buffer
from sr_writer.provenance import Provenance
from sr_writer.segments import frames as segment_frames
from sr_writer.segments import pixels as segment_pixels
from sr_writer.segments.items import background, segment_item, tracking
from sr_writer.source import Instance, Source, Volume

__all__ = ["drafts", "present_segments", "reference", "reference_to", "tracking"]


@dataclass(frozen=True)
class _Frames:
    """What there is for each frame: how many, Per-Frame Functional Groups Sequence and the pieces of Pixel Data."""

    count: int
    groups: bytes
    pixels: Sequence[Buffer]


def present_segments(findings: Findings, mask: NDArray[np.uint8] | None, source: Source) -> frozenset[int]:
    """The numbers of the segments that have a voxel; raises IntegrityError where the mask is not of these findings."""
    if mask is None:
        return frozenset()
    assert source.volume is not None  # a mask has made the source volumetric
    expected = (len(source.frames), source.volume.rows, source.volume.columns)
    if mask.shape != expected or mask.dtype != np.uint8:
        raise IntegrityError(f"the mask is {mask.dtype} {mask.shape}, its source is uint8 {expected}")
    numbers = segment_pixels.present(mask)
    unknown = numbers - {segment.number for segment in findings.segments}
    if unknown:
        raise IntegrityError(f"the mask holds segment {min(unknown)}, which the findings do not name")
    return numbers


def reference_to(name: str, stamp: Provenance) -> tuple[str, str, str]:
    """SOP class, SOP instance and series of the segmentation whose form has this name."""
    (form,) = (one for one in every_form() if one.name == name)
    return form.sop_class, stamp.uid(name), stamp.uid(f"{name}-series")


def reference(instance: Instance) -> Dataset:
    """A reference to one instance (PS3.3 table 10-11)."""
    item = Dataset()
    item.ReferencedSOPClassUID = instance.sop_class_uid
    item.ReferencedSOPInstanceUID = instance.sop_instance_uid
    return item


def drafts(content: Content, form: ResultFormat) -> Iterator[Draft]:
    """The SEG of the findings' mask; none where no voxel is marked.

    Raises UnusableInput where the source's slices do not make a Segmentation (two in one place).
    """
    if not content.present:
        return
    source, volume, mask = content.source, content.source.volume, content.mask
    assert volume is not None and mask is not None
    made = _label_map if form.sop_class == LABEL_MAP_SEGMENTATION else _binary
    frames = made(np.ascontiguousarray(mask), source, volume, form)
    elements = segment_frames.references(content.sources) | {"PerFrameFunctionalGroupsSequence": frames.groups}
    dataset = _head(content, volume, form)
    dataset.NumberOfFrames = frames.count
    yield Draft(form, dataset, {int(Tag(keyword)): data for keyword, data in elements.items()}, frames.pixels)


def _binary(mask: NDArray[np.uint8], source: Source, volume: Volume, _: ResultFormat) -> _Frames:
    found = segment_pixels.extents(mask)
    slices = segment_frames.in_order(found, volume)
    frames = segment_frames.by_segment(found, slices)
    groups = segment_frames.groups_by_segment(frames, slices, source, volume)
    return _Frames(len(frames), groups, tuple(segment_pixels.bits(mask, frames)))


def _label_map(mask: NDArray[np.uint8], source: Source, volume: Volume, form: ResultFormat) -> _Frames:
    slices = segment_frames.in_order(segment_pixels.extents(mask), volume)
    pixels = segment_pixels.run_lengths if form.transfer_syntax == RLE else segment_pixels.labels
    return _Frames(len(slices), segment_frames.groups_by_slice(slices, source, volume), tuple(pixels(mask, slices)))


def _head(content: Content, volume: Volume, form: ResultFormat) -> Dataset:
    """Everything but the frames and the references; patient and study are left out."""
    dataset = heading(content, form, "SEG")
    _describe(dataset, content)
    _place(dataset, volume)
    _number_dimensions(dataset, content.stamp.uid(f"{form.name}-dimensions"), form)
    _encode(dataset, form)
    _compressed_before(dataset, content.source)
    model, stamp = content.findings.model, content.stamp
    segments = [segment_item(segment, model, stamp) for segment in content.findings.segments]
    if form.sop_class == LABEL_MAP_SEGMENTATION:
        # Behind the others: some viewers take the place of an item for its number.
        segments.append(background(model))
    dataset.SegmentSequence = segments
    return dataset


def _describe(dataset: Dataset, content: Content) -> None:
    """General Image (PS3.3 C.7.6.1) and Content Identification (table 10-12)."""
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.ImageComments = comments(content)
    dataset.ContentLabel, dataset.ContentDescription = "AI_SEGMENTATION", description(content)
    dataset.ContentCreatorName = ""  # type 2, and no person made it


def _place(dataset: Dataset, volume: Volume) -> None:
    """What all frames share of where they lie, in the source's own digits (PS3.3 C.7.6.16.2.1, C.7.6.16.2.4)."""
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = volume.frame_of_reference_uid, ""
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = list(volume.pixel_spacing)
    measures.SliceThickness = DSfloat(volume.slice_thickness, auto_format=True)
    measures.SpacingBetweenSlices = DSfloat(volume.slice_spacing, auto_format=True)
    orientation.ImageOrientationPatient = list(volume.orientation)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.Rows, dataset.Columns = volume.rows, volume.columns


def _number_dimensions(dataset: Dataset, uid: str, form: ResultFormat) -> None:
    """Multi-frame Dimension (PS3.3 C.7.6.17): what the frames are numbered by."""
    organization = Dataset()
    organization.DimensionOrganizationUID = uid
    dataset.DimensionOrganizationSequence = [organization]
    segment = ("ReferencedSegmentNumber", "SegmentIdentificationSequence", "Referenced Segment Number")
    position = ("ImagePositionPatient", "PlanePositionSequence", "Image Position Patient")
    numbered = (position,) if form.sop_class == LABEL_MAP_SEGMENTATION else (segment, position)
    dataset.DimensionIndexSequence = [_dimension(uid, *one) for one in numbered]


def _dimension(uid: str, keyword: str, group: str, label: str) -> Dataset:
    item = Dataset()
    item.DimensionOrganizationUID = uid
    item.DimensionIndexPointer, item.FunctionalGroupPointer = Tag(keyword), Tag(group)
    item.DimensionDescriptionLabel = label
    return item


def _encode(dataset: Dataset, form: ResultFormat) -> None:
    """Image Pixel and Segmentation Image (PS3.3 C.7.6.3, C.8.20.2). Segments of one mask do not overlap."""
    label_map = form.sop_class == LABEL_MAP_SEGMENTATION
    bits = 8 if label_map else 1
    dataset.SegmentationType, dataset.SegmentsOverlap = "LABELMAP" if label_map else "BINARY", "NO"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.PhotometricInterpretation, dataset.PresentationLUTShape = "MONOCHROME2", "IDENTITY"
    if label_map:
        dataset.PixelPaddingValue = 0


def _compressed_before(dataset: Dataset, source: Source) -> None:
    """Whether the source has lost something to compression (PS3.3 C.8.20.2.2)."""
    lossy = source.lossy.get("LossyImageCompression") or "00"
    dataset.LossyImageCompression = lossy
    if lossy == "01":
        for keyword, value in source.lossy.items():
            setattr(dataset, keyword, value)
