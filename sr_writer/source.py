"""What the results need to know of their source series: its identity, its images and, of slices, their geometry.

Only headers are read, up to the pixels. A slice is one frame of one instance, so that an enhanced multi-frame
source and a series of single-frame instances look the same from here on.
"""

import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.tag import Tag

from domain.errors import Retryable, UnusableInput
from domain.findings import SourceFrame
from domain.ids import derived_uid
from sr_writer.encoding.elements import copied
from sr_writer.identity import IDENTITY, identity

_READ = [
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "FrameOfReferenceUID",
    "NumberOfFrames", "Rows", "Columns", "ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing",
    "SliceThickness", "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
    "TimezoneOffsetFromUTC", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
_REGION = (int(Tag("BodyPartExamined")), int(Tag("Laterality")))

# What pydicom raises, on reading or on the first use of an element, for bytes that are not what they claim to be.
_DAMAGED = (
    AttributeError, EOFError, IndexError, KeyError, NotImplementedError, OverflowError, TypeError, ValueError,
    struct.error, zlib.error, BytesLengthException, InvalidDicomError,
)  # fmt: skip

_PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")


@dataclass(frozen=True)
class Instance:
    """One instance of the series; `pixel_spacing` (between rows, between columns, mm) where all its frames share it.

    `file` is its Part 10 file.
    """

    file: Path
    sop_class_uid: str
    sop_instance_uid: str
    multi_frame: bool
    rows: int
    columns: int
    pixel_spacing: tuple[Any, ...] | None


@dataclass(frozen=True)
class Frame:
    """One image that the findings are about: an instance and which frame of it, from 1."""

    instance: Instance
    number: int


@dataclass(frozen=True)
class Volume:
    """How the frames of a series lie in the patient. Lengths are in mm, with the decimals that the source wrote.

    `positions` holds the Image Position (Patient) of each frame. A series that names no frame of reference, which its
    results have to, gets one of its own.
    """

    frame_of_reference_uid: str
    rows: int
    columns: int
    orientation: tuple[Any, ...]
    pixel_spacing: tuple[Any, ...]
    slice_thickness: float
    slice_spacing: float
    positions: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Source:
    """The series as the results describe it.

    `frames` are in the order of the findings' frames, `instances` in that of their first frame. `volume` is None where
    the images have no place in the patient, as radiographs have none. `identity` and `region` hold encoded elements by
    tag.
    """

    study_uid: str
    series_uid: str
    modality: str
    frames: tuple[Frame, ...]
    instances: tuple[Instance, ...]
    volume: Volume | None
    lossy: Mapping[str, Any]
    time_zone: timezone | None
    identity: Mapping[int, bytes]
    region: Mapping[int, bytes]


def read_source(paths: Sequence[Path], frames: Sequence[SourceFrame], volumetric: bool) -> Source:
    """The series behind `frames`, from its Part 10 files; other files among `paths` are left aside.

    Raises UnusableInput where a file is damaged, an instance is missing, or, if the results are `volumetric`, a slice
    has no place in the patient; Retryable where a file cannot be opened.
    """
    if not frames:
        raise UnusableInput("the findings name no source frame")
    read = [(path, _header(path, _READ)) for path in paths]
    headers = {str(header.get("SOPInstanceUID")): (path, header) for path, header in read}
    missing = {frame.sop_instance_uid for frame in frames} - headers.keys()
    if missing:
        raise UnusableInput(f"{len(missing)} source instances of the findings are not there, one is {min(missing)}")
    files = {uid: path for uid, (path, _) in headers.items()}
    try:
        return _source(files, [(headers[one.sop_instance_uid][1], one.frame_number) for one in frames], volumetric)
    except _DAMAGED as error:
        # An AttributeError's name is a keyword of PS3.6; other errors' words may quote the header.
        lacking = getattr(error, "name", None) or type(error).__name__
        raise UnusableInput(f"the source's headers lack what a result needs: {lacking}") from error


def _header(path: Path, tags: Sequence[Any]) -> Dataset:
    try:
        return dcmread(path, stop_before_pixels=True, specific_tags=list(tags))
    except OSError as error:
        raise Retryable(f"a source file cannot be opened: {error.strerror}") from error
    except _DAMAGED as error:
        raise UnusableInput(f"a source file is damaged: {type(error).__name__}") from error


def _source(files: Mapping[str, Path], slices: Sequence[tuple[Dataset, int]], volumetric: bool) -> Source:
    """The series, whose instances lie in `files` by their UIDs."""
    first, _ = slices[0]
    by_uid = {str(header.SOPInstanceUID): header for header, _ in slices}
    instances = {uid: _instance(files[uid], header) for uid, header in by_uid.items()}
    full = _header(files[str(first.SOPInstanceUID)], (*IDENTITY, *_REGION))
    return Source(
        study_uid=str(first.StudyInstanceUID),
        series_uid=str(first.SeriesInstanceUID),
        modality=str(first.get("Modality", "")),
        frames=tuple(_frame(instances[str(header.SOPInstanceUID)], header, number) for header, number in slices),
        instances=tuple(instances.values()),
        volume=_volume(slices) if volumetric or all(_has_place(*one) for one in slices) else None,
        lossy={keyword: first[keyword].value for keyword in _READ if keyword.startswith("Lossy") and keyword in first},
        time_zone=_time_zone(str(first.get("TimezoneOffsetFromUTC", ""))),
        identity=identity(full),
        region=copied(full, _REGION),
    )


def _instance(file: Path, header: Dataset) -> Instance:
    spacing = header.get("PixelSpacing")
    return Instance(
        file=file,
        sop_class_uid=str(header.SOPClassUID),
        sop_instance_uid=str(header.SOPInstanceUID),
        multi_frame="PerFrameFunctionalGroupsSequence" in header or _frame_count(header) > 1,
        rows=int(header.Rows),
        columns=int(header.Columns),
        pixel_spacing=tuple(spacing) if spacing else None,
    )


def _frame_count(header: Dataset) -> int:
    return int(header.get("NumberOfFrames") or 1)


def _frame(instance: Instance, header: Dataset, number: int) -> Frame:
    if not 1 <= number <= _frame_count(header):
        raise UnusableInput(f"instance {instance.sop_instance_uid} has no frame {number}")
    return Frame(instance, number)


def _has_place(header: Dataset, number: int) -> bool:
    """Whether the frame states where in the patient it lies (PS3.3 C.7.6.2, C.7.6.16.2.3)."""
    if "PerFrameFunctionalGroupsSequence" not in header:
        return all(header.get(keyword) for keyword in _PLACE)
    groups = (header.PerFrameFunctionalGroupsSequence[number - 1], *header.SharedFunctionalGroupsSequence[:1])
    return any("PlanePositionSequence" in one for one in groups)


def _volume(slices: Sequence[tuple[Dataset, int]]) -> Volume:
    first, first_frame = slices[0]
    orientation = tuple(_geometry(first, first_frame, "PlaneOrientationSequence").ImageOrientationPatient)
    measures = _geometry(first, first_frame, "PixelMeasuresSequence")
    positions = tuple(_position(header, number) for header, number in slices)
    thickness = float(measures.get("SliceThickness") or 0.0)
    spacing = _slice_spacing(orientation, positions) or thickness or 1.0
    own = derived_uid("frame of reference", str(first.SeriesInstanceUID))
    return Volume(
        frame_of_reference_uid=str(first.get("FrameOfReferenceUID") or own),
        rows=int(first.Rows),
        columns=int(first.Columns),
        orientation=orientation,
        pixel_spacing=tuple(measures.PixelSpacing),
        slice_thickness=thickness or spacing,
        slice_spacing=spacing,
        positions=positions,
    )


def _position(header: Dataset, number: int) -> tuple[Any, ...]:
    return tuple(_geometry(header, number, "PlanePositionSequence").ImagePositionPatient)


def _geometry(header: Dataset, number: int, macro: str) -> Dataset:
    """Where frame `number` keeps the attributes of a functional group macro (PS3.3 C.7.6.16.1): per frame or shared."""
    if "PerFrameFunctionalGroupsSequence" not in header:
        return header
    groups = header.PerFrameFunctionalGroupsSequence[number - 1]
    if macro not in groups:
        groups = header.SharedFunctionalGroupsSequence[0]
    item: Dataset = groups[macro].value[0]
    return item


def _slice_spacing(orientation: tuple[Any, ...], positions: Sequence[tuple[Any, ...]]) -> float:
    """Mean distance between neighbouring slices along their normal, mm; 0 for a single one."""
    if len(positions) < 2:
        return 0.0
    direction = np.asarray(orientation, dtype=float)
    normal = np.cross(direction[:3], direction[3:])
    depth = np.asarray(positions, dtype=float) @ normal
    return float((depth.max() - depth.min()) / (len(positions) - 1))


def _time_zone(offset: str) -> timezone | None:
    """The zone of the source's own times (PS3.3 C.12.1.1.8), None where it states none that can be read."""
    match = re.fullmatch(r"([+-])(\d\d)([0-5]\d)", offset.strip())
    if not match:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes)) if minutes < 24 * 60 else None
